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

// Batch holds records, with all of their bytes in one buffer, from the moment they are encoded until the client has finished
// with the last of them.
type Batch struct {
	records []kgo.Record
	bytes   []byte
	// finish is called once, when nothing of the batch is left with the client; err is the first failure then.
	finish func()
	left   atomic.Int64

	mu     sync.Mutex
	unsent int
	err    error
}

// BatchPool keeps batches for reuse: at full rate they would be most of the garbage.
type BatchPool struct{ pool sync.Pool }

// Get returns an empty batch.
func (p *BatchPool) Get() *Batch {
	b, _ := p.pool.Get().(*Batch)
	if b == nil {
		return new(Batch)
	}
	b.records, b.bytes = b.records[:0], b.bytes[:0]
	b.unsent, b.err = 0, nil
	return b
}

// Put takes back a batch that nothing is left of with the client.
func (p *BatchPool) Put(b *Batch) {
	b.finish = nil
	p.pool.Put(b)
}

// addReadings encodes readings for a topic.
func (b *Batch) addReadings(topic string, readings []iot.Reading, headers []kgo.RecordHeader) {
	now := time.Now()
	for i := range readings {
		r := &readings[i]
		b.Add(kgo.Record{Topic: topic, Timestamp: now, Headers: headers}, r.ID, func(dst []byte) []byte {
			return wire.AppendReading(dst, r)
		})
	}
}

// Add appends a record with the key and with the value that is encoded into the batch's buffer.
func (b *Batch) Add(r kgo.Record, key iot.DeviceID, appendValue func([]byte) []byte) {
	// A buffer that has to grow leaves the records so far in the old one, where they are just as good.
	start := len(b.bytes)
	b.bytes = append(b.bytes, key...)
	r.Key = b.bytes[start:len(b.bytes):len(b.bytes)]
	start = len(b.bytes)
	b.bytes = appendValue(b.bytes)
	r.Value = b.bytes[start:len(b.bytes):len(b.bytes)]
	b.records = append(b.records, r)
}

// Len returns how many records the batch has.
func (b *Batch) Len() int { return len(b.records) }

// Produce hands the records, of which there must be some, over to the client. Finish is called once, when nothing of the batch is
// left with the client, with the first of the records and why one of them was not written; nil if all were.
func (b *Batch) Produce(ctx context.Context, client *kgo.Client, finish func(first *kgo.Record, err error)) {
	b.produce(ctx, client, func() { finish(&b.records[0], b.err) })
}

// produce is Produce with a finish that looks at the batch itself.
func (b *Batch) produce(ctx context.Context, client *kgo.Client, finish func()) {
	b.finish = finish
	b.left.Store(int64(len(b.records)))
	// The batch may be somebody else's before the last call has returned.
	records, promise := b.records, b.acknowledged
	for i := range records {
		client.Produce(ctx, &records[i], promise)
	}
}

// endSpan ends the span of a batch that nothing is left of with the client.
func (b *Batch) endSpan(span trace.Span) {
	if span.IsRecording() {
		span.SetAttributes(MessageCount(len(b.records)))
	}
	endSpan(span, b.err)
}

// acknowledged is the promise of every record of the batch.
func (b *Batch) acknowledged(_ *kgo.Record, err error) {
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
