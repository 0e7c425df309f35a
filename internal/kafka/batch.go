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

// Batch holds encoded records, with all of their bytes in one buffer, until the client has acknowledged or failed each of them.
type Batch struct {
	records []kgo.Record
	bytes   []byte
	// pending counts the records that the client has neither acknowledged nor failed. When it reaches 0, finish is called once.
	pending atomic.Int64
	finish  func()

	mu sync.Mutex
	// failed counts the records that were not written; err is the first reason.
	failed int
	err    error
}

// BatchPool keeps batches for reuse: at full rate they would be most of the garbage. It may be used concurrently.
type BatchPool struct{ pool sync.Pool }

// Get returns an empty batch.
func (p *BatchPool) Get() *Batch {
	b, _ := p.pool.Get().(*Batch)
	if b == nil {
		return new(Batch)
	}
	b.records, b.bytes = b.records[:0], b.bytes[:0]
	b.failed, b.err = 0, nil
	return b
}

// Put returns a batch to the pool. The client must have finished with all of its records.
func (p *BatchPool) Put(b *Batch) {
	b.finish = nil
	p.pool.Put(b)
}

// addReadings appends one record for each reading: its key is the device, its value the JSON, and its timestamp the present time.
func (b *Batch) addReadings(topic string, readings []iot.Reading, headers []kgo.RecordHeader) {
	now := time.Now()
	for i := range readings {
		r := &readings[i]
		b.Add(kgo.Record{Topic: topic, Timestamp: now, Headers: headers}, r.Identity(), func(dst []byte) []byte {
			return wire.AppendReading(dst, r)
		})
	}
}

// Add appends a record about a device. AppendValue appends the value to the batch's buffer, as append does.
func (b *Batch) Add(r kgo.Record, device iot.Identity, appendValue func([]byte) []byte) {
	// When append has to allocate a larger buffer, the earlier records keep pointing into the old one, which stays valid.
	start := len(b.bytes)
	b.bytes = wire.AppendDeviceKey(b.bytes, device)
	r.Key = b.bytes[start:len(b.bytes):len(b.bytes)]
	start = len(b.bytes)
	b.bytes = appendValue(b.bytes)
	r.Value = b.bytes[start:len(b.bytes):len(b.bytes)]
	b.records = append(b.records, r)
}

// Len returns how many records the batch has.
func (b *Batch) Len() int { return len(b.records) }

// Produce hands the records to the client; there must be at least one. Finish is called once, after the client has finished with
// all of them, with the first record of the batch. Err is nil if all were written, else the reason of the first failure.
func (b *Batch) Produce(ctx context.Context, client *kgo.Client, finish func(first *kgo.Record, err error)) {
	b.produce(ctx, client, func() { finish(&b.records[0], b.err) })
}

// produce is Produce with a finish that reads the result from the batch itself.
func (b *Batch) produce(ctx context.Context, client *kgo.Client, finish func()) {
	b.finish = finish
	b.pending.Store(int64(len(b.records)))
	// Finish may return the batch to its pool before the last call of client.Produce has returned.
	records, promise := b.records, b.acknowledged
	for i := range records {
		client.Produce(ctx, &records[i], promise)
	}
}

// endSpan ends the span of a batch that the client has finished with.
func (b *Batch) endSpan(span trace.Span) {
	if span.IsRecording() {
		span.SetAttributes(MessageCount(len(b.records)))
	}
	endSpan(span, b.err)
}

// acknowledged is what the client calls for every record of the batch: err is nil if the log has acknowledged the record.
func (b *Batch) acknowledged(_ *kgo.Record, err error) {
	if err != nil {
		b.mu.Lock()
		b.failed++
		if b.err == nil {
			b.err = err
		}
		b.mu.Unlock()
	}
	if b.pending.Add(-1) == 0 {
		b.finish()
	}
}
