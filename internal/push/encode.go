package push

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// message is one message, encoded once for all viewers that are sent it.
type message struct {
	kind string
	seq  uint64
	// data is the JSON, frame the WebSocket text frame with that JSON, as it is written to a link.
	data, frame []byte
	// deflated and deflatedFrame are the same for viewers that agreed on compression; nil until the first of them is sent the message. The
	// lock of shared guards them until then; once set they do not change.
	deflated, deflatedFrame []byte
	// sample is the timestamp of one of the readings, from which the age at delivery is measured; zero in a snapshot.
	sample time.Time
	// trace holds the spans that end when the first viewer has the message; nil if there are none. traceID is the id of the trace of
	// the sample, "" if it is not traced.
	trace   atomic.Pointer[messageTrace]
	traceID string
}

// frameHead is how many bytes the head of a frame has at most. Messages are made with so many bytes left free before their JSON.
const frameHead = 10

// newMessage makes a message of its JSON, which begins in framed after frameHead free bytes.
func newMessage(e wire.Envelope, framed []byte) *message {
	return &message{kind: e.Type, seq: e.Seq, data: framed[frameHead:], frame: putHead(finalText, framed)}
}

// finalText is the first byte of a frame that is a whole text message.
const finalText = 0x81

// putHead makes a frame of the payload that begins in framed after frameHead free bytes. The head is written into the last of these. first is the
// first byte of the frame.
func putHead(first byte, framed []byte) []byte {
	begin := 0
	switch n := len(framed) - frameHead; {
	case n < 126:
		begin = frameHead - 2
		framed[begin+1] = byte(n)
	case n <= math.MaxUint16:
		begin = frameHead - 4
		framed[begin+1] = 126
		binary.BigEndian.PutUint16(framed[begin+2:], uint16(n))
	default:
		framed[begin+1] = 127
		binary.BigEndian.PutUint64(framed[begin+2:], uint64(n))
	}
	framed[begin] = first
	return framed[begin:]
}

// encode makes a message of v, which must hold the envelope e.
func encode(e wire.Envelope, v any) *message {
	data := marshal(v)
	return newMessage(e, append(make([]byte, frameHead, frameHead+len(data)), data...))
}

// marshal returns the JSON of v. It panics if there is none, which cannot happen: readings are checked on entry, so no value is NaN
// or infinite.
func marshal(v any) []byte {
	data, err := wire.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err))
	}
	return data
}

// appendEnvelope appends the JSON of an envelope without its closing brace.
func appendEnvelope(dst []byte, e wire.Envelope) []byte {
	dst = append(append(dst, `{"type":"`...), e.Type...) // No type has a character that JSON escapes.
	dst = strconv.AppendUint(append(dst, `","seq":`...), e.Seq, 10)
	dst = e.Timestamp.AppendFormat(append(dst, `,"timestamp":"`...), time.RFC3339Nano)
	dst = append(dst, '"')
	if e.Snapshot {
		dst = append(dst, `,"snapshot":true`...)
	}
	return dst
}

// appendDevice appends the JSON of the wire.Device for a state. It does so without reflection, which would cost a third of a core at
// 100,000 readings a second.
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
