package push

import (
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/view"
	"iotmon/internal/wire"
)

func (cp *composer) envelope(kind string, seq uint64) wire.Envelope {
	return wire.Envelope{Type: kind, Seq: seq, Timestamp: iot.CutTime(cp.options.Now())}
}

func (cp *composer) snapshotEnvelope(kind string, seq uint64, snapshot bool) wire.Envelope {
	e := cp.envelope(kind, seq)
	e.Snapshot = snapshot
	return e
}

func (cp *composer) helloMessage(v *viewer, session string) *message {
	hello := wire.Hello{
		Envelope:      cp.envelope(wire.TypeHello, v.last),
		ServerVersion: cp.options.Version,
		Session:       session,
		Resumed:       v.resumed,
		WindowSeconds: int(cp.held.WindowLength() / time.Second),
		DeviceTypes:   wire.FromCatalog(cp.options.Catalog),
		AlertRules:    wire.FromRules(cp.options.Rules),
		Limits:        cp.wireLimits(),
	}
	return encode(hello.Envelope, hello)
}

func (cp *composer) wireLimits() wire.Limits {
	return wire.Limits{
		MessageBytes:    cp.options.Limits.MessageBytes,
		FilterItems:     cp.options.Limits.FilterItems,
		PingSeconds:     int(cp.options.Limits.PingInterval / time.Second),
		MaxConnections:  cp.options.Limits.Connections,
		ResumeMessages:  cp.options.Limits.Alerts,
		SnapshotWindows: cp.options.View.KeptWindows(),
	}
}

func (cp *composer) errorMessage(fault wire.Error) *message {
	fault.Envelope = cp.envelope(wire.TypeError, cp.feed.next())
	return encode(fault.Envelope, fault)
}

func (cp *composer) alertMessage(events []*iot.Alert, seq uint64, snapshot bool) *message {
	m := wire.AlertMessage{
		Envelope: cp.snapshotEnvelope(wire.TypeAlert, seq, snapshot),
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

// windowData returns the part of a window that the filter lets through, with the counts of the devices that it lets through. start is the
// start of the window in Unix microseconds. It returns nil if nothing passes, or the window is no longer kept.
func (cp *composer) windowData(f *filter, start int64) *wire.AggregatedData {
	merged := cp.merged[start]
	if merged == nil {
		w := cp.held.Window(time.UnixMicro(start))
		if w == nil {
			return nil
		}
		merged = mergeWindow(w)
		cp.merged[start] = merged
	}
	total, _ := cp.held.Count(&f.Filter)
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

func (cp *composer) windowMessage(m *wire.AggregatedData, seq uint64, snapshot bool) *message {
	m.Envelope = cp.snapshotEnvelope(wire.TypeAggregatedData, seq, snapshot)
	return encode(m.Envelope, m)
}

func (cp *composer) historyMessage(seq uint64) *message {
	m := wire.HistoryChanged{Envelope: cp.envelope(wire.TypeHistoryChanged, seq)}
	return encode(m.Envelope, m)
}

func (cp *composer) removalMessage(ids []iot.DeviceID, seq uint64) *message {
	m := wire.DeviceRemoved{Envelope: cp.envelope(wire.TypeDeviceRemoved, seq), DeviceIDs: ids}
	return encode(m.Envelope, m)
}

func (cp *composer) statusMessage(f *filter, changed []entry, seq uint64, snapshot bool) *message {
	total, byType := cp.held.Count(&f.Filter)
	m := wire.DeviceStatus{
		Envelope:          cp.snapshotEnvelope(wire.TypeDeviceStatus, seq, snapshot),
		StatusCounts:      total,
		ByType:            byType,
		Changed:           make([]wire.StatusChange, len(changed)),
		ReadingsPerSecond: cp.held.ReadingsPerSecond(cp.options.Now()),
	}
	for i, e := range changed {
		device := cp.held.Device(e.device)
		m.Changed[i] = wire.StatusChange{DeviceID: device.Latest.ID, Status: device.Status, Since: device.Since}
	}
	return encode(m.Envelope, m)
}

// deviceMessage joins the JSON of devices, which is kept for further messages until a device changes. If it is not part of a snapshot,
// it claims the traces of the devices, and one device is the sample for the age at delivery: the first that is traced, otherwise any.
func (cp *composer) deviceMessage(entries []entry, seq uint64, snapshot bool) *message {
	e := cp.snapshotEnvelope(wire.TypeDeviceData, seq, snapshot)
	size := 0
	for _, entry := range entries {
		size += len(cp.fragment(entry.device)) + 1
	}
	const envelopeSize = len(`{"type":"device_data","seq":18446744073709551615,"timestamp":"2006-01-02T15:04:05.999999999Z","snapshot":true,"devices":[]}`)
	data := make([]byte, frameHead, frameHead+envelopeSize+size)
	data = append(appendEnvelope(data, e), `,"devices":[`...)
	for i, entry := range entries {
		if i > 0 {
			data = append(data, ',')
		}
		data = append(data, cp.fragments[entry.device]...)
	}
	data = append(data, "]}"...)
	m := newMessage(e, data)
	if !snapshot {
		// The first or last would not do: the place in a message may depend on the age.
		sampled := entries[seq%uint64(len(entries))]
		if spans, first := cp.traces.claim(entries); len(spans) > 0 {
			t := &messageTrace{spans: spans, composed: time.Now(), viewers: cp.viewers.count()}
			m.traceID, sampled = t.id(), first
			m.trace.Store(t)
		}
		m.sample = cp.held.Device(sampled.device).Latest.Time
	}
	return m
}
