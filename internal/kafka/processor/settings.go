package processor

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/wire"
)

// settingsInterval is how long after settings were appended they must have been read: then they are appended again.
const settingsInterval = 30 * time.Second

// settingsPartition is the partition whose owner appends settings to all of them, so that there is one at a time.
const settingsPartition = 0

// settings appends the configuration's settings to the log, without holding up the loop.
type settings struct {
	running sync.WaitGroup
	// next is when to look again, warned whether it was told that the configuration is not in force.
	next   time.Time
	warned bool
}

// applyConfiguration has the settings of the configuration put in force if they differ from those that are, and are newer. Every
// partition reads of it in its own log, so all change at the same event time, whoever owns them.
func (s *session) applyConfiguration(ctx context.Context, now time.Time) {
	part := s.partitions[settingsPartition]
	if part == nil || now.Before(s.settings.next) {
		return
	}
	s.settings.next = now.Add(time.Second)
	if inForce, overruled := part.Overruled(); overruled && !s.settings.warned {
		s.settings.warned = true
		s.Logger.Warn("the configured length of windows is not in force: another instance has a newer configuration",
			"configured", s.Process.Window, "in_force", inForce)
	}
	outdated, any := part.Outdated(now)
	if !any {
		return
	}
	s.settings.next = now.Add(settingsInterval)
	s.settings.running.Go(func() {
		if err := appendSettings(ctx, s.Dial, s.Topics.Readings, &outdated); err != nil {
			if ctx.Err() == nil {
				s.Logger.Warn("the configured length of windows is not in force yet; it is tried again",
					"after", settingsInterval, "error", err)
			}
			return
		}
		level := slog.LevelInfo
		if outdated.From.Sub(now) > 2*time.Hour {
			level = slog.LevelWarn // Windows of the two lengths seldom begin together.
		}
		s.Logger.Log(ctx, level, "length of windows changes", "length", outdated.Window, "from", outdated.From)
	})
}

// appendSettings appends settings to every partition of the topic, in one transaction.
func appendSettings(ctx context.Context, dial kafka.Dial, topic string, decided *iot.Settings) error {
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	client, err := kgo.NewClient(dial.Options(
		kgo.TransactionalID(kafka.NewSettingsTransactionID()),
		kgo.TransactionTimeout(kafka.TransactionTimeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0),
	)...)
	if err != nil {
		return err
	}
	defer client.Close()
	topics, err := kadm.NewClient(client).ListTopics(ctx, topic)
	if err == nil {
		err = topics.Error()
	}
	if err != nil {
		return fmt.Errorf("list partitions of %s: %w", topic, err)
	}
	if err := client.BeginTransaction(); err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	var records []*kgo.Record
	for id := range topics[topic].Partitions {
		records = append(records, &kgo.Record{
			Topic: topic, Partition: id, Value: wire.AppendSettings(nil, decided), Timestamp: time.Now(),
			Headers: []kgo.RecordHeader{{Key: wire.SettingsHeader}},
		})
	}
	end := kgo.TryCommit
	err = client.ProduceSync(ctx, records...).FirstErr()
	if err != nil {
		err = fmt.Errorf("append settings to %s: %w", topic, err)
		end = kgo.TryAbort
	}
	if endErr := client.EndTransaction(ctx, end); err == nil && endErr != nil {
		err = fmt.Errorf("end transaction: %w", endErr)
	}
	return err
}
