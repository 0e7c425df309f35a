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
	// deflated and deflatedFrame are the same for clients that accept compression; nil until the first of them is sent the
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
