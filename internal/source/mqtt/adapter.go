// Package mqtt is a source of readings: it subscribes to topics of an MQTT broker.
package mqtt

import (
	"context"
	"fmt"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"iotmon/internal/source"
)

// Options configure an Adapter. All but the login are required.
type Options struct {
	// URL is tcp://, mqtt://, ssl:// or mqtts:// with the host of the broker.
	URL      string
	ClientID string
	Username string
	// PasswordFile contains the password; it is read at each connection.
	PasswordFile string
	TLS          TLS
	// Topics are filters of topics.
	Topics []string
	QoS    byte
	// KeepAlive is in whole seconds, SessionExpiry too.
	KeepAlive, SessionExpiry time.Duration
	ReceiveMaximum           uint16
	// MaxPacket is the maximum length of a packet in bytes.
	MaxPacket uint32
	Clean     bool
}

// Adapter subscribes to topics of a broker. It acknowledges a message once the pipeline says that the message is in the log.
type Adapter struct{ o Options }

// New returns an Adapter.
func New(o Options) *Adapter { return &Adapter{o} }

// connectTimeout is how long it may take until the broker accepts the connection.
const connectTimeout = 10 * time.Second

// Run connects, subscribes and receives until ctx ends or the connection is lost.
func (a *Adapter) Run(ctx context.Context, session *source.Session) error {
	ctx, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	password, err := a.o.password()
	if err != nil {
		return err
	}
	connecting, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := a.o.dial(connecting)
	if err != nil {
		return err
	}
	defer conn.Close()
	client := paho.NewClient(paho.ClientConfig{
		Conn:              packets.NewThreadSafeConn(conn),
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){a.forward(ctx, session)},
		OnClientError:     lose,
		OnServerDisconnect: func(d *paho.Disconnect) {
			lose(fmt.Errorf("the broker has disconnected (reason code 0x%02x)", d.ReasonCode))
		},
		EnableManualAcknowledgment: true,
	})
	expiry := uint32(a.o.SessionExpiry / time.Second)
	answer, err := client.Connect(connecting, &paho.Connect{
		ClientID: a.o.ClientID, KeepAlive: uint16(a.o.KeepAlive / time.Second), CleanStart: a.o.Clean,
		Username: a.o.Username, UsernameFlag: a.o.Username != "", Password: password, PasswordFlag: password != nil,
		Properties: &paho.ConnectProperties{
			SessionExpiryInterval: &expiry, ReceiveMaximum: &a.o.ReceiveMaximum, MaximumPacketSize: &a.o.MaxPacket, RequestProblemInfo: true,
		},
	})
	if err != nil {
		if answer != nil {
			return fmt.Errorf("the broker refuses the connection (reason code 0x%02x): %w", answer.ReasonCode, err)
		}
		return err
	}
	defer func() {
		_ = client.Disconnect(&paho.Disconnect{})
		<-client.Done()
	}()
	var subscriptions []paho.SubscribeOptions
	for _, topic := range a.o.Topics {
		subscriptions = append(subscriptions, paho.SubscribeOptions{Topic: topic, QoS: a.o.QoS})
	}
	if _, err := client.Subscribe(connecting, &paho.Subscribe{Subscriptions: subscriptions}); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	session.Connected(a.o.URL)
	<-ctx.Done()
	return context.Cause(ctx)
}

// forward sends what is received to the pipeline.
func (a *Adapter) forward(ctx context.Context, session *source.Session) func(paho.PublishReceived) (bool, error) {
	return func(received paho.PublishReceived) (bool, error) {
		p := received.Packet
		payload := p.Payload
		if payload == nil {
			payload = []byte{}
		}
		return true, session.Send(ctx, &source.Message{
			Topic: p.Topic, Payload: payload, Received: time.Now(), Retained: p.Retain,
			Done: func(err error) {
				if err == nil {
					_ = received.Client.Ack(p) // A message whose acknowledgement is lost is sent again.
				}
			},
		})
	}
}
