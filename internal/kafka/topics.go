package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TopicOptions say what the topics must look like.
type TopicOptions struct {
	Dial   Dial
	Topics Topics
	// Partitions is how many the readings, alerts and states have each, 10 by default. The embedded broker, which has no
	// other processes to agree with, keeps what it has.
	Partitions int
	// Replication is the number of copies; 0 leaves it to the cluster.
	Replication int
	// Budget is for the embedded broker: the bytes that all topics but the states may take on the disk together. With 0 the
	// cluster decides how long it keeps readings and aggregates, and topics that exist keep their settings but for those
	// that nothing works without.
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
	client, err := kgo.NewClient(options.Dial.Options()...)
	if err != nil {
		return fmt.Errorf("ensure topics: %w", err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	details, err := admin.ListTopics(ctx, slices.Collect(maps.Keys(options.specs()))...)
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	if have := len(details[options.Topics.Readings].Partitions); have > 0 && options.Budget > 0 {
		options.Partitions = have
	}
	specs := options.specs()
	for name, spec := range specs {
		switch detail := details[name]; {
		case errors.Is(detail.Err, kerr.UnknownTopicOrPartition):
			err = spec.create(ctx, admin, name, options.Replication)
			if forbidden(err) {
				return spec.explain(name, err)
			}
		case detail.Err != nil:
			err = detail.Err
		case spec.fixed && len(detail.Partitions) != spec.partitions:
			return fmt.Errorf("topic %s has %d partitions but %d are configured: configure %d, or drain the topics and create them anew",
				name, len(detail.Partitions), spec.partitions, len(detail.Partitions))
		default:
			err = spec.alter(ctx, admin, name, spec.vital(options.Budget > 0))
		}
		if err != nil {
			return fmt.Errorf("ensure topic %s: %w", name, err)
		}
	}
	return nil
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
	n := cmp.Or(o.Partitions, defaultPartitions)
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

func (s topicSpec) create(ctx context.Context, admin *kadm.Client, name string, replication int) error {
	configs := make(map[string]*string, len(s.configs))
	for key, value := range s.configs {
		configs[key] = &value
	}
	_, err := admin.CreateTopic(ctx, int32(s.partitions), int16(cmp.Or(replication, -1)), configs, name)
	if errors.Is(err, kerr.TopicAlreadyExists) {
		return nil // Another process of ours was faster.
	}
	return err
}

// forbidden reports whether the broker does not let us create topics.
func forbidden(err error) bool {
	return errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kerr.ClusterAuthorizationFailed) ||
		errors.Is(err, kerr.PolicyViolation)
}

// explain says what somebody else must create.
func (s topicSpec) explain(name string, err error) error {
	var settings []string
	for _, key := range slices.Sorted(maps.Keys(s.configs)) {
		settings = append(settings, key+"="+s.configs[key])
	}
	return fmt.Errorf("topic %s is missing and the broker forbids to create it; have it created with %d partitions and %s: %w",
		name, s.partitions, strings.Join(settings, ", "), err)
}

// vital returns the settings that a topic must have although it exists: all those of the embedded broker, which is ours.
// On a cluster others may have reasons for theirs, but not for who stamps readings or whether states are compacted.
func (s topicSpec) vital(ours bool) map[string]string {
	if ours {
		return s.configs
	}
	needed := make(map[string]string)
	for _, key := range []string{"message.timestamp.type", "cleanup.policy"} {
		if value, ok := s.configs[key]; ok {
			needed[key] = value
		}
	}
	return needed
}

// alter gives a topic that exists the settings where they differ.
func (s topicSpec) alter(ctx context.Context, admin *kadm.Client, name string, settings map[string]string) error {
	if len(settings) == 0 {
		return nil
	}
	described, err := admin.DescribeTopicConfigs(ctx, name)
	if err != nil {
		return err
	}
	now := make(map[string]string)
	_, err = described.On(name, func(r *kadm.ResourceConfig) error {
		for _, config := range r.Configs {
			now[config.Key] = config.MaybeValue()
		}
		return r.Err
	})
	if forbidden(err) {
		return nil // Whether the readings are stamped shows the probe.
	}
	if err != nil {
		return err
	}
	var changes []kadm.AlterConfig
	for key, value := range settings {
		if now[key] != value {
			changes = append(changes, kadm.AlterConfig{Name: key, Value: &value})
		}
	}
	if len(changes) == 0 {
		return nil
	}
	responses, err := admin.AlterTopicConfigs(ctx, changes, name)
	if err != nil {
		return err
	}
	_, err = responses.On(name, func(r *kadm.AlterConfigsResponse) error { return r.Err })
	if err != nil {
		return fmt.Errorf("set %v: %w", settings, err)
	}
	return nil
}

// DeleteTopics removes the topics with all that is in them.
func DeleteTopics(ctx context.Context, dial Dial, topics Topics) error {
	client, err := kgo.NewClient(dial.Options()...)
	if err != nil {
		return fmt.Errorf("delete topics: %w", err)
	}
	defer client.Close()
	responses, err := kadm.NewClient(client).DeleteTopics(ctx,
		topics.Readings, topics.DeadLetters, topics.Aggregates, topics.Alerts, topics.States)
	if err = errors.Join(err, responses.Error()); err != nil {
		return fmt.Errorf("delete topics: %w", err)
	}
	return nil
}
