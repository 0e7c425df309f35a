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
	// Partitions is how many partitions the readings, alerts, states and in-force topics have each, 10 by default. With the embedded
	// broker, topics that exist keep their number of partitions: no other process has to agree with it.
	Partitions int
	// Replication is the number of copies; 0 leaves it to the cluster.
	Replication int
	// Budget is for the embedded broker: how many bytes all topics except the compacted ones may use on the disk together. It is 0 for a
	// cluster. Then the cluster decides how long it keeps readings and aggregates, and of topics that exist only the settings that
	// iotmon cannot work without are changed.
	Budget int64
}

const (
	defaultPartitions = 10
	// sourcesPartitions is how many groups the sources are divided into that move from program to program together.
	sourcesPartitions = 16
	// minPartitionBytes is the smallest retention of a partition. It must be larger than any batch: retention would otherwise
	// delete the last batch too, and an empty partition begins anew at offset 0 after a crash.
	minPartitionBytes = 4 << 20
	// maxReadingBytes bounds a batch in the readings' topic. Each of its records, with the headers of a dead letter, then fits into
	// a topic with Kafka's default limit.
	maxReadingBytes = 768 << 10
	// longRetention is how long a cluster keeps alerts and dead letters, in milliseconds.
	longRetention = 30 * 24 * 60 * 60 * 1000
)

// EnsureTopics creates the topics that are missing and corrects settings of the others. It fails if a topic exists with another
// number of partitions than configured: devices would be in other partitions than their states.
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
			if notAllowed(err) && spec.optional {
				continue
			}
			if notAllowed(err) {
				return spec.notAllowedError(name, err)
			}
		case detail.Err != nil:
			err = detail.Err
		case spec.fixed && len(detail.Partitions) != spec.partitions:
			return fmt.Errorf("topic %s has %d partitions but %d are configured: configure %d, or have all records processed, then delete and recreate the topics",
				name, len(detail.Partitions), spec.partitions, len(detail.Partitions))
		default:
			err = spec.alter(ctx, admin, name, spec.required(options.Budget > 0))
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
	// fixed means that an existing topic must have exactly this number of partitions.
	fixed   bool
	configs map[string]string
	// optional means that a service without permission to create the topic goes on without it.
	optional bool
	// share is the topic's part of the budget, in percent; 0 means that the budget does not limit it.
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
		o.Topics.States:      {partitions: n, fixed: true, configs: compacted()},
		o.Topics.InForce:     {partitions: n, fixed: true, configs: compacted()},
		o.Topics.Maps:        {partitions: 1, optional: true, configs: compacted()},
	}
	if o.Budget == 0 {
		specs[o.Topics.Sources] = topicSpec{partitions: sourcesPartitions, optional: true, configs: map[string]string{"cleanup.policy": "compact"}}
	}
	if o.Budget > 0 {
		for _, spec := range specs {
			// Retention by age must not empty a partition of the embedded broker; see package embedded.
			spec.configs["retention.ms"] = "-1"
			if spec.share > 0 {
				spec.configs["retention.bytes"] = strconv.FormatInt(max(o.Budget*spec.share/100/int64(spec.partitions), minPartitionBytes), 10)
			}
		}
	}
	return specs
}

// compacted returns the settings of a compacted topic that a processor restores its partitions from.
func compacted() map[string]string {
	return map[string]string{
		"cleanup.policy":            "compact",
		"min.cleanable.dirty.ratio": "0.2",
		// Only closed segments are compacted. Small ones are closed soon, so a restart has little to read.
		"segment.bytes": strconv.Itoa(4 << 20),
	}
}

// create creates the topic; replication 0 means the cluster's default. A topic that exists by now is no error.
func (s topicSpec) create(ctx context.Context, admin *kadm.Client, name string, replication int) error {
	configs := make(map[string]*string, len(s.configs))
	for key, value := range s.configs {
		configs[key] = &value
	}
	_, err := admin.CreateTopic(ctx, int32(s.partitions), int16(cmp.Or(replication, -1)), configs, name)
	if errors.Is(err, kerr.TopicAlreadyExists) {
		return nil // Another instance has just created it.
	}
	return err
}

// notAllowed reports whether an error means that the broker does not allow iotmon's user to do what was tried.
func notAllowed(err error) bool {
	return errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kerr.ClusterAuthorizationFailed) ||
		errors.Is(err, kerr.PolicyViolation)
}

// notAllowedError says which permission is missing, or which topic an operator can create instead of granting it.
func (s topicSpec) notAllowedError(name string, err error) error {
	var settings []string
	for _, key := range slices.Sorted(maps.Keys(s.configs)) {
		settings = append(settings, key+"="+s.configs[key])
	}
	return fmt.Errorf("not allowed to create topic %s: grant CREATE on the topic, or create it with %d partitions and %s: %w",
		name, s.partitions, strings.Join(settings, ", "), err)
}

// required returns the settings that are also set on a topic that exists already. With the embedded broker these are all settings.
// A cluster's operator may have chosen others for good reasons, except for two: the broker must stamp readings, and states and what is
// in force must be compacted.
func (s topicSpec) required(embedded bool) map[string]string {
	if embedded {
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

// alter changes the settings of an existing topic that differ from the given ones.
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
	if notAllowed(err) {
		return nil // ProbeAppendTime will show whether the broker stamps readings.
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

// DeleteTopics deletes the topics and all records in them.
func DeleteTopics(ctx context.Context, dial Dial, topics Topics) error {
	client, err := kgo.NewClient(dial.Options()...)
	if err != nil {
		return fmt.Errorf("delete topics: %w", err)
	}
	defer client.Close()
	responses, err := kadm.NewClient(client).DeleteTopics(ctx,
		topics.Readings, topics.DeadLetters, topics.Aggregates, topics.Alerts, topics.States, topics.InForce)
	if err = errors.Join(err, responses.Error()); err != nil {
		return fmt.Errorf("delete topics: %w", err)
	}
	return nil
}
