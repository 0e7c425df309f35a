package processor

import (
	"bytes"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// maxRejectBytes limits the value of a dead letter, so that it always fits into a batch of Kafka's default size. A rejected record
// may be larger, because brokers limit the compressed size. The value is then cut, and kafka.HeaderTruncated has its original length.
const maxRejectBytes = 512 << 10

// output encodes the outputs of one partition and writes them in the open transaction. Alerts and states go to the partition of the
// same number in their topics, so that the next owner of the partition restores all of its states from one partition.
type output struct {
	writer    *writer
	partition int32
	traces    *traces
	// states is the batch that has not been passed to the writer yet; nil for none.
	states *kafka.Batch
	// localView is nil if no live view of this process gets states directly.
	localView *localView
}

var _ process.Output = (*output)(nil)

func (o *output) Summary(s *iot.WindowSummary) {
	if o.localView != nil && !s.Final && !s.Late {
		o.localView.addSummary(s)
		return
	}
	o.writer.write(o.partition, &kgo.Record{
		Topic: o.writer.topics.Aggregates,
		Key:   []byte(s.Type),
		Value: encodeSummary(s),
	})
}

func (o *output) Areas(d *iot.DeviceAreas) {
	o.writer.write(o.partition, &kgo.Record{
		Topic: o.writer.topics.Aggregates,
		Key:   wire.AppendDeviceKey(nil, d.Identity),
		Value: wire.AppendDeviceAreas(nil, d),
	})
}

func (o *output) Alert(a *iot.Alert) {
	o.writer.write(o.partition, &kgo.Record{
		Topic:     o.writer.topics.Alerts,
		Partition: o.partition,
		Key:       wire.AppendDeviceKey(nil, a.Identity()),
		Value:     encodeAlert(a),
		Headers:   kafka.TraceHeaders(o.traces.context(a.Identity())),
	})
}

// State implements process.Output. States are collected in batches, because there are more of them than of any other output. The
// caller must call flush after the last.
func (o *output) State(s *iot.DeviceState) {
	if o.localView != nil {
		o.localView.addState(s, o.traces)
		return
	}
	o.write(s)
}

func (o *output) write(s *iot.DeviceState) {
	if o.states == nil {
		o.states = o.writer.batches.Get()
	}
	record := kgo.Record{
		Topic: o.writer.topics.States, Partition: o.partition, Headers: kafka.TraceHeaders(o.traces.context(s.Latest.Identity())),
	}
	o.states.Add(record, s.Latest.Identity(), func(dst []byte) []byte { return appendState(dst, s) })
	if o.states.Len() == statesPerBatch {
		o.flush()
	}
}

// Forget implements process.Output. It writes a tombstone, after the states that were output before: the last record of a key is the
// valid one.
func (o *output) Forget(device iot.Identity, at iot.Position) {
	if o.localView != nil {
		o.localView.unwritten.Delete(device)
	}
	o.flush()
	o.writer.write(o.partition, &kgo.Record{
		Topic: o.writer.topics.States, Partition: o.partition, Key: wire.AppendDeviceKey(nil, device),
		Headers: []kgo.RecordHeader{positionHeader(at)},
	})
}

// InForce implements process.Output. Without a value it writes a tombstone. A program that does not know the level of the partition reads that of
// its record's header, and leaves the partition to others.
func (o *output) InForce(key, value []byte, at iot.Position) {
	r := &kgo.Record{Topic: o.writer.topics.InForce, Partition: o.partition, Key: bytes.Clone(key), Value: bytes.Clone(value)}
	switch of, _, _ := wire.SplitInForceKey(key); {
	case value == nil:
		r.Headers = []kgo.RecordHeader{positionHeader(at)}
	case of == wire.LevelInForce:
		if l, err := wire.DecodeLevelInForce(value); err == nil {
			r.Headers = []kgo.RecordHeader{kafka.LevelHeader(l.Level)}
		}
	}
	o.writer.write(o.partition, r)
}

// positionHeader is the header of a tombstone.
func positionHeader(at iot.Position) kgo.RecordHeader {
	return kgo.RecordHeader{Key: wire.PositionHeader, Value: wire.AppendPosition(nil, at)}
}

// statesPerBatch limits the memory of a batch of states, which is reused.
const statesPerBatch = 500

// flush writes the collected states.
func (o *output) flush() {
	if o.states != nil {
		o.writer.writeBatch(o.partition, o.states)
		o.states = nil
	}
}

// publishLocal passes the collected states and windows to the live view of this process.
func (o *output) publishLocal() {
	if o.localView != nil {
		o.localView.publish()
	}
}

// writeUnwritten writes the states that so far only the live view of this process has got.
func (o *output) writeUnwritten() {
	if o.localView != nil {
		o.localView.writeStates(o.write)
		o.flush()
	}
}

func (o *output) Reject(r *process.Reject) {
	value, key := r.Value, r.Key
	headers := []kgo.RecordHeader{
		header(kafka.HeaderReason, r.Reason),
		header(kafka.HeaderField, r.Field),
		header(kafka.HeaderSourceTopic, o.writer.topics.Readings),
		header(kafka.HeaderSourcePartition, strconv.Itoa(int(o.partition))),
		header(kafka.HeaderSourceOffset, strconv.FormatInt(r.Offset, 10)),
		header(kafka.HeaderSourceTime, r.Appended.UTC().Format(time.RFC3339Nano)),
	}
	if r.Kind != iot.KindReading {
		headers = append(headers, header(kafka.HeaderSourceKind, r.Kind.String()))
	}
	if len(value) > maxRejectBytes {
		headers = append(headers, header(kafka.HeaderTruncated, strconv.Itoa(len(value))))
		value = value[:maxRejectBytes]
	}
	if len(key) > wire.MaxDeviceKey {
		key = nil // No device has such a key.
	}
	// The memory of the rejected record is reused for the next fetch.
	o.writer.write(o.partition, &kgo.Record{
		Topic: o.writer.topics.DeadLetters, Key: bytes.Clone(key), Value: bytes.Clone(value), Headers: headers,
	})
}

func header(key, value string) kgo.RecordHeader {
	return kgo.RecordHeader{Key: key, Value: []byte(value)}
}
