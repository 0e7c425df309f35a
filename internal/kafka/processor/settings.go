package processor

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// settingsInterval is how long to wait at least before settings or rules are appended again.
const settingsInterval = 30 * time.Second

// settings appends the configuration's settings and rules to the log on goroutines of its own, so that the loop does not wait.
type settings struct {
	running sync.WaitGroup
	// next and nextRules are the times of the next checks. warned, warnedOfLimits and warnedOfRules are set once it was logged that the
	// configuration is not in force.
	next, nextRules                       time.Time
	warned, warnedOfLimits, warnedOfRules bool
}

// applyConfiguration appends the settings of the configuration if older ones are in force in a partition of the session and differ from
// them. They are appended to every partition, so that all partitions change at the same event time, whichever members own them. Each member
// does so: another one may have an older configuration, and a partition that was added later has begun with that of its first owner.
// That several members append the same does no harm.
func (s *session) applyConfiguration(ctx context.Context, now time.Time) {
	if now.Before(s.settings.next) {
		return
	}
	s.settings.next = now.Add(time.Second)
	var newest iot.Settings
	var outdated *owned
	for _, id := range slices.Sorted(maps.Keys(s.partitions)) {
		part := s.partitions[id]
		s.warnOfWindow(id, part)
		s.warnOfLimits(id, part)
		// In one process alone revisions depend on the partition. The highest is put in force in all of them.
		if own, any := part.Outdated(now); any && own.Revision > newest.Revision && !s.settingsAppended.waits(id, part) {
			newest, outdated = own, part
		}
	}
	if outdated == nil {
		return
	}
	s.settings.next = now.Add(settingsInterval)
	inForce, changed := outdated.Length(), outdated.OtherLimits()
	epochs := make(map[int32]int32, len(s.partitions))
	for id, part := range s.partitions {
		epochs[id] = part.Checkpoint().Epoch
	}
	s.settings.running.Go(func() {
		results, err := appendSettings(ctx, s.Dial, s.Topics.Readings, &newest)
		if err != nil {
			if ctx.Err() == nil {
				s.Logger.Warn("the configured settings are not in force yet; it is tried again",
					"after", settingsInterval, "error", err)
			}
			return
		}
		s.settingsAppended.keep(results, epochs)
		if newest.Limits != nil && len(changed) > 0 {
			s.Logger.Info("limits on readings change", "changes", changed, "revision", newest.Revision)
		}
		if newest.Window == inForce {
			return
		}
		level := slog.LevelInfo
		if newest.From.Sub(now) > 2*time.Hour {
			level = slog.LevelWarn // Windows of the two lengths seldom begin together.
		}
		s.Logger.Log(ctx, level, "length of windows changes", "length", newest.Window, "from", newest.From)
	})
}

// warnOfWindow logs once that the configured length of windows is not in force.
func (s *session) warnOfWindow(id int32, part *owned) {
	if inForce, overruled := part.Overruled(); overruled && !s.settings.warned {
		s.settings.warned = true
		s.Logger.Warn("the configured length of windows is not in force: another instance has a newer configuration",
			"partition", id, "configured", s.Process.Window, "in_force", inForce)
	}
}

// warnOfLimits logs once that the configured limits are not in force, and what to do.
func (s *session) warnOfLimits(id int32, part *owned) {
	if s.settings.warnedOfLimits {
		return
	}
	configured, inForce, overruled := part.OverruledLimits()
	switch {
	case overruled:
		s.Logger.Warn("the configured limits on readings are not in force: newer ones are; save the file again or raise aggregation.revision to put them in force",
			"partition", id, "differences", part.OtherLimits(), "revision_configured", configured, "revision_in_force", inForce)
	case part.OutdatedLimitsWait():
		s.Logger.Warn("the configured limits on readings are not in force: consumers of an older version may still run; once there are none, run iotmon upgrade finish",
			"partition", id, "differences", part.OtherLimits())
	default:
		return
	}
	s.settings.warnedOfLimits = true
}

// appendSettings appends settings to every partition of the topic, in one transaction.
func appendSettings(ctx context.Context, dial kafka.Dial, topic string, decided *iot.Settings) (kgo.ProduceResults, error) {
	return appendToAll(ctx, dial, topic, kgo.Record{
		Value: wire.AppendSettings(nil, decided), Headers: kafka.KindHeaders(iot.KindSettings, decided.Level()),
	})
}

// FinishUpgrade appends to every partition of the readings' topic, in one transaction, that programs older than this one do not share the
// partitions any more, and returns the number of partitions. An older program that runs nevertheless leaves its group there.
func FinishUpgrade(ctx context.Context, dial kafka.Dial, topic string) (partitions int, err error) {
	results, err := appendToAll(ctx, dial, topic, kgo.Record{Value: []byte{}, Headers: kafka.KindHeaders(iot.KindLevel, process.MaxLevel)})
	return len(results), err
}

// appendToAll appends a record to every partition of the topic, in one transaction.
func appendToAll(ctx context.Context, dial kafka.Dial, topic string, record kgo.Record) (kgo.ProduceResults, error) {
	record.Topic, record.Timestamp = topic, time.Now()
	return kafka.AppendDecisions(ctx, dial, func(ctx context.Context, client *kgo.Client) ([]*kgo.Record, error) {
		topics, err := kadm.NewClient(client).ListTopics(ctx, topic)
		if err == nil {
			err = topics.Error()
		}
		if err != nil {
			return nil, fmt.Errorf("list partitions of %s: %w", topic, err)
		}
		var records []*kgo.Record
		for id := range topics[topic].Partitions {
			own := record
			own.Partition = id
			records = append(records, &own)
		}
		return records, nil
	})
}
