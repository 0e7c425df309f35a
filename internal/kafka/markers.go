package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// MarkerOptions configure a MarkerWatch. Every field is required.
type MarkerOptions struct {
	Dial   Dial
	Topics Topics
	// Group is the processor's group. The transactional ids of processors begin with it.
	Group string
	// Stalled is called after each check with the transactions that stay open because it is not known how they ended, "" if there
	// are none. It must not block.
	Stalled func(reason string)
	Logger  *slog.Logger
}

const (
	// markerInterval is how often the topics are checked for open transactions.
	markerInterval = 5 * time.Second
	// markerPatience is how long a transaction must have been unchanged in a partition before its marker is written. A processor
	// that is still working writes more often than that, and its coordinator has not decided the transaction yet.
	markerPatience = 12 * time.Second
	// markerRepeat is how often the log line about a transaction that cannot be ended is repeated.
	markerRepeat = 5 * time.Minute
)

// offsetsTopic is Kafka's own topic of the offsets that groups have committed.
const offsetsTopic = "__consumer_offsets"

// MarkerWatch writes the markers of processors' transactions that Kafka has failed to write.
//
// The transaction coordinator first decides how a transaction ends, then writes a marker into every partition of the transaction.
// A coordinator that is killed in between and starts again does not know all partitions yet. It may treat the unknown ones as
// deleted and record the transaction as complete. In those partitions the transaction then stays open for ever: readers of
// committed records stop there, the restore and the archive among them, and the group's offsets may stay unstable.
//
// The coordinator knows only how the last transaction of a producer ended. A processor session begins another transaction only
// after a commit, so if its last one was committed, all of them were. If the last one was aborted, the open transaction may be
// that one or an earlier, committed one. Then the positions in its records decide; see decideAfterAbort.
type MarkerWatch struct {
	MarkerOptions
	interval, patience time.Duration
	// open are the transactions that the last check found.
	open map[openIn]*openTransaction
}

// openIn identifies an open transaction in a partition. Another record of the transaction changes it.
type openIn struct {
	topic     string
	partition int32
	producer  int64
	// start is the offset of the transaction's first record, last the sequence number of its newest one.
	start int64
	last  int32
}

// openTransaction says when a transaction was first seen as it is now, and when it was last logged.
type openTransaction struct {
	since, logged time.Time
}

// NewMarkerWatch returns a watch; Run does the work.
func NewMarkerWatch(options MarkerOptions) *MarkerWatch {
	return &MarkerWatch{options, markerInterval, markerPatience, make(map[openIn]*openTransaction)}
}

// Run watches until ctx ends. While Kafka does not answer, it does nothing.
func (w *MarkerWatch) Run(ctx context.Context) error {
	return checkRegularly(ctx, w.Dial, w.interval, func(ctx context.Context, admin *kadm.Client) { w.check(ctx, admin, time.Now()) })
}

// check ends the transactions that have been unchanged for longer than patience and whose end is known.
func (w *MarkerWatch) check(ctx context.Context, admin *kadm.Client, now time.Time) {
	found := w.find(ctx, admin)
	before := w.open
	w.open = make(map[openIn]*openTransaction, len(found))
	var unknown []string
	for in, producer := range found {
		o := before[in]
		if o == nil {
			o = &openTransaction{since: now}
		}
		w.open[in] = o
		if now.Sub(o.since) < w.patience {
			continue
		}
		how, err := w.end(ctx, admin, producer)
		if err != nil {
			unknown = append(unknown, fmt.Sprintf("%s/%d at offset %d: %v", in.topic, in.partition, in.start, err))
		}
		w.log(in, o, how, err, now)
	}
	slices.Sort(unknown)
	w.Stalled(strings.Join(unknown, "; "))
}

// log logs that a marker was written or, at most every markerRepeat, why it was not.
func (w *MarkerWatch) log(in openIn, o *openTransaction, how outcome, err error, now time.Time) {
	about := []any{"topic", in.topic, "partition", in.partition, "offset", in.start, "producer", in.producer}
	switch {
	case err != nil && (o.logged.IsZero() || now.Sub(o.logged) >= markerRepeat):
		o.logged = now
		w.Logger.Error("a transaction of a processor stays open: records behind it are not read, and iotmon cannot end it",
			append(about, "error", err)...)
	case err == nil && how == committed:
		w.Logger.Warn("wrote the missing marker of a committed transaction of a processor: records behind it are read again", about...)
	case err == nil && how == aborted:
		w.Logger.Warn("wrote the missing marker of an aborted transaction of a processor: records behind it are read again", about...)
	}
}

