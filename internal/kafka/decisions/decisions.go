// Package decisions appends what people have decided to the readings' log, and reads what of it is in force.
package decisions

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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
	// client appends to the partitions of the keys, byPartition to those that the records name, without a transaction.
	client, byPartition *kgo.Client
	// level is the lowest that every partition is known to have; 0 if that is not known yet.
	level atomic.Uint32

	mu          sync.Mutex
	partitioner kgo.TopicPartitioner
}

var _ control.Log = (*Log)(nil)

// NewLog returns a log, which connects when it is first used. It returns an error only if the options are invalid.
func NewLog(options LogOptions) (*Log, error) {
	newClient := func(partitioner kgo.Partitioner) (*kgo.Client, error) {
		return kgo.NewClient(options.Dial.Options(append(options.Dial.Idempotence(),
			kgo.RecordPartitioner(partitioner),
			kgo.ProducerLinger(0),
			kgo.RecordDeliveryTimeout(timeout),
		)...)...)
	}
	client, err := newClient(kgo.StickyKeyPartitioner(nil))
	if err != nil {
		return nil, fmt.Errorf("make producer of decisions: %w", err)
	}
	byPartition, err := newClient(kgo.ManualPartitioner())
	if err != nil {
		client.Close()
		return nil, fmt.Errorf("make producer of decisions: %w", err)
	}
	l := &Log{LogOptions: options, client: client, byPartition: byPartition, partitioner: kgo.StickyKeyPartitioner(nil).ForTopic(options.Topics.Readings)}
	if options.Alone {
		l.level.Store(process.MaxLevel)
	}
	return l, nil
}

// Close closes the connections.
func (l *Log) Close() {
	l.client.Close()
	l.byPartition.Close()
}

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
	var sourceMaps []*kgo.Record
	var devices, rules, types []control.Object
	for i := range objects {
		switch objects[i].Kind {
		case control.Rule:
			rules = append(rules, objects[i])
			continue
		case control.Type:
			types = append(types, objects[i])
			continue
		case control.Map:
			sourceMaps = append(sourceMaps, &kgo.Record{Topic: l.Topics.Maps, Key: []byte(objects[i].ID), Value: objects[i].Body, Timestamp: time.Now()})
			continue
		}
		devices = append(devices, objects[i])
	}
	ends := make(map[int32]int64)
	// Those that have to wait hold up no others.
	err := errors.Join(l.appendEntries(ctx, devices, ends), l.appendRules(ctx, rules, ends), l.appendTypes(ctx, types, ends))
	if failed := l.client.ProduceSync(ctx, sourceMaps...).FirstErr(); failed != nil {
		err = errors.Join(err, fmt.Errorf("append maps of sources to %s: %w", l.Topics.Maps, failed))
	}
	if err != nil {
		return nil, err
	}
	return ends, nil
}

// appendRules appends rules to every partition, and raises the ends of the partitions.
func (l *Log) appendRules(ctx context.Context, rules []control.Object, ends map[int32]int64) error {
	byLevel := make(map[uint8][]kgo.Record)
	for i := range rules {
		entry, err := rules[i].RuleEntry()
		if err != nil {
			return err
		}
		needed := process.LevelOfRule(&entry)
		byLevel[needed] = append(byLevel[needed], kgo.Record{Value: rules[i].Body, Headers: kafka.KindHeaders(iot.KindRule, entry.Level())})
	}
	for _, needed := range slices.Sorted(maps.Keys(byLevel)) { // Those that have to wait hold up no others.
		if err := l.checkLevel(ctx, needed); err != nil {
			return fmt.Errorf("append rules: %w", err)
		}
		if err := l.appendToAll(ctx, byLevel[needed], ends); err != nil {
			return fmt.Errorf("append rules to %s: %w", l.Topics.Readings, err)
		}
	}
	return nil
}

