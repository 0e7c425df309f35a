package kafka

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/semaphore"

	"iotmon/internal/iot"
	"iotmon/internal/source"
	"iotmon/internal/wire"
)

// ProducerOptions configure a Producer. Zero values mean the defaults.
type ProducerOptions struct {
	Dial   Dial
	Topics Topics
	// BatchSize bounds the readings of a Kafka batch, 2,000 by default. It is converted to bytes for readings that have every
	// field, so a batch of shorter ones may hold more. Whatever it is, a batch has at most maxBatchBytes.
	BatchSize int
	// Linger is how long a batch that is not full waits for more readings; 0 sends it at once.
	Linger time.Duration
	// Compression is one of lz4 (the default), snappy, zstd, gzip and none.
	Compression string
	// MaxBuffered bounds the readings that the log has not acknowledged yet, 50,000 by default. Callers with more readings wait.
	MaxBuffered int
	// AppendTimeout is how long Append waits for the acknowledgement, 10 s by default. DeliveryTimeout is how long an enqueued
	// reading may wait for it: AppendTimeout by default, 1 s at least.
	AppendTimeout, DeliveryTimeout time.Duration
	// Failed is called with the number of readings of an Enqueue that were not delivered, and why. It must not block; nil ignores
	// them.
	Failed func(count int, err error)
	// Sent is called with the number of readings that have been acknowledged. It must not block; nil ignores them.
	Sent func(count int)
	// Tracer makes a span of each batch that is sent; nil for none.
	Tracer trace.Tracer
}

const (
	defaultBatchSize     = 2_000
	defaultMaxBuffered   = 50_000
	defaultAppendTimeout = 10 * time.Second
	// fullReadingBytes is a little less than the length of a reading that has every field: with it, a batch of such readings
	// never has more than BatchSize of them.
	fullReadingBytes = 250
	// maxBatchBytes bounds a batch so that each of its records still fits into a dead letter, which has more headers.
	minBatchBytes, maxBatchBytes = 1 << 10, 700 << 10
	// readingsPerBatch bounds the readings that Enqueue encodes into one Batch.
	readingsPerBatch = 500
)

// Producer appends readings and ticks to the readings' topic: the readings of each device in order, and none twice. It may be used
// concurrently.
//
// Each record has the time at which it was given to the producer. With the embedded broker, which does not stamp records, that is
// the append time. Ticks are sent by the same client as readings, so a tick cannot overtake an earlier reading of its partition.
type Producer struct {
	client *kgo.Client
	topic  string
	// aggregates is the topic that Correct appends to, deadLetters that of Reject.
	aggregates, deadLetters string
	timeout                 time.Duration
	failed                  func(int, error)
	sent                    func(int)
	tracer                  trace.Tracer
	batches                 BatchPool
	// enqueued counts the enqueued readings that are not acknowledged yet, up to maxEnqueued.
	enqueued    *semaphore.Weighted
	maxEnqueued int
}

var _ source.Log = (*Producer)(nil)

// NewProducer returns a producer, which connects when it is first used. It returns an error only if the options are invalid.
func NewProducer(options ProducerOptions) (*Producer, error) {
	compressed, err := compression(options.Compression)
	if err != nil {
		return nil, err
	}
	size := cmp.Or(options.BatchSize, defaultBatchSize)
	buffered := cmp.Or(options.MaxBuffered, defaultMaxBuffered)
	timeout := cmp.Or(options.AppendTimeout, defaultAppendTimeout)
	client, err := kgo.NewClient(append(options.Dial.Options(
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(devicePartitioner{kgo.StickyKeyPartitioner(nil)}),
		kgo.ProducerLinger(options.Linger),
		compressed,
		kgo.ProducerBatchMaxBytes(int32(min(max(size*fullReadingBytes, minBatchBytes), maxBatchBytes))),
		kgo.MaxBufferedRecords(buffered),
		kgo.RecordDeliveryTimeout(cmp.Or(options.DeliveryTimeout, timeout)),
	), options.Dial.Idempotence()...)...)
	if err != nil {
		return nil, fmt.Errorf("make producer: %w", err)
	}
	failed := options.Failed
	if failed == nil {
		failed = func(int, error) {}
	}
	sent := options.Sent
	if sent == nil {
		sent = func(int) {}
	}
	return &Producer{
		client: client, topic: options.Topics.Readings, aggregates: options.Topics.Aggregates, deadLetters: options.Topics.DeadLetters, timeout: timeout, failed: failed, sent: sent,
		tracer: OrNoTracer(options.Tracer), enqueued: semaphore.NewWeighted(int64(buffered)), maxEnqueued: buffered,
	}, nil
}

// maxInFlight is how many produce requests without sequence numbers may be in flight: as many as the client allows with them.
const maxInFlight = 5

// Idempotence returns the options that turn the sequence numbers of batches (idempotent writes) off for the embedded broker.
//
// With them, a full disk would lose readings: the broker records a number as used before it writes the batch, and fails to write
// it; the client uses the number again for the next batch; the broker treats that batch as a duplicate and acknowledges it without
// writing it. Without sequence numbers a batch can be appended twice only after a crash, since there is no network between client
// and broker. Its readings are then recognized as duplicates.
func (d Dial) Idempotence() []kgo.Opt {
	if d.Dialer == nil {
		return nil
	}
	return []kgo.Opt{kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(maxInFlight)}
}

