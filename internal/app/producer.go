package app

import (
	"context"
	"fmt"
	"time"

	"iotmon/internal/kafka"
	"iotmon/internal/observe"
	"iotmon/internal/simulate"
)

func (s *Service) makeProducer(context.Context) error {
	failures := observe.Sparing(s.Logger, repeatedLogs) // While Kafka is down or a disk is full, every batch fails.
	producer, err := kafka.NewProducer(kafka.ProducerOptions{
		Dial:            s.dial,
		Topics:          s.topics,
		BatchSize:       s.cfg.Kafka.BatchSize,
		Linger:          s.cfg.Kafka.Linger,
		MaxBuffered:     s.cfg.Kafka.MaxBuffered,
		AppendTimeout:   s.cfg.Ingest.Timeout,
		DeliveryTimeout: s.cfg.Kafka.DeliveryTimeout,
		Sent:            s.metrics.Producer.Sent,
		Tracer:          s.tracing.Tracer(),
		Failed: func(count int, err error) {
			s.metrics.Producer.Failed(count)
			failures.Error("readings not delivered", "count", count, "error", err)
		},
	})
	if err != nil {
		return err
	}
	s.producer = producer
	s.onClose("producer", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		defer producer.Close()
		return producer.Flush(ctx)
	})
	return nil
}

func (s *Service) makeSimulator(context.Context) error {
	if !s.cfg.Simulator.Enabled {
		return nil
	}
	options := newFleetOptions(s.cfg, s.catalog)
	options.Start = time.Now()
	fleet, err := simulate.NewFleet(options)
	if err != nil {
		return fmt.Errorf("device simulator: %w", err)
	}
	runner := simulate.NewRunner(fleet, s.producer, time.Now)
	s.metrics.WatchSimulator(runner.Skipped)
	s.add("device simulator", after(runner.Run, s.kafka))
	return nil
}
