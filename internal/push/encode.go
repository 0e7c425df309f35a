package push

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/view"
	"iotmon/internal/wire"
)

// message is one message, encoded once for all who get it.
type message struct {
	kind string
	seq  uint64
	data []byte
	// sample is the time of one of the readings, for measuring how long they take; zero in a snapshot.
	sample time.Time
	// traced is what to end once the first client has the message; nil for nothing. traceID names one of the traces, that of
	// the sample.
	traced  atomic.Pointer[delivery]
	traceID string
	// frame is what goes over the connection: data, and before it what makes it a WebSocket text frame.
	frame []byte
	// deflated and deflatedFrame are the same for clients that take messages compressed; nil until the first of them is sent the
	// message. The hub's lock guards them, and they do not change once they are there.
	deflated, deflatedFrame []byte
}

// frameHead is the room that the head of a frame may take.
const frameHead = 10

// newMessage makes a message of its JSON, which stands in framed after frameHead bytes left free.
func newMessage(e wire.Envelope, framed []byte) *message {
	return &message{kind: e.Type, seq: e.Seq, data: framed[frameHead:], frame: putHead(finalText, framed)}
}

// finalText begins a frame that is a whole text message.
const finalText = 0x81

// putHead makes a frame of the payload that stands in framed after frameHead bytes left free.
func putHead(first byte, framed []byte) []byte {
	begins := 0
	switch n := len(framed) - frameHead; {
	case n < 126:
		begins = frameHead - 2
		framed[begins+1] = byte(n)
	case n <= math.MaxUint16:
		begins = frameHead - 4
		framed[begins+1] = 126
		binary.BigEndian.PutUint16(framed[begins+2:], uint16(n))
	default:
		framed[begins+1] = 127
		binary.BigEndian.PutUint64(framed[begins+2:], uint64(n))
	}
	framed[begins] = first
	return framed[begins:]
}

// encode makes a message of v, which must have the envelope.
func encode(e wire.Envelope, v any) *message {
	data := marshal(v)
	return newMessage(e, append(make([]byte, frameHead, frameHead+len(data)), data...))
}

// marshal returns the JSON of v. Every value has been checked on its way in: there is no NaN and nothing else that JSON
// cannot say.
func marshal(v any) []byte {
	data, err := wire.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err))
	}
	return data
}

func (h *Hub) envelope(kind string, seq uint64) wire.Envelope {
	return wire.Envelope{Type: kind, Seq: seq, Timestamp: iot.CutTime(h.options.Now())}
}

func (h *Hub) snapshotEnvelope(kind string, seq uint64, snapshot bool) wire.Envelope {
	e := h.envelope(kind, seq)
	e.Snapshot = snapshot
	return e
}

func (h *Hub) helloMessage(c *client) *message {
	hello := wire.Hello{
		Envelope:      h.envelope(wire.TypeHello, c.last),
		ServerVersion: h.options.Version,
		Session:       h.session(c.number),
		Resumed:       c.resumed,
		WindowSeconds: int(h.held.WindowLength() / time.Second),
		DeviceTypes:   wire.FromCatalog(h.options.Catalog),
		AlertRules:    wire.FromRules(h.options.Rules),
		Limits:        h.wireLimits(),
	}
	return encode(hello.Envelope, hello)
}

func (h *Hub) wireLimits() wire.Limits {
	return wire.Limits{
		MessageBytes:    h.limits.MessageBytes,
		FilterItems:     h.limits.FilterItems,
		PingSeconds:     int(h.limits.PingInterval / time.Second),
		MaxConnections:  h.limits.Connections,
		ResumeMessages:  h.limits.Alerts,
		SnapshotWindows: h.view.KeptWindows(),
	}
}

func (h *Hub) errorMessage(c wire.Error) *message {
	c.Envelope = h.envelope(wire.TypeError, h.feed.next())
	return encode(c.Envelope, c)
}

func (h *Hub) alertMessage(events []*iot.Alert, seq uint64, snapshot bool) *message {
	m := wire.AlertMessage{
		Envelope: h.snapshotEnvelope(wire.TypeAlert, seq, snapshot),
		Alerts:   make([]wire.Alert, len(events)),
	}
	for i, event := range events {
		m.Alerts[i] = wire.FromAlert(event)
	}
	return encode(m.Envelope, m)
}

// mergedWindow is a window with its partitions added up.
type mergedWindow struct {
	data             map[iot.DeviceType]wire.AggregateData
	length           time.Duration
	final, corrected bool
}

// windowData returns what the filter lets through of the window that starts at start; nil when that is nothing, or the
// window is no longer kept.
func (h *Hub) windowData(f *filter, start int64) *wire.AggregatedData {
	merged := h.merged[start]
	if merged == nil {
		w := h.held.Window(time.UnixMicro(start))
		if w == nil {
			return nil
		}
		merged = mergeWindow(w)
		h.merged[start] = merged
	}
	total, _ := h.held.Count(&f.Filter)
	m := &wire.AggregatedData{
		WindowStart:   time.UnixMicro(start).UTC(),
		WindowSeconds: int(merged.length / time.Second),
		Final:         merged.final,
		Corrected:     merged.corrected,
		Data:          make(map[iot.DeviceType]wire.AggregateData),
		DeviceStatus:  total,
	}
	for t, data := range merged.data {
		if view.Allows(f.Types, t) {
			m.Data[t] = data
		}
	}
	if len(m.Data) == 0 {
		return nil
	}
	return m
}

