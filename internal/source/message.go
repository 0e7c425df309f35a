package source

import (
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
)

// Message is what a source has received at once. It has either a Payload, which the pipeline decodes, or the Points of it.
type Message struct {
	// Topic is where the message came from, in levels separated by slashes: an MQTT topic, a Kafka topic, the path of a node.
	Topic string
	// Tags describe the message, such as the headers of a Kafka record; each point has them too. Nothing may change them after Send.
	Tags map[string]string
	// Payload is the message as it was received; nil if Points holds its values. Nothing may change it until Done is called.
	Payload []byte
	// Invalid, if not nil, is why the payload cannot be decoded: it becomes a dead letter.
	Invalid error
	// Points are the values. Nothing may change them until Done is called.
	Points []mapping.Point
	// Report, if not nil, is what the source says about the devices of the points: then the values of the points do not count, and there
	// are no readings.
	Report *iot.StatusReport
	// Received is when the message was received. It is the time of values that have none.
	Received time.Time
	// Retained is whether the message may have been sent long before it was received, such as a retained message of MQTT: then a
	// value without a time of its own becomes no reading, because nobody knows when it was measured.
	Retained bool
	// Done, if not nil, is called once: with nil when everything of the message is in the log, so that it can be acknowledged, and with
	// an error when that will not happen because the source ends. It must not block. Messages are done in the order in which they were sent.
	Done func(error)
	// Own is whether the source says this by itself, without having received anything: it is not shown among what arrives.
	Own bool
	// Again is whether the other side sends the message again, to this program or to the next that runs the source, unless Done is called with nil.
	// Other messages are appended even when the source ends.
	Again bool
}

// size returns about how many bytes of memory the message occupies.
func (m *Message) size() int64 {
	const perMessage, perPoint = 256, 256
	size := perMessage + len(m.Topic) + len(m.Payload) + perPoint*len(m.Points)
	for i := range m.Points {
		size += len(m.Points[i].ValueText)
	}
	return int64(size)
}

func (m *Message) done(err error) {
	if m.Done != nil {
		m.Done(err)
	}
}
