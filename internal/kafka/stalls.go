package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// StallOptions configure a StallWatch. Every field is required.
type StallOptions struct {
	Dial   Dial
	Topics Topics
	// Told is told for how long a transaction has kept readings from being read, and whose it is; 0 when it has ended. It must
	// not block.
	Told   func(partition int32, since time.Duration, reason string)
	Logger *slog.Logger
}

const (
	// stallInterval is how often the log is looked at, stallAfter how long the last stable offset may stay behind the end.
	stallInterval = 2 * time.Second
	stallAfter    = 2 * time.Second
	// stallRepeat is how often it is asked again whose transaction is open.
	stallRepeat = 30 * time.Second
)

// StallWatch looks for transactions of other programs that stay open in the readings' topic. Readings are read committed, so
// whatever lies behind the first record of an open transaction is not processed before that ends: nothing else in the
// system would tell why.
type StallWatch struct {
	StallOptions
	stalls map[int32]*stall
}

// stall is a last stable offset that does not reach the end.
type stall struct {
	offset int64
	since  time.Time
	// told is when it was last told whose transaction it is, and reason what.
	told   time.Time
	reason string
}

// NewStallWatch returns a watch; Run does the work.
func NewStallWatch(options StallOptions) *StallWatch {
	return &StallWatch{StallOptions: options, stalls: make(map[int32]*stall)}
}

// Run watches until ctx ends. While Kafka does not answer nothing is told: the processor waits for Kafka then.
func (w *StallWatch) Run(ctx context.Context) error {
	return lookRegularly(ctx, w.Dial, stallInterval, func(ctx context.Context, admin *kadm.Client) { _ = w.look(ctx, admin) })
}

// look compares the last stable offsets with the ends.
func (w *StallWatch) look(ctx context.Context, admin *kadm.Client) error {
	stable, err := admin.ListCommittedOffsets(ctx, w.Topics.Readings)
	if err = errors.Join(err, stable.Error()); err != nil {
		return err
	}
	ends, err := admin.ListEndOffsets(ctx, w.Topics.Readings)
	if err = errors.Join(err, ends.Error()); err != nil {
		return err
	}
	now := time.Now()
	ends.Each(func(end kadm.ListedOffset) {
		at, _ := stable.Lookup(end.Topic, end.Partition)
		if open := w.compare(end.Partition, at.Offset, end.Offset, now); open != nil {
			w.tell(ctx, admin, end.Partition, open, now)
		}
	})
	return nil
}

// compare returns the stall of a partition if there is one that has lasted for long enough.
func (w *StallWatch) compare(partition int32, stable, end int64, now time.Time) *stall {
	s := w.stalls[partition]
	if s != nil && (stable >= end || stable != s.offset) {
		if !s.told.IsZero() {
			w.Told(partition, 0, "")
			w.Logger.Info("the open transaction has ended; readings behind it are read", "partition", partition, "after", now.Sub(s.since))
		}
		delete(w.stalls, partition)
		s = nil
	}
	if stable >= end {
		return nil
	}
	if s == nil {
		s = &stall{offset: stable, since: now}
		w.stalls[partition] = s
	}
	if now.Sub(s.since) < stallAfter {
		return nil
	}
	return s
}

// tell reports a stall, and logs it once.
func (w *StallWatch) tell(ctx context.Context, admin *kadm.Client, partition int32, s *stall, now time.Time) {
	first := s.told.IsZero()
	if now.Sub(s.told) >= stallRepeat {
		s.reason, s.told = openedBy(ctx, admin, w.Topics.Readings, partition, s.offset), now
	}
	if first {
		w.Logger.Error("a transaction stays open in the readings' topic: nothing behind it is processed before it ends",
			"partition", partition, "offset", s.offset, "producer", s.reason)
	}
	w.Told(partition, now.Sub(s.since), "nothing behind offset "+fmt.Sprint(s.offset)+" is processed before a transaction ends: "+s.reason)
}

// openedBy names the producer of the transaction that begins at an offset.
func openedBy(ctx context.Context, admin *kadm.Client, topic string, partition int32, offset int64) string {
	partitions := make(kadm.TopicsSet)
	partitions.Add(topic, partition)
	described, err := admin.DescribeProducers(ctx, partitions)
	if err != nil {
		return fmt.Sprintf("producer not known: %v", err)
	}
	var names []string
	described.EachProducer(func(p kadm.DescribedProducer) {
		if p.CurrentTxnStartOffset < 0 || p.CurrentTxnStartOffset > offset {
			return
		}
		names = append(names, fmt.Sprintf("%sproducer id %d, epoch %d, which wrote last at %s", transactionalID(ctx, admin, p.ProducerID),
			p.ProducerID, p.ProducerEpoch, time.UnixMilli(p.LastTimestamp).UTC().Format(time.RFC3339)))
	})
	if len(names) == 0 {
		return "producer not known"
	}
	return strings.Join(names, "; ")
}

// transactionalID returns the name of a producer's transactions if the broker tells.
func transactionalID(ctx context.Context, admin *kadm.Client, producer int64) string {
	listed, err := admin.ListTransactions(ctx, []int64{producer}, nil)
	if err != nil {
		return ""
	}
	for id, transaction := range listed {
		if transaction.ProducerID == producer {
			return fmt.Sprintf("transactional id %q, ", id)
		}
	}
	return ""
}
