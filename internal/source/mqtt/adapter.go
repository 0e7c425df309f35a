// Package mqtt is a source of readings: it subscribes to topics of an MQTT broker.
package mqtt

import (
	"context"

	"iotmon/internal/iot"
	"iotmon/internal/mqtt"
	"iotmon/internal/source"
)

// Adapter subscribes to topics of a broker. A message is acknowledged once the pipeline says that it is in the log.
type Adapter struct {
	client *mqtt.Client
	url    string
}

// New returns an Adapter.
func New(o mqtt.Options) *Adapter { return &Adapter{mqtt.New(o), o.URL} }

// Run connects, subscribes and receives until ctx ends or the connection is lost.
func (a *Adapter) Run(ctx context.Context, session *source.Session) error {
	return a.client.Run(ctx, &receiver{session, a.url})
}

// receiver passes on what the client receives.
type receiver struct {
	session *source.Session
	url     string
}

// Connected is called when the broker has accepted the subscriptions.
func (r *receiver) Connected() { r.session.Connected(r.url) }

// Problem is called when the broker has accepted some of them only.
func (r *receiver) Problem(err error) { r.session.Problem(err) }

// Receive sends a message to the pipeline.
func (r *receiver) Receive(ctx context.Context, m *mqtt.Message) error {
	message := &source.Message{Topic: m.Topic, Tags: m.User, Payload: m.Payload, Retained: m.Retained, Done: m.Done, Again: m.Again()}
	if m.Length > 0 {
		message.Payload = m.Payload[:min(len(m.Payload), source.MaxRejected)]
		message.Invalid = iot.Invalid("", "a message of %d bytes, more than max_packet_bytes allows", m.Length)
	}
	return r.session.Send(ctx, message)
}
