package kafka

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/trace"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// batch holds records, with all of their bytes in one buffer, from the moment they are encoded until the client has finished
// with the last of them.
type batch struct {
	records []kgo.Record
	bytes   []byte
	// finish is called once, when nothing of the batch is left with the client.
	finish func()
	left   atomic.Int64

	mu     sync.Mutex
	unsent int
	err    error
}

// batchPool keeps batches for reuse: at full rate they would be most of the garbage.
type batchPool struct{ pool sync.Pool }

// get returns an empty batch.
func (p *batchPool) get() *batch {
	b, _ := p.pool.Get().(*batch)
	if b == nil {
		return new(batch)
	}
	b.records, b.bytes = b.records[:0], b.bytes[:0]
	b.unsent, b.err = 0, nil
	return b
}

func (p *batchPool) put(b *batch) {
	b.finish = nil
	p.pool.Put(b)
}

// addReadings encodes readings for a topic.
func (b *batch) addReadings(topic string, readings []iot.Reading, headers []kgo.RecordHeader) {
	now := time.Now()
	for i := range readings {
		r := &readings[i]
		b.add(kgo.Record{Topic: topic, Timestamp: now, Headers: headers}, r.ID, func(dst []byte) []byte {
			return wire.AppendReading(dst, r)
		})
	}
}

// add appends a record with the key and with the value that is encoded into the batch's buffer.
func (b *batch) add(r kgo.Record, key iot.DeviceID, appendValue func([]byte) []byte) {
	// A buffer that has to grow leaves the records so far in the old one, where they are just as good.
	start := len(b.bytes)
	b.bytes = append(b.bytes, key...)
	r.Key = b.bytes[start:len(b.bytes):len(b.bytes)]
	start = len(b.bytes)
	b.bytes = appendValue(b.bytes)
	r.Value = b.bytes[start:len(b.bytes):len(b.bytes)]
	b.records = append(b.records, r)
}

// produce hands the records over to the client.
func (b *batch) produce(ctx context.Context, client *kgo.Client) {
	b.left.Store(int64(len(b.records)))
	// The batch may be somebody else's before the last call has returned.
	records, promise := b.records, b.acknowledged
	for i := range records {
		client.Produce(ctx, &records[i], promise)
	}
}

// endSpan ends the span of a batch that nothing is left of with the client.
func (b *batch) endSpan(span trace.Span) {
	if span.IsRecording() {
		span.SetAttributes(messageCount(len(b.records)))
	}
	endSpan(span, b.err)
}

// acknowledged is the promise of every record of the batch.
func (b *batch) acknowledged(_ *kgo.Record, err error) {
	if err != nil {
		b.mu.Lock()
		b.unsent++
		if b.err == nil {
			b.err = err
		}
		b.mu.Unlock()
	}
	if b.left.Add(-1) == 0 {
		b.finish()
	}
}
