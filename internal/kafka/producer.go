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
	// BatchSize is how many readings with all their fields a batch may hold, 2,000 by default; the largest is maxBatchBytes.
	BatchSize int
	// Linger is how long a batch that is not full waits for more; 0 sends at once.
	Linger time.Duration
	// Compression is one of lz4 (the default), snappy, zstd, gzip and none.
	Compression string
	// MaxBuffered bounds the readings that the log has not acknowledged, 50,000 by default. Whoever has more waits.
	MaxBuffered int
	// AppendTimeout is how long Append waits to be acknowledged, 10 s by default. DeliveryTimeout is how long a reading that
	// was enqueued may wait; AppendTimeout by default and 1 s at least.
	AppendTimeout, DeliveryTimeout time.Duration
	// Failed is told how many readings of one Enqueue were not delivered and why. It must not block; nil for nobody.
	Failed func(count int, err error)
	// Sent is told how many readings have been acknowledged. It must not block; nil for nobody.
	Sent func(count int)
	// Tracer makes a span of each batch that is handed over; nil for none.
	Tracer trace.Tracer
}

const (
	defaultBatchSize     = 2_000
	defaultMaxBuffered   = 50_000
	defaultAppendTimeout = 10 * time.Second
	// usualRecord is a little less than the length of a reading with everything in it: no batch of such has more than
	// BatchSize.
	usualRecord = 250
	// maxBatchBytes keeps whatever the readings' topic can hold small enough for a dead letter with its headers.
	minBatchBytes, maxBatchBytes = 1 << 10, 700 << 10
	// enqueueChunk is how much of one Enqueue is encoded at a time.
	enqueueChunk = 500
)

// Producer writes readings and ticks into the readings' topic, each device's in order and none twice. It may be used
// concurrently.
//
// Each record carries the time at which it was handed in. Where the broker does not stamp records, that is their append
// time; ticks come from the same client, so none can overtake a reading of its partition that was stamped before it.
type Producer struct {
	client *kgo.Client
	topic  string
	// aggregates is the topic of corrected summaries.
	aggregates string
	timeout    time.Duration
	failed     func(int, error)
	sent       func(int)
	tracer     trace.Tracer
	batches    BatchPool
	// room is for the enqueued readings that are on their way, and size how many there may be.
	room *semaphore.Weighted
	size int
}

var _ source.Log = (*Producer)(nil)

// NewProducer returns a producer; it connects when it is first used.
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
		kgo.ProducerBatchMaxBytes(int32(min(max(size*usualRecord, minBatchBytes), maxBatchBytes))),
		kgo.MaxBufferedRecords(buffered),
		kgo.RecordDeliveryTimeout(cmp.Or(options.DeliveryTimeout, timeout)),
	), options.Dial.numbering()...)...)
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
		client: client, topic: options.Topics.Readings, aggregates: options.Topics.Aggregates, timeout: timeout, failed: failed, sent: sent,
		tracer: OrNoTracer(options.Tracer), room: semaphore.NewWeighted(int64(buffered)), size: buffered,
	}, nil
}

// inFlight is how many requests without sequence numbers are on their way at once, as many as with them.
const inFlight = 5

// numbering returns the options that have the embedded broker's writers not number their batches. It counts a number as used
// before it writes the batch, and the client uses it again for the next batch when that failed, as on a full disk: the broker
// would take that batch for one that it has, and acknowledge what it never wrote. Without a network, only a crash repeats a
// batch, and the readings in it are recognized.
func (d Dial) numbering() []kgo.Opt {
	if d.Dialer == nil {
		return nil
	}
	return []kgo.Opt{kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(inFlight)}
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
		p.sent(len(b.records) - b.unsent)
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
	case <-ctx.Done(): // The client still has the batch; it is left to the garbage collector.
		return fmt.Errorf("append readings: %w", context.Cause(ctx))
	}
}

// Enqueue hands the readings over and returns before they are acknowledged, but waits while MaxBuffered are. What ctx
// still ends is the waiting, not the delivery: readings that are not delivered in the end are reported to Failed. They are
// the caller's again when Enqueue returns.
func (p *Producer) Enqueue(ctx context.Context, readings []iot.Reading) error {
	for len(readings) > 0 {
		chunk := readings[:min(len(readings), enqueueChunk, p.size)]
		readings = readings[len(chunk):]
		weight := int64(len(chunk))
		if p.room.Acquire(ctx, weight) != nil {
			return fmt.Errorf("enqueue readings: %w", context.Cause(ctx))
		}
		ctx, span := startSend(ctx, p.tracer, p.topic)
		b := p.batches.Get()
		b.addReadings(p.topic, chunk, TraceHeaders(ctx))
		b.produce(context.WithoutCancel(ctx), p.client, func() {
			b.endSpan(span)
			p.sent(len(b.records) - b.unsent)
			if b.unsent > 0 {
				p.failed(b.unsent, b.err)
			}
			p.batches.Put(b)
			p.room.Release(weight)
		})
	}
	return nil
}

// Flush waits until everything that was handed over has been acknowledged or has failed.
func (p *Producer) Flush(ctx context.Context) error { return p.client.Flush(ctx) }

// Tick appends a tick to a partition and returns once it is in the log.
func (p *Producer) Tick(ctx context.Context, partition int32) error {
	if err := p.client.ProduceSync(ctx, tick(p.topic, partition)).FirstErr(); err != nil {
		return fmt.Errorf("append tick to %s/%d: %w", p.topic, partition, err)
	}
	return nil
}

// Forget appends the record that has a device forgotten: by the processor when it comes to it, and then by everybody. It
// returns once the record is in the log, after AppendTimeout at the latest.
func (p *Producer) Forget(ctx context.Context, device iot.DeviceID) error {
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout, fmt.Errorf("not acknowledged within %v", p.timeout))
	defer cancel()
	record := &kgo.Record{Topic: p.topic, Key: []byte(device), Timestamp: time.Now()}
	if err := p.client.ProduceSync(ctx, record).FirstErr(); err != nil {
		return fmt.Errorf("append that %s is to be forgotten: %w", device, err)
	}
	return nil
}

// Correct appends summaries that the archive has corrected to the topic of the aggregates. It returns once they are in the log,
// after AppendTimeout at the latest; after an error some of them may be.
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

func tick(topic string, partition int32) *kgo.Record {
	return &kgo.Record{
		Topic:     topic,
		Partition: partition,
		Headers:   []kgo.RecordHeader{{Key: wire.TickHeader}},
		Timestamp: time.Now(),
	}
}

// Close drops what has not been acknowledged; call Flush before.
func (p *Producer) Close() { p.client.Close() }

// devicePartitioner keeps a device in one partition, the one that every other Kafka client would choose for its key. A
// record without a key, a tick, goes where it says.
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
