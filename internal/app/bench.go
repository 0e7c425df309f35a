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

// NewMeasured makes the parts of iotmon that a benchmark loads, on the embedded broker or the cluster that the configuration
// names, and starts none; measured is told what comes out. After an error nothing is left open, but DeleteTopics may be
// called.
func NewMeasured(ctx context.Context, cfg *config.Config, options Options, measured *bench.Run) (*Service, error) {
	s := newService(config.Iotmon, cfg, options)
	s.measured = measured
	broker := s.openBroker
	if len(cfg.Kafka.Brokers) > 0 {
		broker = s.joinCluster
	}
	return s, s.make(ctx, []part{
		s.listen, s.makeDomain, s.openSQLite, broker, s.makeProducer, s.makeProcessor, s.makeArchiver, s.makeLive, s.serveWeb,
	})
}

// Producer returns the way into the service's log.
func (s *Service) Producer() *kafka.Producer { return s.producer }

// DeleteTopics removes the service's topics from the cluster.
func (s *Service) DeleteTopics(ctx context.Context) error {
	return kafka.DeleteTopics(ctx, s.dial, s.topics)
}

// AwaitReady returns when nothing is missing. An error from ended is that of Run, and stays in it.
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