// appendEntries appends registry entries to the readings' log, and raises the ends of the partitions.
func (l *Log) appendEntries(ctx context.Context, devices []control.Object, ends map[int32]int64) error {
	byLevel := make(map[uint8][]*kgo.Record)
	for i := range devices {
		entry, err := devices[i].DeviceEntry()
		if err != nil {
			return err
		}
		needed := process.LevelOfEntry(&entry)
		byLevel[needed] = append(byLevel[needed], &kgo.Record{
			Topic: l.Topics.Readings, Key: wire.AppendDeviceKey(nil, devices[i].Identity()), Value: devices[i].Body,
			Headers: kafka.KindHeaders(iot.KindDevice, entry.Level()), Timestamp: time.Now(),
		})
	}
	for _, needed := range slices.Sorted(maps.Keys(byLevel)) { // Those that have to wait hold up no others.
		if err := l.checkLevel(ctx, needed); err != nil {
			return fmt.Errorf("append registry entries: %w", err)
		}
		if err := add(ends, l.client.ProduceSync(ctx, byLevel[needed]...)); err != nil {
			return fmt.Errorf("append registry entries to %s: %w", l.Topics.Readings, err)
		}
	}
	return nil
}

// Outages implements control.OutageLog.
func (l *Log) Outages(ctx context.Context, outages []control.Outage) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := l.checkLevel(ctx, process.LevelParents); err != nil {
		return fmt.Errorf("append outages: %w", err)
	}
	_, err := kafka.AppendDecisions(ctx, l.Dial, func(context.Context, *kgo.Client) ([]*kgo.Record, error) {
		records := make([]*kgo.Record, len(outages))
		for i := range outages {
			o := &outages[i]
			records[i] = &kgo.Record{
				Topic: l.Topics.Readings, Partition: o.Partition, Key: wire.AppendDeviceKey(nil, o.Parent), Value: wire.AppendOutage(nil, &o.Outage),
				Headers: kafka.KindHeaders(iot.KindOutage, 1), Timestamp: time.Now(),
			}
		}
		return records, nil
	})
	if err != nil {
		return fmt.Errorf("append outages to %s: %w", l.Topics.Readings, err)
	}
	return nil
}

// References implements control.ReferenceLog. It uses no transaction, whose id the brokers would keep for days: references are appended every few seconds,
// and none depends on another one.
func (l *Log) References(ctx context.Context, references []control.Reference) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := l.checkLevel(ctx, process.LevelDeviation); err != nil {
		return fmt.Errorf("append references: %w", err)
	}
	records := make([]*kgo.Record, len(references))
	for i := range references {
		r := &references[i]
		records[i] = &kgo.Record{
			Topic: l.Topics.Readings, Partition: r.Partition, Key: wire.AppendPeersKey(nil, r.Peers), Value: wire.AppendReference(nil, &r.Reference),
			Headers: kafka.KindHeaders(iot.KindReference, 1), Timestamp: time.Now(),
		}
	}
	if err := l.byPartition.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("append references to %s: %w", l.Topics.Readings, err)
	}
	return nil
}

// Points implements control.PointLog. It uses no transaction, as References does.
func (l *Log) Points(ctx context.Context, points []control.MachinePoints) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := l.checkLevel(ctx, process.LevelPoints); err != nil {
		return fmt.Errorf("append points: %w", err)
	}
	records := make([]*kgo.Record, len(points))
	for i := range points {
		p := &points[i]
		records[i] = &kgo.Record{
			Topic: l.Topics.Readings, Partition: p.Partition, Key: wire.AppendMachineKey(nil, p.Machine), Value: wire.AppendPoints(nil, &p.Points),
			Headers: kafka.KindHeaders(iot.KindPoints, 1), Timestamp: time.Now(),
		}
	}
	if err := l.byPartition.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("append points to %s: %w", l.Topics.Readings, err)
	}
	return nil
}

