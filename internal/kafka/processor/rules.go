package processor

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/wire"
)

// applyRules appends the configured rules to those of the session's partitions in which older ones are in force. Each owner does so for
// its own partitions: another owner may have an older configuration, which must not be in force again.
func (s *session) applyRules(ctx context.Context, now time.Time) {
	if now.Before(s.settings.nextRules) {
		return
	}
	s.settings.nextRules = now.Add(time.Second)
	outdated, epochs := make(map[int32][]iot.RuleEntry), make(map[int32]int32)
	for id, part := range s.partitions {
		if configured, inForce, overruled := part.OverruledRules(); overruled && !s.settings.warnedOfRules {
			s.settings.warnedOfRules = true
			s.Logger.Warn("the configured rules are not in force: newer ones are; save the file again or raise alerts.revision to put them in force",
				"partition", id, "revision_configured", configured, "revision_in_force", inForce)
		}
		if part.OutdatedRulesWait() && !s.settings.warnedOfRules {
			s.settings.warnedOfRules = true
			s.Logger.Warn("the configured rules are not in force: consumers of an older version may still run; once there are none, run iotmon upgrade finish",
				"partition", id)
		}
		if entries := part.OutdatedRules(); len(entries) > 0 && !s.rulesAppended.waits(id, part) {
			outdated[id], epochs[id] = entries, part.Checkpoint().Epoch
		}
	}
	if len(outdated) == 0 {
		return
	}
	s.settings.nextRules = now.Add(settingsInterval)
	s.settings.running.Go(func() {
		partitions := slices.Sorted(maps.Keys(outdated))
		results, err := appendRules(ctx, s.Dial, s.Topics.Readings, outdated)
		if err != nil {
			if ctx.Err() == nil {
				s.Logger.Warn("the configured rules are not in force yet; it is tried again",
					"partitions", partitions, "after", settingsInterval, "error", err)
			}
			return
		}
		s.rulesAppended.keep(results, epochs)
		s.Logger.Info("configured rules change", "partitions", partitions, "revision", outdated[partitions[0]][0].Version)
	})
}

// appendRules appends entries to partitions of the topic, in one transaction.
func appendRules(ctx context.Context, dial kafka.Dial, topic string, entries map[int32][]iot.RuleEntry) (kgo.ProduceResults, error) {
	return kafka.AppendDecisions(ctx, dial, func(context.Context, *kgo.Client) ([]*kgo.Record, error) {
		var records []*kgo.Record
		for id, entries := range entries {
			for i := range entries {
				records = append(records, &kgo.Record{
					Topic: topic, Partition: id, Value: wire.AppendRuleEntry(nil, &entries[i]), Timestamp: time.Now(),
					Headers: kafka.KindHeaders(iot.KindRule, entries[i].Level()),
				})
			}
		}
		return records, nil
	})
}
