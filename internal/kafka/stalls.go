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
	// Stalled is called at every check while a transaction keeps readings of a partition from being read: with how long it has
	// done so, and which producer it belongs to. When the transaction has ended, it is called once with 0 and "". It must not
	// block.
	Stalled func(partition int32, lasted time.Duration, reason string)
	Logger  *slog.Logger
}

const (
	// stallInterval is how often the offsets are compared, stallAfter how long the last stable offset may stay unchanged behind the
	// end before that is reported.
	stallInterval = 2 * time.Second
	stallAfter    = 2 * time.Second
	// stallRepeat is how often the broker is asked again which producer the transaction belongs to.
	stallRepeat = 30 * time.Second
)

// StallWatch reports transactions of other programs that stay open in the readings' topic. Readings are read committed, so nothing
// behind the first record of an open transaction is processed until it ends. No other part of the system would show the reason.
type StallWatch struct {
	StallOptions
	stalls map[int32]*stall
}

// stall is a last stable offset that stays before the end of the partition.
type stall struct {
	offset int64
	since  time.Time
	// reason names the producer; it was found out at asked, which is zero before the stall is reported.
	reason string
	asked  time.Time
}

// NewStallWatch returns a watch; Run does the work.
func NewStallWatch(options StallOptions) *StallWatch {
	return &StallWatch{StallOptions: options, stalls: make(map[int32]*stall)}
}

// Run watches until ctx ends. While Kafka does not answer, nothing is reported: the processor waits for Kafka anyway.
func (w *StallWatch) Run(ctx context.Context) error {
	return checkRegularly(ctx, w.Dial, stallInterval, func(ctx context.Context, admin *kadm.Client) { _ = w.check(ctx, admin) })
}

// check compares the last stable offset of each partition with its end.
func (w *StallWatch) check(ctx context.Context, admin *kadm.Client) error {
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
		if s := w.compare(end.Partition, at.Offset, end.Offset, now); s != nil {
			w.report(ctx, admin, end.Partition, s, now)
		}
	})
	return nil
}

// compare returns the stall of a partition if there is one that has lasted for stallAfter, and reports the end of one that is over.
func (w *StallWatch) compare(partition int32, stable, end int64, now time.Time) *stall {
	s := w.stalls[partition]
	if s != nil && (stable >= end || stable != s.offset) {
		if !s.asked.IsZero() {
			w.Stalled(partition, 0, "")
			w.Logger.Info("the open transaction has ended: readings behind it are processed again", "partition", partition, "after", now.Sub(s.since))
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

// report reports a stall, and logs it the first time.
func (w *StallWatch) report(ctx context.Context, admin *kadm.Client, partition int32, s *stall, now time.Time) {
	first := s.asked.IsZero()
	if now.Sub(s.asked) >= stallRepeat {
		s.reason, s.asked = openedBy(ctx, admin, w.Topics.Readings, partition, s.offset), now
	}
	if first {
		w.Logger.Error("a transaction stays open in the readings' topic: nothing behind it is processed until it ends",
			"partition", partition, "offset", s.offset, "producer", s.reason)
	}
	w.Stalled(partition, now.Sub(s.since), fmt.Sprintf("nothing from offset %d on is processed until a transaction ends: %s", s.offset, s.reason))
}

// openedBy describes the producers of the transactions that were open at an offset.
func openedBy(ctx context.Context, admin *kadm.Client, topic string, partition int32, offset int64) string {
	partitions := make(kadm.TopicsSet)
	partitions.Add(topic, partition)
	described, err := admin.DescribeProducers(ctx, partitions)
	if err != nil {
		return fmt.Sprintf("unknown producer: %v", err)
	}
	var names []string
	described.EachProducer(func(p kadm.DescribedProducer) {
		if p.CurrentTxnStartOffset < 0 || p.CurrentTxnStartOffset > offset {
			return
		}
		names = append(names, fmt.Sprintf("%sproducer id %d, epoch %d, last write at %s", transactionalID(ctx, admin, p.ProducerID),
			p.ProducerID, p.ProducerEpoch, time.UnixMilli(p.LastTimestamp).UTC().Format(time.RFC3339)))
	})
	if len(names) == 0 {
		return "unknown producer"
	}
	return strings.Join(names, "; ")
}

// transactionalID returns a description of a producer's transactional id, "" if the broker does not say.
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