// Command appends commands about devices, which need no database, and returns where each of them is. It appends none while consumers of a version
// may run that does not know one of them: control.ErrOlder.
func (l *Log) Command(ctx context.Context, devices []iot.Identity, commands []iot.Command) ([]iot.Position, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	needed := uint8(process.LevelRules)
	records := make([]*kgo.Record, len(commands))
	for i := range commands {
		c := &commands[i]
		needed = max(needed, process.LevelOfCommand(c))
		records[i] = &kgo.Record{
			Topic: l.Topics.Readings, Key: wire.AppendDeviceKey(nil, devices[i]), Value: wire.AppendCommand(nil, c),
			Headers: kafka.KindHeaders(iot.KindCommand, c.Level()), Timestamp: time.Now(),
		}
	}
	if err := l.checkLevel(ctx, needed); err != nil {
		return nil, err
	}
	at := make([]iot.Position, len(commands))
	results := l.client.ProduceSync(ctx, records...)
	if err := results.FirstErr(); err != nil {
		return nil, fmt.Errorf("append commands to %s: %w", l.Topics.Readings, err)
	}
	for i, r := range records {
		at[i] = iot.Position{Partition: r.Partition, Offset: r.Offset}
	}
	return at, nil
}

// Remembers reports whether the processors remember what they have done with commands: none of an older version may be left.
func (l *Log) Remembers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return l.checkLevel(ctx, process.LevelOutcomes) == nil
}

// TypesAllowed returns control.ErrOlder while device types must not be appended. Another error means that this could not be found out.
func (l *Log) TypesAllowed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return l.checkLevel(ctx, process.LevelTypes)
}

// checkLevel returns an error unless records of a level may be appended: those of the partitions say so, and do not fall again. Without any
// checkpoint the group is new, and so are its members.
func (l *Log) checkLevel(ctx context.Context, needed uint8) error {
	if l.level.Load() >= uint32(needed) {
		return nil
	}
	level, err := kafka.ProcessedLevel(ctx, kadm.NewClient(l.client), l.Topics, l.Group)
	switch {
	case err != nil:
		return fmt.Errorf("find out whether the processors know decisions: %w", err)
	case level == 0: // It may get an older member yet.
		return nil
	case level < needed:
		return control.ErrOlder
	}
	l.level.Store(uint32(level))
	return nil
}

// appendTypes appends device types to every partition, as one settings record, and then to the topic of the maps: programs that read no
// limits know them from there. It raises the ends of the partitions.
func (l *Log) appendTypes(ctx context.Context, types []control.Object, ends map[int32]int64) error {
	if len(types) == 0 {
		return nil
	}
	if err := l.checkLevel(ctx, process.LevelTypes); err != nil {
		return fmt.Errorf("append device types: %w", err)
	}
	var all iot.Settings
	var announced []*kgo.Record
	for i := range types {
		spec, err := types[i].TypeSpec()
		if err != nil {
			return err
		}
		all.Types = append(all.Types, *spec)
		announced = append(announced, &kgo.Record{Topic: l.Topics.Maps, Key: wire.AppendTypeKey(nil, spec.Name), Value: types[i].Body, Timestamp: time.Now()})
	}
	record := kgo.Record{Value: wire.AppendSettings(nil, &all), Headers: kafka.KindHeaders(iot.KindSettings, all.Level())}
	if err := l.appendToAll(ctx, []kgo.Record{record}, ends); err != nil {
		return fmt.Errorf("append device types to %s: %w", l.Topics.Readings, err)
	}
	if err := l.client.ProduceSync(ctx, announced...).FirstErr(); err != nil {
		return fmt.Errorf("append device types to %s: %w", l.Topics.Maps, err)
	}
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

// appendToAll appends records to every partition of the readings' log, in one transaction, and raises the ends of the partitions.
func (l *Log) appendToAll(ctx context.Context, given []kgo.Record, ends map[int32]int64) error {
	results, err := kafka.AppendDecisions(ctx, l.Dial, func(ctx context.Context, client *kgo.Client) ([]*kgo.Record, error) {
		topics, err := kadm.NewClient(client).ListTopics(ctx, l.Topics.Readings)
		if err = errors.Join(err, topics.Error()); err != nil {
			return nil, fmt.Errorf("list partitions: %w", err)
		}
		var records []*kgo.Record
		for id := range topics[l.Topics.Readings].Partitions {
			for i := range given {
				record := given[i]
				record.Topic, record.Partition, record.Timestamp = l.Topics.Readings, id, time.Now()
				records = append(records, &record)
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
