// Package mqttbroker is a source of readings: the program's own MQTT broker, to which devices connect.
package mqttbroker

import (
	"context"
	"strings"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mqtt/broker"
	"iotmon/internal/source"
)

// Adapter runs a broker. What clients publish is acknowledged once the pipeline says that it is in the log.
type Adapter struct {
	broker *broker.Broker
	topics []string
}

// New returns an Adapter. Messages become readings if one of the filters matches their topics; others are for subscribers alone.
func New(b *broker.Broker, topics []string) *Adapter { return &Adapter{b, topics} }

// Run takes connections until ctx ends or the broker cannot listen.
func (a *Adapter) Run(ctx context.Context, session *source.Session) error {
	return a.broker.Run(ctx, &receiver{session, a.topics})
}

// receiver passes on what the broker receives.
type receiver struct {
	session *source.Session
	topics  []string
}

// Listening is called when devices can connect.
func (r *receiver) Listening(addresses []string) { r.session.Connected(strings.Join(addresses, ", ")) }

// Problem is called when something is wrong with a client.
func (r *receiver) Problem(err error) { r.session.Problem(err) }

// Receive sends a message to the pipeline. A retained message or a last will is as new as any: the broker has just got to know it.
func (r *receiver) Receive(ctx context.Context, m *broker.Message) error {
	if !r.wanted(m.Topic) {
		m.Done(nil)
		return nil
	}
	message := &source.Message{Topic: m.Topic, Tags: m.Tags, Payload: m.Payload, Received: time.Now(), Done: m.Done, Again: m.Again()}
	if m.Length > 0 {
		message.Payload = m.Payload[:min(len(m.Payload), source.MaxRejected)]
		message.Invalid = iot.Invalid("", "a message of %d bytes, more than max_packet_bytes allows", m.Length)
	}
	return r.session.Send(ctx, message)
}

func (r *receiver) wanted(topic string) bool {
	for _, filter := range r.topics {
		if broker.Matches(filter, topic) {
			return true
		}
	}
	return false
}
