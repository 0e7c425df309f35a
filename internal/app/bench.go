package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"iotmon/internal/bench"
	"iotmon/internal/config"
	"iotmon/internal/control"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/decisions"
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

// registerTimeout bounds how long it may take until entries are in force, registerBatch how many are appended at once.
const (
	registerTimeout = 5 * time.Minute
	registerBatch   = 2000
)

// Register puts registry entries in force, without a database. It returns once the processors have processed them and every area holds: from
// the first window that no reading can have reached by then.
func (s *Service) Register(ctx context.Context, entries []control.Object) error {
	ctx, cancel := context.WithTimeout(ctx, registerTimeout)
	defer cancel()
	log, err := decisions.NewLog(decisions.LogOptions{
		Dial: s.dial, Topics: s.topics, Group: s.cfg.Kafka.GroupID, Alone: len(s.cfg.Kafka.Brokers) == 0,
	})
	if err != nil {
		return err
	}
	defer log.Close()
	ends := make(map[int32]int64)
	for batch := range slices.Chunk(entries, registerBatch) {
		appended, err := log.Append(ctx, batch)
		if err != nil {
			return err
		}
		maps.Copy(ends, appended)
	}
	for {
		progress, err := log.Progress(ctx)
		if err != nil {
			return err
		}
		waiting := 0
		for id, end := range ends {
			if progress[id].Processed < end {
				waiting++
			}
		}
		if waiting == 0 {
			break
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("registry entries are not in force in %d partitions: %w", waiting, err)
		}
	}
	aggregation := &s.cfg.Aggregation
	return pause(ctx, aggregation.MaxClockSkew+aggregation.Window()+time.Second)
}

// pause returns after a time, or with the error of ctx when that ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

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