// Append implements source.Log. It returns after AppendTimeout at the latest.
func (p *Producer) Append(ctx context.Context, readings []iot.Reading) error {
	if len(readings) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout, fmt.Errorf("not acknowledged within %v", p.timeout))
	defer cancel()
	ctx, span := startSend(ctx, p.tracer, p.topic)
	b := p.batches.Get()
	b.addReadings(p.topic, readings, TraceHeaders(ctx))
	done := make(chan struct{})
	b.produce(ctx, p.client, func() {
		p.sent(len(b.records) - b.failed)
		b.endSpan(span)
		close(done)
	})
	select {
	case <-done:
		err := b.err
		p.batches.Put(b)
		if err != nil {
			return fmt.Errorf("append readings: %w", err)
		}
		return nil
	case <-ctx.Done(): // The client still uses the batch, so it cannot return to the pool.
		return fmt.Errorf("append readings: %w", context.Cause(ctx))
	}
}

// Enqueue returns as soon as the readings are encoded and buffered, before the log has acknowledged them. It waits while MaxBuffered
// readings are unacknowledged. Ctx ends only that wait: buffered readings are still delivered, and those that cannot be are
// reported to Failed. The caller may reuse the slice when Enqueue returns.
func (p *Producer) Enqueue(ctx context.Context, readings []iot.Reading) error {
	for len(readings) > 0 {
		part := readings[:min(len(readings), readingsPerBatch, p.maxEnqueued)]
		readings = readings[len(part):]
		weight := int64(len(part))
		if p.enqueued.Acquire(ctx, weight) != nil {
			return fmt.Errorf("enqueue readings: %w", context.Cause(ctx))
		}
		ctx, span := startSend(ctx, p.tracer, p.topic)
		b := p.batches.Get()
		b.addReadings(p.topic, part, TraceHeaders(ctx))
		b.produce(context.WithoutCancel(ctx), p.client, func() {
			b.endSpan(span)
			p.sent(len(b.records) - b.failed)
			if b.failed > 0 {
				p.failed(b.failed, b.err)
			}
			p.batches.Put(b)
			p.enqueued.Release(weight)
		})
	}
	return nil
}

// Flush waits until every reading of earlier calls has been acknowledged or has failed.
func (p *Producer) Flush(ctx context.Context) error { return p.client.Flush(ctx) }

// Tick appends a tick to a partition and returns once it is in the log.
func (p *Producer) Tick(ctx context.Context, partition int32) error {
	if err := p.client.ProduceSync(ctx, tick(p.topic, partition)).FirstErr(); err != nil {
		return fmt.Errorf("append tick to %s/%d: %w", p.topic, partition, err)
	}
	return nil
}

// Forget appends the record that asks to forget a device. The processor deletes the device's state when it reads the record; the
// live view and the cache follow when they read the tombstone. Forget returns once the record is in the log, after AppendTimeout at
// the latest.
func (p *Producer) Forget(ctx context.Context, device iot.DeviceID) error {
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout, fmt.Errorf("not acknowledged within %v", p.timeout))
	defer cancel()
	record := &kgo.Record{Topic: p.topic, Key: []byte(device), Timestamp: time.Now()}
	if err := p.client.ProduceSync(ctx, record).FirstErr(); err != nil {
		return fmt.Errorf("append request to forget %s: %w", device, err)
	}
	return nil
}

// Correct appends summaries that the archive has corrected to the aggregates topic. It returns once they are in the log, after
// AppendTimeout at the latest; after an error some of them may be in the log.
func (p *Producer) Correct(ctx context.Context, corrected []iot.WindowSummary) error {
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout, fmt.Errorf("not acknowledged within %v", p.timeout))
	defer cancel()
	records := make([]*kgo.Record, len(corrected))
	for i := range corrected {
		records[i] = &kgo.Record{
			Topic: p.aggregates, Key: []byte(corrected[i].Type), Value: wire.AppendWindowSummary(nil, &corrected[i]), Timestamp: time.Now(),
		}
	}
	if err := p.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("append corrected windows: %w", err)
	}
	return nil
}

// tick returns the record that lets time pass in a partition; see wire.TickHeader.
func tick(topic string, partition int32) *kgo.Record {
	return &kgo.Record{
		Topic:     topic,
		Partition: partition,
		Headers:   KindHeaders(iot.KindTick, 1),
		Timestamp: time.Now(),
	}
}

// Close drops the readings that are not acknowledged yet; call Flush before it.
func (p *Producer) Close() { p.client.Close() }

// devicePartitioner chooses a device's partition by the hash of its id, as the Java client and most others do. A record without a
// key, which is a tick, names its partition.
type devicePartitioner struct{ keyed kgo.Partitioner }

func (p devicePartitioner) ForTopic(topic string) kgo.TopicPartitioner {
	return deviceTopicPartitioner{p.keyed.ForTopic(topic)}
}

type deviceTopicPartitioner struct{ keyed kgo.TopicPartitioner }

func (deviceTopicPartitioner) RequiresConsistency(*kgo.Record) bool { return true }

func (p deviceTopicPartitioner) Partition(r *kgo.Record, n int) int {
	if r.Key == nil {
		return int(r.Partition)
	}
	return p.keyed.Partition(r, n)
}
