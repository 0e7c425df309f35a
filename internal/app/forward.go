package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/config"
	"iotmon/internal/forward"
	httpforward "iotmon/internal/forward/http"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/relay"
	"iotmon/internal/observe"
	"iotmon/internal/source"
)

// forwarding is the forwarding of a gateway's readings to a centre.
type forwarding struct {
	*forward.Forwarder
	to string
	// skew is how far this machine's clock is ahead of the centre's, in nanoseconds; 0 if that is not known.
	skew atomic.Int64
}

// makeForward makes what sends the readings of the log to the centre that is configured, if one is.
func (s *Service) makeForward(context.Context) error {
	if len(s.cfg.Forward.To) == 0 {
		return nil
	}
	log, err := relay.NewLog(s.dial, s.topics, s.cfg.Kafka.GroupID)
	if err != nil {
		return fmt.Errorf("forward: %w", err)
	}
	s.onClose("log of forwarding", func() error { log.Close(); return nil })
	s.forwarding = &forwarding{to: strings.Join(s.cfg.Forward.To, ", ")}
	logger := observe.Sparing(s.Logger, repeatedLogs)
	centre, err := s.newCentre(s.forwarding)
	if err != nil {
		return fmt.Errorf("forward: %w", err)
	}
	part := s.readiness.Mention("forward")
	part.Ready() // Until it has something to send, it cannot know.
	s.forwarding.Forwarder = forward.New(forward.Options{
		Log: log, Centre: centre, DeadLetters: forwardDeadLetters{s.producer, s.topics.Readings}, Admission: s.admission,
		MaxRate: s.cfg.Forward.MaxRate, HistoricalAfter: s.cfg.Forward.HistoricalAfter, NewestFirst: s.cfg.Forward.NewestFirst,
		Changed: part.NotReady, Now: time.Now, Logger: logger,
	})
	s.metrics.WatchForward(s.forwarding.metrics)
	s.add("forward", s.forwarding.Run)
	return nil
}

// newCentre returns the centre that is configured, without connecting to it.
func (s *Service) newCentre(f *forwarding) (forward.Centre, error) {
	cfg := &s.cfg.Forward
	if address := cfg.URL(); address != "" {
		encryption := cfg.TLS
		encryption.Enabled = true
		if _, err := newTLS(&encryption); err != nil { // A mistake shows at the start.
			return nil, fmt.Errorf("tls: %w", err)
		}
		return httpforward.New(httpforward.Options{
			URL: address, TLS: func() (*tls.Config, error) { return newTLS(&encryption) }, TokenFile: cfg.TokenFile,
			UserAgent: s.name + "/" + s.Version, Gateway: gatewayName(), Skew: func(ahead time.Duration) { f.skew.Store(int64(ahead)) },
		})
	}
	dial := func() (kafka.Dial, error) { return s.centralDial(cfg) }
	if _, err := dial(); err != nil {
		return nil, err
	}
	return relay.NewCentre(relay.CentreOptions{
		Dial: dial, Topic: cfg.Topic, Skew: s.admission.Skew, Ahead: func(ahead time.Duration) { f.skew.Store(int64(ahead)) },
	}), nil
}

// gatewayName is the name by which a centre knows this machine.
func gatewayName() string {
	host, _ := os.Hostname() // The empty name is that of an unknown one.
	return host
}

// centralDial returns how to reach the central Kafka.
func (s *Service) centralDial(cfg *config.Forward) (kafka.Dial, error) {
	dial := kafka.Dial{
		Brokers: cfg.To, ClientID: s.name + "-forward", Version: s.Version, Logger: observe.Sparing(s.Logger, repeatedLogs),
	}
	var err error
	if dial.TLS, err = newTLS(&cfg.TLS); err != nil {
		return dial, fmt.Errorf("tls: %w", err)
	}
	if sasl := cfg.SASL; sasl.Mechanism != "" {
		dial.Login, err = kafka.NewLogin(sasl.Mechanism, sasl.Username, sasl.Password)
	}
	return dial, err
}

// forwardDeadLetters keeps in the local log what the centre has rejected.
type forwardDeadLetters struct {
	log   source.Records
	topic string
}

// Reject implements forward.DeadLetters.
func (d forwardDeadLetters) Reject(ctx context.Context, rejected []forward.Rejected) error {
	letters := make([]source.Rejected, len(rejected))
	for i, r := range rejected {
		letters[i] = source.Rejected{
			Source: "forward", Topic: fmt.Sprintf("%s/%d/%d", d.topic, r.Partition, r.Offset),
			Payload: r.Value[:min(len(r.Value), source.MaxRejected)], Length: len(r.Value), Field: r.Field, Reason: r.Reason,
		}
	}
	return d.log.Reject(ctx, letters)
}

// metrics returns the state for a scrape.
func (f *forwarding) metrics() observe.Forward {
	state := f.State()
	out := observe.Forward{
		Connected: state.Connected, Lag: state.Lag, Waiting: state.Waiting, Forwarded: state.Forwarded, Repeated: state.Repeated,
		Rejected: state.Rejected, Early: state.Early, Skipped: state.Skipped, Errors: state.Errors, ClockAhead: time.Duration(f.skew.Load()),
	}
	for _, loss := range state.Lost {
		out.Lost += loss.Records
	}
	return out
}

// system returns the state for GET /api/v1/system.
func (f *forwarding) system() *api.SystemForward {
	if f == nil {
		return nil
	}
	state := f.State()
	out := &api.SystemForward{
		To: f.to, Connected: state.Connected, Problem: state.Problem, Lag: state.Lag, Waiting: state.Waiting.Seconds(), Forwarded: state.Forwarded,
		Repeated: state.Repeated, Early: state.Early, Rejected: state.Rejected, LastReason: state.LastReason, Skipped: state.Skipped, Errors: state.Errors,
		ClockAhead: time.Duration(f.skew.Load()).Seconds(), Lost: []api.SystemForwardLoss{},
	}
	if !state.Since.IsZero() {
		out.Since = &state.Since
	}
	for id, loss := range state.Lost {
		out.Lost = append(out.Lost, api.SystemForwardLoss{Partition: id, Records: loss.Records, First: loss.First, Last: loss.Last})
	}
	slices.SortFunc(out.Lost, func(a, b api.SystemForwardLoss) int { return cmp.Compare(a.Partition, b.Partition) })
	return out
}