func mergeWindow(w *view.Window) *mergedWindow {
	summaries, final := w.Merge()
	merged := &mergedWindow{data: make(map[iot.DeviceType]wire.AggregateData), length: w.Length, final: final, corrected: w.Corrected()}
	for t, summary := range summaries {
		merged.data[t] = wire.AggregateDataOf(&summary)
	}
	return merged
}

func (h *Hub) windowMessage(m *wire.AggregatedData, seq uint64, snapshot bool) *message {
	m.Envelope = h.snapshotEnvelope(wire.TypeAggregatedData, seq, snapshot)
	return encode(m.Envelope, m)
}

func (h *Hub) historyMessage(seq uint64) *message {
	m := wire.HistoryChanged{Envelope: h.envelope(wire.TypeHistoryChanged, seq)}
	return encode(m.Envelope, m)
}

func (h *Hub) removalMessage(ids []iot.DeviceID, seq uint64) *message {
	m := wire.DeviceRemoved{Envelope: h.envelope(wire.TypeDeviceRemoved, seq), DeviceIDs: ids}
	return encode(m.Envelope, m)
}

func (h *Hub) statusMessage(f *filter, changed []entry, seq uint64, snapshot bool) *message {
	total, byType := h.held.Count(&f.Filter)
	m := wire.DeviceStatus{
		Envelope:          h.snapshotEnvelope(wire.TypeDeviceStatus, seq, snapshot),
		StatusCounts:      total,
		ByType:            byType,
		Changed:           make([]wire.StatusChange, len(changed)),
		ReadingsPerSecond: h.held.ReadingsPerSecond(h.options.Now()),
	}
	for i, e := range changed {
		device := h.held.Device(e.device)
		m.Changed[i] = wire.StatusChange{DeviceID: device.Latest.ID, Status: device.Status, Since: device.Since}
	}
	return encode(m.Envelope, m)
}

// deviceMessage puts the message together from the devices' own JSON, which is made once for all messages that a device
// is in until it changes again.
func (h *Hub) deviceMessage(entries []entry, seq uint64, snapshot bool) *message {
	e := h.snapshotEnvelope(wire.TypeDeviceData, seq, snapshot)
	size := 0
	for _, entry := range entries {
		size += len(h.fragment(entry.device)) + 1
	}
	const most = len(`{"type":"device_data","seq":18446744073709551615,"timestamp":"2006-01-02T15:04:05.999999999Z","snapshot":true,"devices":[]}`)
	data := make([]byte, frameHead, frameHead+most+size)
	data = append(appendEnvelope(data, e), `,"devices":[`...)
	for i, entry := range entries {
		if i > 0 {
			data = append(data, ',')
		}
		data = append(data, h.fragments[entry.device]...)
	}
	data = append(data, "]}"...)
	m := newMessage(e, data)
	if !snapshot {
		// Any one would do as long as its place has no bearing on its age.
		sampled := entries[seq%uint64(len(entries))]
		if spans, first := h.traces.claim(entries); len(spans) > 0 {
			followed := &delivery{spans: spans, composed: time.Now(), viewers: len(h.clients)}
			m.traceID, sampled = followed.traceID(), first
			m.traced.Store(followed)
		}
		m.sample = h.held.Device(sampled.device).Latest.Time
	}
	return m
}

// appendEnvelope appends the JSON of an envelope, but for the brace that closes it.
func appendEnvelope(dst []byte, e wire.Envelope) []byte {
	dst = append(append(dst, `{"type":"`...), e.Type...) // There is nothing in a type to escape.
	dst = strconv.AppendUint(append(dst, `","seq":`...), e.Seq, 10)
	dst = e.Timestamp.AppendFormat(append(dst, `,"timestamp":"`...), time.RFC3339Nano)
	dst = append(dst, '"')
	if e.Snapshot {
		dst = append(dst, `,"snapshot":true`...)
	}
	return dst
}

// fragment returns the JSON of a device.
func (h *Hub) fragment(device int32) []byte {
	if missing := h.held.Numbers() - len(h.fragments); missing > 0 {
		h.fragments = append(h.fragments, make([][]byte, missing)...)
	}
	if h.fragments[device] == nil {
		h.fragments[device] = appendDevice(nil, h.held.Device(device))
	}
	return h.fragments[device]
}

// appendDevice appends the JSON of a wire.Device without the reflection that would cost a third of a core at 100,000
// readings a second.
func appendDevice(dst []byte, s *iot.DeviceState) []byte {
	reading := s.Latest
	reading.Status = s.Status
	dst = wire.AppendReading(dst, &reading)
	dst = append(dst[:len(dst)-1], `,"since":"`...)
	dst = s.Since.UTC().AppendFormat(dst, time.RFC3339Nano)
	dst = append(dst, `","open_alerts":`...)
	open := 0
	for i := range s.Alerts {
		if s.Alerts[i].Raised != nil {
			open++
		}
	}
	dst = strconv.AppendInt(dst, int64(open), 10)
	return append(dst, '}')
}
