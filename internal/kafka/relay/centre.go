package relay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/forward"
	"iotmon/internal/iot"
	"iotmon/internal/kafka"
)

// Centre implements forward.Centre: the readings' topic of a central cluster. The processors there decide what they reject, and make
// dead letters of it there.
type Centre struct {
	o CentreOptions
	// ahead is how far the clock of this machine is at least ahead of the brokers', measured when it was measured.
	ahead    time.Duration
	measured time.Time
	// client is nil before the first call, and after one that has failed.
	client *kgo.Client
	// closing are the clients of failed calls, which close by themselves.
	closing sync.WaitGroup
}

var _ forward.Centre = (*Centre)(nil)

// CentreOptions configure a Centre. All but Now and Ahead are required.
type CentreOptions struct {
	// Dial returns how to reach the cluster. It reads certificates anew.
	Dial  func() (kafka.Dial, error)
	Topic string
	// Skew is how far ahead of its append time the centre's processors let a reading be.
	Skew time.Duration
	// Now is the clock of this machine; nil means time.Now.
	Now func() time.Time
	// Ahead is called with how far the clock of this machine is at least ahead of the brokers'; 0 if it is not, or if that is not known.
	Ahead func(time.Duration)
}

// NewCentre returns the topic of a cluster. It does not connect before it is used.
func NewCentre(o CentreOptions) *Centre {
	if o.Ahead == nil {
		o.Ahead = func(time.Duration) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Centre{o: o}
}

// measureInterval is how often the clocks are compared, measureTimeout how long the brokers may take to answer.
const measureInterval, measureTimeout = 10 * time.Second, 5 * time.Second

// centreBatchBytes bounds a batch: the readings' topic takes 768 KiB, and a line that is slow should not have to send all of it anew.
const centreBatchBytes = 256 << 10

// Reports implements forward.Centre.
func (*Centre) Reports() bool { return true }

// Send implements forward.Centre. A record that the broker refuses for what it is, such as one that is too large, is rejected. What is ahead of
// the brokers' clock is not sent: the processors there would make dead letters of it, and this program would not know.
func (c *Centre) Send(ctx context.Context, entries []forward.Entry) ([]forward.Rejection, error) {
	if c.client == nil {
		if err := c.connect(); err != nil {
			return nil, err
		}
	}
	if time.Since(c.measured) < measureInterval {
		return c.sendDue(ctx, entries, -1)
	}
	// One entry shows what the brokers' clock says.
	first, began := 0, c.o.Now()
	limit := began.Add(c.o.Skew - c.ahead)
	for first < len(entries) && entries[first].Time.After(limit) {
		first++
	}
	if first == len(entries) {
		first = 0
	}
	if err := c.produce(ctx, entries[first:first+1]); err != nil {
		return nil, err
	}
	c.measure(ctx, began)
	return c.sendDue(ctx, entries, first)
}

// measure compares the clocks, after a record was appended that was sent at began. Where the topic has the time of the append, the newest
// record of it is not older than that one. Where it has the time of the producer, the clocks seem equal: the centre decides by them, too.
// If the brokers do not say, what was known holds.
func (c *Centre) measure(ctx context.Context, began time.Time) {
	ctx, cancel := context.WithTimeout(ctx, measureTimeout)
	defer cancel()
	newest, err := kadm.NewClient(c.client).ListMaxTimestampOffsets(ctx, c.o.Topic)
	c.measured = time.Now()
	at := int64(-1)
	newest.Each(func(o kadm.ListedOffset) { at = max(at, o.Timestamp) })
	if err != nil || at < 0 {
		return
	}
	c.ahead = max(began.Round(0).Sub(time.UnixMilli(at)), 0)
	c.o.Ahead(c.ahead)
}

// sendDue sends what is not ahead of the brokers' clock, but for the entry that has been sent already, and rejects the rest as early.
func (c *Centre) sendDue(ctx context.Context, entries []forward.Entry, sent int) (early []forward.Rejection, err error) {
	limit := c.o.Now().Add(c.o.Skew - c.ahead)
	due := make([]forward.Entry, 0, len(entries))
	for i := range entries {
		switch {
		case i == sent:
		case c.ahead > 0 && entries[i].Time.After(limit):
			early = append(early, forward.Rejection{Index: i, Early: true, Field: "timestamp", Reason: fmt.Sprintf(
				"more than %v ahead of the clock of the central Kafka", c.o.Skew)})
		default:
			due = append(due, entries[i])
		}
	}
	return early, c.produce(ctx, due)
}

// produce sends entries, and returns once all are acknowledged.
func (c *Centre) produce(ctx context.Context, entries []forward.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	type result struct {
		index int
		err   error
	}
	// The client may still use the records after ctx has ended, so they are copies, and nobody waits for it then.
	results := make(chan result, len(entries))
	records := make([]kgo.Record, len(entries))
	now := c.o.Now()
	for i := range entries {
		records[i] = kgo.Record{Topic: c.o.Topic, Key: entries[i].Key, Value: entries[i].Value, Timestamp: now}
		if entries[i].Kind != iot.KindReading {
			records[i].Headers = kafka.KindHeaders(entries[i].Kind, max(entries[i].Level, 1))
		}
	}
	copyBytes(records)
	for i := range records {
		c.client.Produce(ctx, &records[i], func(_ *kgo.Record, err error) { results <- result{i, err} })
	}
	var rejected []forward.Rejection
	var failed error
	for range entries {
		select {
		case r := <-results:
			switch {
			case r.err == nil:
			case refusesContent(r.err):
				rejected = append(rejected, forward.Rejection{Index: r.index, Reason: "the central Kafka refuses it: " + r.err.Error()})
			default:
				failed = r.err
			}
		case <-ctx.Done():
			c.disconnect()
			return fmt.Errorf("central Kafka: not acknowledged in time: %w", context.Cause(ctx))
		}
	}
	switch {
	case failed != nil:
		c.disconnect()
		return fmt.Errorf("central Kafka: %w", failed)
	case len(rejected) > 0:
		// A batch is refused as a whole: which of its records is the reason shows when each is sent by itself.
		err := &forward.RefusedError{Err: errors.New(rejected[0].Reason), Content: true, Final: true}
		c.disconnect()
		return err
	}
	return nil
}

// copyBytes has the records own their keys and values, which are in one new buffer.
func copyBytes(records []kgo.Record) {
	size := 0
	for i := range records {
		size += len(records[i].Key) + len(records[i].Value)
	}
	buffer := make([]byte, 0, size)
	own := func(text []byte) []byte {
		start := len(buffer)
		buffer = append(buffer, text...)
		return buffer[start:len(buffer):len(buffer)]
	}
	for i := range records {
		records[i].Key, records[i].Value = own(records[i].Key), own(records[i].Value)
	}
}

// refusesContent reports whether an error is about the record itself.
func refusesContent(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.InvalidRecord) || errors.Is(err, kerr.RecordListTooLarge) ||
		errors.Is(err, kerr.InvalidTimestamp)
}

func (c *Centre) connect() error {
	dial, err := c.o.Dial()
	if err != nil {
		return err
	}
	c.client, err = kgo.NewClient(dial.Options(
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), // That of all who write readings: a device is in one partition.
		kgo.ProducerLinger(0),
		kgo.ProducerBatchMaxBytes(centreBatchBytes),
		kafka.LZ4(),
	)...)
	return err
}

// disconnect gives the client up: after a failed batch the next call begins with new connections, and certificates that are read anew.
func (c *Centre) disconnect() {
	if client := c.client; client != nil {
		c.client, c.measured = nil, time.Time{}
		c.closing.Go(client.Close)
	}
}

// Close implements forward.Centre.
func (c *Centre) Close() {
	c.disconnect()
	c.closing.Wait()
}
