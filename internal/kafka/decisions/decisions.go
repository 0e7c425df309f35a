// Package decisions appends what people have decided to the readings' log, and reads what of it is in force.
package decisions

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/control"
	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/wire"
)

// timeout bounds one append, and one question to the cluster.
const timeout = 10 * time.Second

// Log is the control.Log. It may be used concurrently.
type Log struct {
	dial   kafka.Dial
	topics kafka.Topics
	group  string
	client *kgo.Client

	mu          sync.Mutex
	partitioner kgo.TopicPartitioner
}

var _ control.Log = (*Log)(nil)

// NewLog returns a log, which connects when it is first used. Group is the processors' group. It returns an error only if the options
// are invalid.
func NewLog(dial kafka.Dial, topics kafka.Topics, group string) (*Log, error) {
	client, err := kgo.NewClient(dial.Options(append(dial.Idempotence(),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.ProducerLinger(0),
		kgo.RecordDeliveryTimeout(timeout),
	)...)...)
	if err != nil {
		return nil, fmt.Errorf("make producer of decisions: %w", err)
	}
	return &Log{
		dial: dial, topics: topics, group: group, client: client,
		partitioner: kgo.StickyKeyPartitioner(nil).ForTopic(topics.Readings),
	}, nil
}

// Close closes the connections.
func (l *Log) Close() { l.client.Close() }

// PartitionOf implements control.Log.
func (l *Log) PartitionOf(device iot.Identity, partitions int) int32 {
	l.mu.Lock() // The library does not say that a partitioner may be used concurrently.
	defer l.mu.Unlock()
	return int32(l.partitioner.Partition(&kgo.Record{Key: wire.AppendDeviceKey(nil, device)}, partitions))
}

// Append implements control.Log.
func (l *Log) Append(ctx context.Context, objects []control.Object) (map[int32]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var devices []*kgo.Record
	var rules []control.Object
	for i := range objects {
		if objects[i].Kind == control.Rule {
			rules = append(rules, objects[i])
			continue
		}
		devices = append(devices, &kgo.Record{
			Topic: l.topics.Readings, Key: wire.AppendDeviceKey(nil, objects[i].Identity()), Value: objects[i].Body,
			Headers: kafka.KindHeaders(iot.KindDevice, 1), Timestamp: time.Now(),
		})
	}
	ends := make(map[int32]int64)
	if err := add(ends, l.client.ProduceSync(ctx, devices...)); err != nil {
		return nil, fmt.Errorf("append registry entries to %s: %w", l.topics.Readings, err)
	}
	if len(rules) == 0 {
		return ends, nil
	}
	if err := l.appendRules(ctx, rules, ends); err != nil {
		return nil, fmt.Errorf("append rules to %s: %w", l.topics.Readings, err)
	}
	return ends, nil
}

// add raises the ends of partitions to those behind the produced records.
func add(ends map[int32]int64, results kgo.ProduceResults) error {
	for _, result := range results {
		if result.Err != nil {
			return result.Err
		}
		ends[result.Record.Partition] = max(ends[result.Record.Partition], result.Record.Offset+1)
	}
	return nil
}

// appendRules appends rules to every partition, in one transaction.
func (l *Log) appendRules(ctx context.Context, rules []control.Object, ends map[int32]int64) error {
	results, err := kafka.AppendDecisions(ctx, l.dial, func(ctx context.Context, client *kgo.Client) ([]*kgo.Record, error) {
		topics, err := kadm.NewClient(client).ListTopics(ctx, l.topics.Readings)
		if err = errors.Join(err, topics.Error()); err != nil {
			return nil, fmt.Errorf("list partitions: %w", err)
		}
		var records []*kgo.Record
		for id := range topics[l.topics.Readings].Partitions {
			for i := range rules {
				records = append(records, &kgo.Record{
					Topic: l.topics.Readings, Partition: id, Value: rules[i].Body, Headers: kafka.KindHeaders(iot.KindRule, 1), Timestamp: time.Now(),
				})
			}
		}
		return records, nil
	})
	if err != nil {
		return err
	}
	return add(ends, results)
}

// Progress implements control.Log.
func (l *Log) Progress(ctx context.Context) ([]control.Progress, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	admin := kadm.NewClient(l.client)
	extents, err := kafka.ListExtents(ctx, admin, l.topics.Readings)
	if err != nil {
		return nil, err
	}
	processed, err := kafka.ProcessedOffsets(ctx, admin, l.topics, l.group)
	if err != nil {
		return nil, err
	}
	progress := make([]control.Progress, len(extents))
	for id := range progress {
		extent := extents[int32(id)]
		progress[id] = control.Progress{Processed: max(processed[int32(id)], extent.Start), End: extent.End}
	}
	return progress, nil
}
