package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"iotmon/internal/bench"
	"iotmon/internal/config"
	"iotmon/internal/kafka"
)

// NewMeasured makes, but does not start, the parts of iotmon that a benchmark puts under load. It uses the cluster that the
// configuration names, or the embedded broker if it names none. The parts report their outputs to measured. After an error
// nothing is left open; DeleteTopics may still be called.
func NewMeasured(ctx context.Context, cfg *config.Config, options Options, measured *bench.Run) (*Service, error) {
	s := newService(config.Iotmon, cfg, options)
	s.measured = measured
	broker := s.openBroker
	if len(cfg.Kafka.Brokers) > 0 {
		broker = s.joinCluster
	}
	return s, s.make(ctx, []maker{
		s.listen, s.makeDomain, s.openSQLite, broker, s.makeProducer, s.makeProcessor, s.makeArchiver, s.makeLive, s.serveWeb,
	})
}

// Producer returns the producer that writes readings to the service's log.
func (s *Service) Producer() *kafka.Producer { return s.producer }

// DeleteTopics removes the service's topics from the cluster.
func (s *Service) DeleteTopics(ctx context.Context) error {
	return kafka.DeleteTopics(ctx, s.dial, s.topics)
}

// AwaitReady returns nil once every part is ready. It returns an error if the service ends first, if ctx ends, or after
// startTimeout. The caller sends the result of Run to ended, which must be buffered: AwaitReady puts the result back, so that
// the caller can still receive it.
func (s *Service) AwaitReady(ctx context.Context, ended chan error) error {
	deadline := time.After(startTimeout)
	for {
		missing, _ := s.readiness.Missing()
		if len(missing) == 0 {
			return nil
		}
		select {
		case err := <-ended:
			ended <- err
			return errors.New("the system ended before the load")
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline:
			return fmt.Errorf("the system is not ready after %v: %s: %s", startTimeout, missing[0].Name, missing[0].Reason)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
