package app

import (
	"context"
	"time"

	"iotmon/internal/archive"
	"iotmon/internal/kafka"
)

func (s *Service) makeProcessor(context.Context) error {
	options, err := newProcess(s.cfg, s.admission)
	if err != nil {
		return err
	}
	processor := kafka.NewProcessor(kafka.ProcessorOptions{
		Dial:           s.dial,
		Topics:         s.topics,
		Group:          s.cfg.Kafka.GroupID,
		Process:        options,
		CommitInterval: s.cfg.Processor.CommitInterval,
		Ticker:         countingTicker{s.producer, &s.metrics.Consumer},
		Metrics:        processorMetrics{&s.metrics.Consumer, s.readiness.Expect("processor"), time.Now},
		Logger:         s.Logger,
	})
	s.add("processor", processor.Run)
	return nil
}

func (s *Service) makeArchiver(context.Context) error {
	if !s.cfg.Archive.Enabled {
		return nil
	}
	archiver := archive.New(archive.Options{
		Open: kafka.ArchiveLog(kafka.ArchiveOptions{
			Dial:     s.dial,
			Topics:   s.topics,
			Group:    s.cfg.Kafka.GroupID,
			Lag:      func(from archive.Source, records int64) { s.metrics.Archive.Lag(from.Topic, from.Partition, records) },
			Released: func(from archive.Source) { s.metrics.Archive.Released(from.Topic, from.Partition) },
		}),
		Store:     s.store,
		Topics:    archive.Topics{Readings: s.topics.Readings, Aggregates: s.topics.Aggregates, Alerts: s.topics.Alerts},
		Admission: s.admission,
		Retention: archive.Retention(s.cfg.Archive.Retention),
		Metrics:   archiveMetrics(&s.metrics.Archive, s.readiness.Expect("archive")),
		Logger:    s.Logger,
		Now:       time.Now,
	})
	s.add("archiver", archiver.Run)
	return nil
}
