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

// Headers of a record in the dead-letter queue, besides those in package kafka.
const (
	headerReason    = "reason"
	headerField     = "field"
	headerTopic     = "source-topic"
	headerTime      = "time"
	headerTruncated = "truncated-from"
)

// maxRejectBytes bounds the value of a dead letter, so that it always fits into a batch of Kafka's default size. A record
// of the readings' topic may be larger: compression lets it in. The header headerTruncated tells its whole length.
const maxRejectBytes = 512 << 10

// output encodes what one partition has to say and writes it into the open transaction. Alerts and states keep the
// partition's number, so that a successor finds its states in one place.
type output struct {
	writer    *writer
	partition int32
	followed  *followed
	// states are those that have not been handed over to the writer; nil for none.
	states *kafka.Batch
	// early is for the live view in this process; nil if that reads everything from the log.
	early *early
}

var _ process.Output = (*output)(nil)

func (o *output) Summary(s *iot.WindowSummary) {
	if o.early != nil && !s.Final && !s.Late {
		o.early.summary(s)
		return
	}
	o.writer.write(o.partition, &kgo.Record{
		Topic: o.writer.topics.Aggregates,
		Key:   []byte(s.Type),
		Value: encodeSummary(s),
	})
}

func (o *output) Alert(a *iot.Alert) {
	o.writer.write(o.partition, &kgo.Record{
		Topic:     o.writer.topics.Alerts,
		Partition: o.partition,
		Key:       []byte(a.DeviceID),
		Value:     encodeAlert(a),
		Headers:   kafka.TraceHeaders(o.followed.context(a.DeviceID)),
	})
}

// State implements process.Output. There are more states than of anything else: they are handed over together, and flush must
// follow the last.
func (o *output) State(s *iot.DeviceState) {
	if o.early == nil || !o.early.state(s, o.followed) {
		o.write(s)
	}
}

func (o *output) write(s *iot.DeviceState) {
	if o.states == nil {
		o.states = o.writer.batches.Get()
	}
	record := kgo.Record{
		Topic: o.writer.topics.States, Partition: o.partition, Headers: kafka.TraceHeaders(o.followed.context(s.Latest.ID)),
	}
	o.states.Add(record, s.Latest.ID, func(dst []byte) []byte { return appendState(dst, s) })
	if o.states.Len() == statesPerBatch {
		o.flush()
	}
}

// Forget implements process.Output: the state gives way to a record without a value, which compaction removes in the end. The
// states before it are written first, since the last record of a key is the one that counts.
func (o *output) Forget(device iot.DeviceID, at iot.Position) {
	if o.early != nil {
		delete(o.early.unsaved, device)
	}
	o.flush()
	o.writer.write(o.partition, &kgo.Record{
		Topic: o.writer.topics.States, Partition: o.partition, Key: []byte(device),
		Headers: []kgo.RecordHeader{{Key: wire.PositionHeader, Value: wire.AppendPosition(nil, at)}},
	})
}

// statesPerBatch bounds the memory of a batch of states, which is kept for the next.
const statesPerBatch = 500

// flush writes the states that there are.
func (o *output) flush() {
	if o.states != nil {
		o.writer.writeBatch(o.partition, o.states)
		o.states = nil
	}
}

// show gives the live view of this process what it does not read from the log.
func (o *output) show() {
	if o.early != nil {
		o.early.publish()
	}
}

// save writes the states that so far the live view of this process alone has been given.
func (o *output) save() {
	if o.early != nil {
		o.early.save(o.write)
		o.flush()
	}
}

func (o *output) Reject(r *process.Reject) {
	value, key := r.Value, r.Key
	headers := []kgo.RecordHeader{
		header(headerReason, r.Reason),
		header(headerField, r.Field),
		header(headerTopic, o.writer.topics.Readings),
		header(kafka.HeaderSourcePartition, strconv.Itoa(int(o.partition))),
		header(kafka.HeaderSourceOffset, strconv.FormatInt(r.Offset, 10)),
		header(headerTime, r.Appended.UTC().Format(time.RFC3339Nano)),
	}
	if len(value) > maxRejectBytes {
		headers = append(headers, header(headerTruncated, strconv.Itoa(len(value))))
		value = value[:maxRejectBytes]
	}
	if len(key) > iot.MaxIDLength {
		key = nil // No device has such an id.
	}
	// The record that is rejected is read into memory that the next one is read into.
	o.writer.write(o.partition, &kgo.Record{
		Topic: o.writer.topics.DeadLetters, Key: bytes.Clone(key), Value: bytes.Clone(value), Headers: headers,
	})
}

func header(key, value string) kgo.RecordHeader {
	return kgo.RecordHeader{Key: key, Value: []byte(value)}
}
