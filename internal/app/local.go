package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"iotmon/internal/app/datadir"
	"iotmon/internal/archive"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/embedded"
	"iotmon/internal/kafka/processor"
	"iotmon/internal/kafka/relay"
	"iotmon/internal/store/sqlite"
)

func (s *Service) openSQLite(ctx context.Context) error {
	if err := datadir.RefuseHalfRestored(s.cfg.DataDir); err != nil {
		return err
	}
	store, err := sqlite.Open(ctx, sqlite.Options{
		Path:          datadir.Database(s.cfg.DataDir),
		ReadingsTopic: s.topics.Readings,
		SyncWrites:    s.cfg.Kafka.Embedded.SyncWrites,
		Refused:       s.rowRefused,
	})
	if err != nil {
		return err
	}
	s.store, s.notices = store, store.Notify()
	s.onClose("database", store.Close)
	decided, err := sqlite.OpenControl(ctx, datadir.Decisions(s.cfg.DataDir))
	if err != nil {
		return err
	}
	s.control = decided
	s.onClose("database of decisions", decided.Close)
	s.metrics.WatchDisk(s.cfg.DataDir)
	return nil
}

func (s *Service) openBroker(ctx context.Context) error {
	broker, err := embedded.Open(ctx, embedded.Options{
		Dir:        datadir.Broker(s.cfg.DataDir),
		Port:       s.cfg.Kafka.Embedded.Port,
		SyncWrites: s.cfg.Kafka.Embedded.SyncWrites,
		Logger:     s.Logger,
	})
	if err != nil {
		return err
	}
	s.onClose("broker", broker.Close)
	s.broker = broker
	s.handover = processor.NewHandover()
	if err := datadir.RemoveLeftovers(s.cfg.DataDir); err != nil { // No other process uses the directory: the broker has locked it.
		return err
	}
	s.dial = kafka.Dial{Brokers: broker.Addrs(), Dialer: broker.Dial, ClientID: s.name, Version: s.Version, Logger: s.Logger}
	err = kafka.EnsureTopics(ctx, kafka.TopicOptions{
		Dial:        s.dial,
		Topics:      s.topics,
		Partitions:  s.cfg.Kafka.Partitions,
		Replication: 1,
		Budget:      int64(s.cfg.Kafka.Embedded.Retention),
	})
	if err != nil {
		return err
	}
	if err := s.checkClock(ctx); err != nil {
		return err
	}
	stamped, err := kafka.ProbeAppendTime(ctx, s.dial, s.topics)
	if err != nil {
		return err
	}
	s.Logger.Debug("append time probed", "stamped_by", stamped.String())
	broker.LimitBatches(s.topics.Readings, s.processed)
	return nil
}

// checkClock returns an error if this machine's clock is behind the newest record of the log. The embedded broker's append
// times are this machine's time, and every decision follows them. If the clock is right now and was ahead before,
// kafka.embedded.allow_clock_behind appends a tick to every partition, from which on the log has the right time.
func (s *Service) checkClock(ctx context.Context) error {
	err := kafka.CheckClock(ctx, s.dial, s.topics, time.Now())
	if !errors.Is(err, kafka.ErrClockBehind) {
		return err
	}
	if !s.cfg.Kafka.Embedded.AllowClockBehind {
		return fmt.Errorf("%w; set the clock; or, if it is right now and was wrong before, start once with kafka.embedded.allow_clock_behind=true "+
			"(IOTMON_KAFKA_EMBEDDED_ALLOW_CLOCK_BEHIND=true)", err)
	}
	s.Logger.Warn("the log's time goes back, as kafka.embedded.allow_clock_behind says", "reason", err)
	return kafka.AppendTicks(ctx, s.dial, s.topics)
}

// processed returns, for each partition of the readings, the offset before which neither processor nor archiver nor forwarding needs a
// record.
func (s *Service) processed(ctx context.Context) (map[int32]int64, error) {
	offsets, err := kafka.CommittedOffsets(ctx, s.dial, s.topics, s.cfg.Kafka.GroupID)
	if err != nil {
		return nil, err
	}
	if s.forwarding != nil {
		forwarded, err := kafka.CommittedOffsets(ctx, s.dial, s.topics, relay.Group(s.cfg.Kafka.GroupID))
		if err != nil {
			return nil, err
		}
		for id, next := range offsets {
			offsets[id] = min(next, forwarded[id]) // Without a position everything is still to be forwarded.
		}
	}
	if !s.cfg.Archive.Enabled {
		return offsets, nil
	}
	archived, err := s.store.Offsets(ctx, s.topics.Readings)
	if err != nil {
		return nil, fmt.Errorf("read the archive's offsets: %w", err)
	}
	for id, next := range offsets {
		offsets[id] = min(next, archived[archive.Source{Topic: s.topics.Readings, Partition: id}].Next)
	}
	return offsets, nil
}
