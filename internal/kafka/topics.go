package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TopicOptions say what the topics must look like.
type TopicOptions struct {
	Dial   Dial
	Topics Topics
	// Partitions is how many the readings, alerts and states have each, 10 by default.
	Partitions int
	// Replication is the number of copies; 0 leaves it to the cluster.
	Replication int
	// Budget is for the embedded broker: the bytes that all topics but the states may take on the disk together. With 0 the
	// cluster decides how long it keeps readings and aggregates, and topics that exist are left as they are.
	Budget int64
}

const (
	defaultPartitions = 10
	// leastBudget is the least a partition gets: never so little that its last batch alone would be too much, because a
	// partition that is emptied begins anew at offset 0 after a crash.
	leastBudget = 4 << 20
	// maxReadingBytes bounds a batch of readings so that each of its records, with the headers of a dead letter, still fits
	// into a topic with Kafka's own default.
	maxReadingBytes = 768 << 10
	// longRetention is how long a cluster keeps alerts and dead letters, in milliseconds.
	longRetention = 30 * 24 * 60 * 60 * 1000
)

// EnsureTopics creates the topics that are missing. It fails if one that exists has another number of partitions than
// configured: devices would move between partitions, and with them their state.
func EnsureTopics(ctx context.Context, options TopicOptions) error {
	client, err := kgo.NewClient(options.Dial.options()...)
	if err != nil {
		return fmt.Errorf("ensure topics: %w", err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	specs := options.specs()
	for name, spec := range specs {
		err := spec.create(ctx, admin, name, options)
		if err != nil {
			return fmt.Errorf("create topic %s: %w", name, err)
		}
	}
	return checkPartitions(ctx, admin, specs)
}

// topicSpec is what a topic is created with.
type topicSpec struct {
	partitions int
	// fixed means that the number of partitions must be exactly that.
	fixed   bool
	configs map[string]string
	// share is the topic's part of the budget, in percent.
	share int64
}

func (o TopicOptions) specs() map[string]topicSpec {
	n := orDefault(o.Partitions, defaultPartitions)
	long := map[string]string{"retention.ms": strconv.Itoa(longRetention)}
	specs := map[string]topicSpec{
		o.Topics.Readings: {partitions: n, fixed: true, share: 70, configs: map[string]string{
			"message.timestamp.type": "LogAppendTime",
			"max.message.bytes":      strconv.Itoa(maxReadingBytes),
		}},
		o.Topics.Aggregates:  {partitions: 1, share: 15, configs: map[string]string{}},
		o.Topics.Alerts:      {partitions: n, fixed: true, share: 10, configs: long},
		o.Topics.DeadLetters: {partitions: 1, share: 5, configs: maps.Clone(long)},
		o.Topics.States: {partitions: n, fixed: true, configs: map[string]string{
			"cleanup.policy":            "compact",
			"min.cleanable.dirty.ratio": "0.2",
			// Only closed segments are compacted: small ones, so that a restart reads little.
			"segment.bytes": strconv.Itoa(4 << 20),
		}},
	}
	if o.Budget > 0 {
		for _, spec := range specs {
			// Age must not remove anything there, see package embedded.
			spec.configs["retention.ms"] = "-1"
			if spec.share > 0 {
				spec.configs["retention.bytes"] = strconv.FormatInt(max(o.Budget*spec.share/100/int64(spec.partitions), leastBudget), 10)
			}
		}
	}
	return specs
}

func (s topicSpec) create(ctx context.Context, admin *kadm.Client, name string, o TopicOptions) error {
	configs := make(map[string]*string, len(s.configs))
	for key, value := range s.configs {
		configs[key] = &value
	}
	_, err := admin.CreateTopic(ctx, int32(s.partitions), int16(orDefault(o.Replication, -1)), configs, name)
	switch {
	case !errors.Is(err, kerr.TopicAlreadyExists):
		return err
	case o.Budget > 0:
		return s.alter(ctx, admin, name)
	default:
		return nil
	}
}

// alter gives a topic of the embedded broker the settings of this start: they may have changed since it was created.
func (s topicSpec) alter(ctx context.Context, admin *kadm.Client, name string) error {
	var changes []kadm.AlterConfig
	for key, value := range s.configs {
		changes = append(changes, kadm.AlterConfig{Name: key, Value: &value})
	}
	responses, err := admin.AlterTopicConfigs(ctx, changes, name)
	if err != nil {
		return err
	}
	for _, response := range responses {
		if response.Err != nil {
			return response.Err
		}
	}
	return nil
}

func checkPartitions(ctx context.Context, admin *kadm.Client, specs map[string]topicSpec) error {
	names := slices.Sorted(maps.Keys(specs))
	details, err := admin.ListTopics(ctx, names...)
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	for _, name := range names {
		detail := details[name]
		if detail.Err != nil {
			return fmt.Errorf("look at topic %s: %w", name, detail.Err)
		}
		if want := specs[name].partitions; specs[name].fixed && len(detail.Partitions) != want {
			return fmt.Errorf("topic %s has %d partitions but %d are configured: configure %d, or drain the topics and create them anew",
				name, len(detail.Partitions), want, len(detail.Partitions))
		}
	}
	return nil
}
