// Package decisions appends what people have decided to the readings' log, and reads what of it is in force.
package decisions

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/control"
	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// timeout bounds one append, and one question to the cluster.
const timeout = 10 * time.Second

// errOlder means that nothing may be appended yet.
var errOlder = errors.New("consumers of an older version, which do not know decisions, may still run; once there are none, run iotmon upgrade finish")

// LogOptions configure a Log.
type LogOptions struct {
	Dial   kafka.Dial
	Topics kafka.Topics
	// Group is the processors' group.
	Group string
	// Alone means that no other process has processors, so none is of an older version.
	Alone bool
}

// Log is the control.Log. It may be used concurrently.
type Log struct {
	LogOptions
	client *kgo.Client
	// understood is set once it is known that the processors know decisions.
	understood atomic.Bool

	mu          sync.Mutex
	partitioner kgo.TopicPartitioner
}

var _ control.Log = (*Log)(nil)

// NewLog returns a log, which connects when it is first used. It returns an error only if the options are invalid.
func NewLog(options LogOptions) (*Log, error) {
	client, err := kgo.NewClient(options.Dial.Options(append(options.Dial.Idempotence(),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.ProducerLinger(0),
		kgo.RecordDeliveryTimeout(timeout),
	)...)...)
	if err != nil {
		return nil, fmt.Errorf("make producer of decisions: %w", err)
	}
	l := &Log{LogOptions: options, client: client, partitioner: kgo.StickyKeyPartitioner(nil).ForTopic(options.Topics.Readings)}
	l.understood.Store(options.Alone)
	return l, nil
}

// Close closes the connections.
func (l *Log) Close() { l.client.Close() }

// PartitionOf implements control.Log.
func (l *Log) PartitionOf(device iot.Identity, partitions int) int32 {
	l.mu.Lock() // The library does not say that a partitioner may be used concurrently.
	defer l.mu.Unlock()
	return int32(l.partitioner.Partition(&kgo.Record{Key: wire.AppendDeviceKey(nil, device)}, partitions))
}

// Append implements control.Log. It appends nothing to the readings' log as long as consumers of a version may run that does not know decisions: they would leave
// their partitions at the first one or, if they are still older, reject it as a reading.
func (l *Log) Append(ctx context.Context, objects []control.Object) (map[int32]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var devices, maps []*kgo.Record
	var rules []control.Object
	for i := range objects {
		switch objects[i].Kind {
		case control.Rule:
			rules = append(rules, objects[i])
			continue
		case control.Map:
			maps = append(maps, &kgo.Record{Topic: l.Topics.Maps, Key: []byte(objects[i].ID), Value: objects[i].Body, Timestamp: time.Now()})
			continue
		}
		devices = append(devices, &kgo.Record{
			Topic: l.Topics.Readings, Key: wire.AppendDeviceKey(nil, objects[i].Identity()), Value: objects[i].Body,
			Headers: kafka.KindHeaders(iot.KindDevice, 1), Timestamp: time.Now(),
		})
	}
	ends, err := l.appendToReadings(ctx, devices, rules)
	if len(maps) == 0 {
		return ends, err
	}
	if failed := l.client.ProduceSync(ctx, maps...).FirstErr(); failed != nil {
		return nil, errors.Join(err, fmt.Errorf("append maps of sources to %s: %w", l.Topics.Maps, failed))
	}
	return ends, err
}

// appendToReadings appends registry entries and rules to the readings' log, and returns the offset behind the last one of each partition.
func (l *Log) appendToReadings(ctx context.Context, devices []*kgo.Record, rules []control.Object) (map[int32]int64, error) {
	ends := make(map[int32]int64)
	if len(devices)+len(rules) == 0 {
		return ends, nil
	}
	if err := l.checkLevel(ctx); err != nil {
		return nil, err
	}
	if err := add(ends, l.client.ProduceSync(ctx, devices...)); err != nil {
		return nil, fmt.Errorf("append registry entries to %s: %w", l.Topics.Readings, err)
	}
	if len(rules) == 0 {
		return ends, nil
	}
	if err := l.appendRules(ctx, rules, ends); err != nil {
		return nil, fmt.Errorf("append rules to %s: %w", l.Topics.Readings, err)
	}
	return ends, nil
}

// checkLevel returns an error unless decisions may be appended: a partition's level says so, and does not fall again. Without any checkpoint
// the group is new, and so are its members.
func (l *Log) checkLevel(ctx context.Context) error {
	if l.understood.Load() {
		return nil
	}
	level, err := kafka.ProcessedLevel(ctx, kadm.NewClient(l.client), l.Topics, l.Group)
	switch {
	case err != nil:
		return fmt.Errorf("find out whether the processors know decisions: %w", err)
	case level == 0: // It may get an older member yet.
		return nil
	case level < process.LevelRules:
		return errOlder
	}
	l.understood.Store(true)
	return nil
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
	results, err := kafka.AppendDecisions(ctx, l.Dial, func(ctx context.Context, client *kgo.Client) ([]*kgo.Record, error) {
		topics, err := kadm.NewClient(client).ListTopics(ctx, l.Topics.Readings)
		if err = errors.Join(err, topics.Error()); err != nil {
			return nil, fmt.Errorf("list partitions: %w", err)
		}
		var records []*kgo.Record
		for id := range topics[l.Topics.Readings].Partitions {
			for i := range rules {
				records = append(records, &kgo.Record{
					Topic: l.Topics.Readings, Partition: id, Value: rules[i].Body, Headers: kafka.KindHeaders(iot.KindRule, 1), Timestamp: time.Now(),
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
	extents, err := kafka.ListExtents(ctx, admin, l.Topics.Readings)
	if err != nil {
		return nil, err
	}
	processed, err := kafka.ProcessedOffsets(ctx, admin, l.Topics, l.Group)
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
