// Package sparkplug is a source of readings: a host application of Sparkplug B 3.0, which receives what edge nodes publish at an MQTT broker.
// It sends nothing to them but requests for their birth certificates.
package sparkplug

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mqtt"
	"iotmon/internal/source"
	"iotmon/internal/source/sparkplug/nodes"
	"iotmon/internal/source/sparkplug/payload"
)

// Options configure an Adapter.
type Options struct {
	// Broker is how to connect. Its topics, its will, its session and the length of its packets are those that Sparkplug needs.
	Broker mqtt.Options
	// Groups are the groups of edge nodes to receive from; + stands for all.
	Groups []string
	// HostID is the name of this host application; it may be empty unless Primary.
	HostID string
	// Primary is whether the host publishes its state, for which edge nodes may wait.
	Primary bool
	// Silent is whether nothing at all is published, not even requests for births. Metrics that edge nodes only number are then not known
	// until their birth comes by itself.
	Silent bool
	Nodes  nodes.Options
	// ByUnit makes readings of the values if the source has no map; nil if it has one.
	ByUnit *ByUnit
}

// Adapter receives from edge nodes.
type Adapter struct {
	o Options
	// nodes is guarded by mu, and so is the order of what is sent to the pipeline.
	mu    sync.Mutex
	nodes *nodes.Nodes
	// standby is whether another host with the same name was online when it was last looked at. What follows belongs to Run.
	standby bool
	// births are the timestamps of the own births, so that a message about one of them is recognized. newest is the newest timestamp of a state
	// of the host: edge nodes ignore a state with an older one, so the next has a newer one even if the clock has been set back.
	births map[int64]bool
	newest int64
}

// New returns an Adapter.
func New(o Options) *Adapter {
	o.Broker.Clean = true // Every host application begins a new session: tck-id-message-flow-phid-sparkplug-clean-session-311.
	o.Broker.QoS = 1
	o.Broker.MaxPacket = payload.MaxSize + maxTopic
	for _, group := range o.Groups {
		o.Broker.Topics = append(o.Broker.Topics, nodes.Namespace+"/"+group+"/#")
	}
	return &Adapter{o: o, nodes: nodes.New(o.Nodes), births: make(map[int64]bool)}
}

// maxTopic is about how many bytes of a packet are not its payload.
const maxTopic = 2 << 10

// tick is how often the timers of the nodes are looked at.
const tick = 100 * time.Millisecond

var (
	errAnother = errors.New("another host application is online")
	errGone    = errors.New("the other host application is offline")
	errOlder   = errors.New("the broker has a newer state of this host application")
)

// Run connects and receives until ctx ends or the connection is lost.
func (a *Adapter) Run(ctx context.Context, session *source.Session) error {
	for {
		err := a.connect(ctx, session)
		switch {
		case ctx.Err() != nil:
			return err
		case errors.Is(err, errAnother):
			a.standby = true
		case errors.Is(err, errGone):
			a.standby = false
		case errors.Is(err, errOlder):
		default:
			a.mu.Lock()
			defer a.mu.Unlock()
			return errors.Join(err, a.apply(ctx, session, nil, a.nodes.Lost(session.Now())))
		}
	}
}

// connect is one connection.
func (a *Adapter) connect(ctx context.Context, session *source.Session) error {
	// The connection outlasts ctx by as long as it takes to say that the host is offline.
	inner, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	options := a.o.Broker
	s := &connection{adapter: a, session: session, end: end, ticking: make(chan struct{})}
	if a.o.HostID != "" {
		options.Topics = append([]string{stateTopic(a.o.HostID)}, options.Topics...)
	}
	if a.o.Primary {
		s.state = newState(a, s)
		if !a.standby {
			options.Will = s.state.message(false)
		}
	}
	s.client = mqtt.New(options)
	stop := context.AfterFunc(ctx, func() {
		s.state.leave()
		end(context.Cause(ctx))
	})
	defer stop()
	go s.tick(inner)
	err := s.client.Run(inner, s)
	end(err)
	<-s.ticking
	return err
}

// connection receives what the broker sends in one connection.
type connection struct {
	adapter *Adapter
	session *source.Session
	client  *mqtt.Client
	end     context.CancelCauseFunc
	// state is nil unless the host is a primary one.
	state *state
	// ticking is closed when tick has ended.
	ticking chan struct{}
}

