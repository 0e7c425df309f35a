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

// batch holds readings as records, with all of their bytes in one buffer, from the moment they are encoded until the
// client has finished with the last of them.
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

func (p *batchPool) get(ctx context.Context, topic string, readings []iot.Reading) *batch {
	b, _ := p.pool.Get().(*batch)
	if b == nil {
		b = &batch{}
	}
	b.encode(topic, readings, traceHeaders(ctx))
	return b
}

func (p *batchPool) put(b *batch) {
	b.finish = nil
	p.pool.Put(b)
}

func (b *batch) encode(topic string, readings []iot.Reading, headers []kgo.RecordHeader) {
	now := time.Now()
	b.records, b.bytes = b.records[:0], b.bytes[:0]
	b.unsent, b.err = 0, nil
	for i := range readings {
		r := &readings[i]
		// A buffer that has to grow leaves the records so far in the old one, where they are just as good.
		start := len(b.bytes)
		b.bytes = append(b.bytes, r.ID...)
		key := b.bytes[start:len(b.bytes):len(b.bytes)]
		start = len(b.bytes)
		b.bytes = wire.AppendReading(b.bytes, r)
		b.records = append(b.records, kgo.Record{
			Topic:     topic,
			Key:       key,
			Value:     b.bytes[start:len(b.bytes):len(b.bytes)],
			Timestamp: now,
			Headers:   headers,
		})
	}
	b.left.Store(int64(len(b.records)))
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
