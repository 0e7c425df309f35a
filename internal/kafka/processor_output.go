package kafka

import (
	"bytes"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// Headers of a record in the dead-letter queue.
const (
	headerReason    = "reason"
	headerField     = "field"
	headerTopic     = "source-topic"
	headerPartition = "source-partition"
	headerOffset    = "source-offset"
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
}

var _ process.Output = (*output)(nil)

func (o *output) Summary(s *iot.WindowSummary) {
	o.writer.write(&kgo.Record{
		Topic: o.writer.topics.Aggregates,
		Key:   []byte(s.Type),
		Value: wire.AppendWindowSummary(nil, s),
	})
}

func (o *output) Alert(a *iot.Alert) {
	o.writer.write(&kgo.Record{
		Topic:     o.writer.topics.Alerts,
		Partition: o.partition,
		Key:       []byte(a.DeviceID),
		Value:     wire.AppendAlert(nil, a),
		Headers:   traceHeaders(o.followed.context(a.DeviceID)),
	})
}

func (o *output) State(s *iot.DeviceState) {
	o.writer.write(&kgo.Record{
		Topic:     o.writer.topics.States,
		Partition: o.partition,
		Key:       []byte(s.Latest.ID),
		Value:     wire.AppendDeviceState(make([]byte, 0, 640), s),
		Headers:   traceHeaders(o.followed.context(s.Latest.ID)),
	})
}

func (o *output) Reject(r *process.Reject) {
	value, key := r.Value, r.Key
	headers := []kgo.RecordHeader{
		header(headerReason, r.Reason),
		header(headerField, r.Field),
		header(headerTopic, o.writer.topics.Readings),
		header(headerPartition, strconv.Itoa(int(o.partition))),
		header(headerOffset, strconv.FormatInt(r.Offset, 10)),
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
	o.writer.write(&kgo.Record{
		Topic: o.writer.topics.DeadLetters, Key: bytes.Clone(key), Value: bytes.Clone(value), Headers: headers,
	})
}

func header(key, value string) kgo.RecordHeader {
	return kgo.RecordHeader{Key: key, Value: []byte(value)}
}
