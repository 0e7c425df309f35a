package relay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/forward"
	"iotmon/internal/iot"
	"iotmon/internal/kafka"
)

// Centre implements forward.Centre: the readings' topic of a central cluster. The processors there decide what they reject, and make
// dead letters of it there.
type Centre struct {
	// dial returns how to reach the cluster. It reads certificates anew.
	dial  func() (kafka.Dial, error)
	topic string
	// client is nil before the first call, and after one that has failed.
	client *kgo.Client
	// closing are the clients of failed calls, which close by themselves.
	closing sync.WaitGroup
}

var _ forward.Centre = (*Centre)(nil)

// NewCentre returns the topic of the cluster that dial describes. It does not connect before it is used.
func NewCentre(dial func() (kafka.Dial, error), topic string) *Centre {
	return &Centre{dial: dial, topic: topic}
}

// centreBatchBytes bounds a batch: the readings' topic takes 768 KiB, and a line that is slow should not have to send all of it anew.
const centreBatchBytes = 256 << 10

// Reports implements forward.Centre.
func (*Centre) Reports() bool { return true }

// Send implements forward.Centre. A record that the broker refuses for what it is, such as one that is too large, is rejected.
func (c *Centre) Send(ctx context.Context, entries []forward.Entry) ([]forward.Rejection, error) {
	if c.client == nil {
		if err := c.connect(); err != nil {
			return nil, err
		}
	}
	type result struct {
		index int
		err   error
	}
	// The client may still use the records after ctx has ended, so they are copies, and nobody waits for it then.
	results := make(chan result, len(entries))
	records := make([]kgo.Record, len(entries))
	now := time.Now()
	for i := range entries {
		records[i] = kgo.Record{Topic: c.topic, Key: entries[i].Key, Value: entries[i].Value, Timestamp: now}
		if entries[i].Kind != iot.KindReading {
			records[i].Headers = kafka.KindHeaders(entries[i].Kind, 1)
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
			return nil, fmt.Errorf("central Kafka: not acknowledged in time: %w", context.Cause(ctx))
		}
	}
	switch {
	case failed != nil:
		c.disconnect()
		return nil, fmt.Errorf("central Kafka: %w", failed)
	case len(rejected) > 0:
		// A batch is refused as a whole: which of its records is the reason shows when each is sent by itself.
		err := &forward.RefusedError{Err: errors.New(rejected[0].Reason), Content: true, Final: true}
		c.disconnect()
		return nil, err
	}
	return nil, nil
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
	dial, err := c.dial()
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
		c.client = nil
		c.closing.Go(client.Close)
	}
}

// Close implements forward.Centre.
func (c *Centre) Close() {
	c.disconnect()
	c.closing.Wait()
}