// find returns the transactions that are open in the topics that processors write to, or commit offsets to.
func (w *MarkerWatch) find(ctx context.Context, admin *kadm.Client) map[openIn]kadm.DescribedProducer {
	topics, err := admin.ListTopicsWithInternal(ctx, w.Topics.Readings, w.Topics.Aggregates, w.Topics.Alerts, w.Topics.States, w.Topics.InForce, w.Topics.DeadLetters, offsetsTopic)
	if err != nil {
		return nil
	}
	partitions := make(kadm.TopicsSet)
	for name, topic := range topics {
		if topic.Err == nil {
			partitions.Add(name, topic.Partitions.Numbers()...)
		}
	}
	// A broker may not answer, or not allow this for some partitions: the answers for the other partitions are used.
	described, _ := admin.DescribeProducers(ctx, partitions)
	found := make(map[openIn]kadm.DescribedProducer)
	described.EachProducer(func(p kadm.DescribedProducer) {
		if p.CurrentTxnStartOffset >= 0 {
			found[openIn{p.Topic, p.Partition, p.ProducerID, p.CurrentTxnStartOffset, p.LastSequence}] = p
		}
	})
	return found
}

// outcome is the decision about a transaction.
type outcome int

const (
	// undecided means that a later check will know.
	undecided outcome = iota
	committed
	aborted
)

// end writes the marker of a transaction into a partition, if it is a processor's and it is known how it ended, and returns which
// marker it has written. An error says why the transaction stays open.
func (w *MarkerWatch) end(ctx context.Context, admin *kadm.Client, p kadm.DescribedProducer) (outcome, error) {
	how, err := w.decide(ctx, admin, p)
	if err != nil || how == undecided || !w.unchanged(ctx, admin, p) {
		return undecided, err
	}
	return how, writeMarker(ctx, admin, p, how == committed)
}

// decide finds out how a transaction ended.
func (w *MarkerWatch) decide(ctx context.Context, admin *kadm.Client, p kadm.DescribedProducer) (outcome, error) {
	listed, err := admin.ListTransactions(ctx, []int64{p.ProducerID}, nil)
	if err != nil {
		return undecided, nil // The next check asks again.
	}
	for id, transaction := range listed {
		if transaction.ProducerID != p.ProducerID {
			continue
		}
		if !isOwnTransaction(id, w.Group) {
			return undecided, nil // Another program's transaction; a StallWatch reports it.
		}
		switch transaction.State {
		case "CompleteCommit":
			return committed, nil
		case "Ongoing", "PrepareCommit", "PrepareAbort", "PrepareEpochFence":
			return undecided, nil // The coordinator is still deciding it or writing its markers.
		case "CompleteAbort":
			return w.decideAfterAbort(ctx, admin, p)
		default:
			return undecided, fmt.Errorf("the producer's last transaction is in state %s, so it is not known how this one ended", transaction.State)
		}
	}
	if p.Topic == offsetsTopic || p.Topic == w.Topics.Readings {
		return undecided, nil // Other programs write transactions here too.
	}
	return undecided, errors.New("no transaction coordinator lists its producer, or this user is not allowed to see it")
}

// unchanged reports whether a transaction is still open in a partition as it was found. If the producer has meanwhile begun its
// next transaction there, the marker would commit that one.
func (w *MarkerWatch) unchanged(ctx context.Context, admin *kadm.Client, p kadm.DescribedProducer) bool {
	described, err := admin.DescribeProducers(ctx, partitionOf(p))
	if err != nil {
		return false
	}
	same := false
	described.EachProducer(func(current kadm.DescribedProducer) { same = same || current == p })
	return same
}

// writeMarker writes the marker of a transaction into a partition.
func writeMarker(ctx context.Context, admin *kadm.Client, p kadm.DescribedProducer, commit bool) error {
	responses, err := admin.WriteTxnMarkers(ctx, kadm.TxnMarkers{
		ProducerID: p.ProducerID, ProducerEpoch: p.ProducerEpoch, Commit: commit, CoordinatorEpoch: p.CoordinatorEpoch, Topics: partitionOf(p),
	})
	if err != nil {
		return fmt.Errorf("write its marker: %w", err)
	}
	responses.EachPartition(func(r kadm.TxnMarkersPartitionResponse) { err = errors.Join(err, r.Err) })
	return err
}

// partitionOf returns the partition that a producer was found in.
func partitionOf(p kadm.DescribedProducer) kadm.TopicsSet {
	partition := make(kadm.TopicsSet)
	partition.Add(p.Topic, p.Partition)
	return partition
}