// Connected is called when the broker has accepted the subscriptions.
func (s *connection) Connected() {
	s.session.Connected(s.adapter.o.Broker.URL)
	s.adapter.mu.Lock()
	s.adapter.nodes.Connected(s.session.Now())
	s.adapter.mu.Unlock()
	s.state.connected(s.session.Now())
}

// Problem is called when the broker has accepted some of them only.
func (s *connection) Problem(err error) { s.session.Problem(err) }

// Receive processes a message.
func (s *connection) Receive(ctx context.Context, m *mqtt.Message) error {
	if host, is := strings.CutPrefix(m.Topic, stateTopic("")); is {
		if s.state != nil && host == s.adapter.o.HostID {
			s.state.receive(m.Payload)
		}
		m.Done(nil)
		return nil
	}
	message := &source.Message{Topic: m.Topic, Payload: m.Payload, Received: s.session.Now(), Retained: m.Retained, Done: m.Done}
	if m.Length > 0 {
		message.Payload = m.Payload[:min(len(m.Payload), source.MaxRejected)]
		message.Invalid = iot.Invalid("payload", "%d bytes long, more than %d", m.Length, payload.MaxSize)
		return s.session.Send(ctx, message)
	}
	a := s.adapter
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.apply(ctx, s.session, s.publish, a.nodes.Receive(message))
}

// tick looks at the timers until ctx ends.
func (s *connection) tick(ctx context.Context) {
	defer close(s.ticking)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			now := s.session.Now()
			s.state.tick(now)
			a := s.adapter
			a.mu.Lock()
			err := a.apply(ctx, s.session, s.publish, a.nodes.Tick(now))
			a.mu.Unlock()
			if err != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// publish publishes a request. What a primary host publishes first is its birth.
func (s *connection) publish(p mqtt.Publication) error {
	if s.state.keep(p) {
		return nil
	}
	return s.client.Publish(p)
}

// apply does what the state of the nodes wants. publish is nil if there is no connection. The caller has locked the adapter. The error is
// that of ctx.
func (a *Adapter) apply(ctx context.Context, session *source.Session, publish func(mqtt.Publication) error, effects []nodes.Effect) error {
	for i, e := range effects {
		switch {
		case e.Problem != nil:
			session.Problem(e.Problem)
		case e.Rebirth != "":
			if publish == nil || a.o.Silent {
				break
			}
			if err := publish(rebirth(e.Rebirth, session.Now())); err != nil {
				session.Problem(err)
			}
		default:
			if err := a.send(ctx, session, e.Send); err != nil {
				for _, rest := range effects[i:] {
					if rest.Send != nil && rest.Send.Done != nil {
						rest.Send.Done(err)
					}
				}
				return err
			}
		}
	}
	return nil
}

func (a *Adapter) send(ctx context.Context, session *source.Session, m *source.Message) error {
	if a.o.ByUnit == nil || a.o.ByUnit.Off != nil && a.o.ByUnit.Off() {
		return session.Send(ctx, m)
	}
	rejected := a.o.ByUnit.apply(m)
	if rejected != nil {
		if len(m.Points) == 0 {
			rejected.Done, m.Done = m.Done, nil
		}
		if err := session.Send(ctx, rejected); err != nil {
			return err
		}
	}
	if len(m.Points) == 0 && m.Invalid == nil {
		if m.Done != nil {
			m.Done(nil)
		}
		return nil
	}
	return session.Send(ctx, m)
}

// rebirth is a request for the births of an edge node. A command should not have a datatype (tck-id-payloads-metric-datatype-not-req), but this one
// does: without it, sparkplug-client 3.2.4 takes the value for null, and pysparkplug 0.6.1 cannot decode the request.
func rebirth(topic string, now time.Time) mqtt.Publication {
	p := payload.Payload{Timestamp: uint64(now.UnixMilli()), Metrics: []payload.Metric{{
		Name: []byte("Node Control/Rebirth"), Timestamp: uint64(now.UnixMilli()), Type: payload.Boolean,
		Value: payload.Value{Kind: payload.BooleanValue, Bits: 1}, Properties: payload.NoProperties(),
	}}}
	return mqtt.Publication{Topic: topic, Payload: p.Append(nil)}
}
