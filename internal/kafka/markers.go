package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// MarkerOptions configure a MarkerWatch. Every field is required.
type MarkerOptions struct {
	Dial   Dial
	Topics Topics
	// Group is the processor's group: its transactions are named after it.
	Group  string
	Logger *slog.Logger
}

const (
	// markerInterval is how often the topics are looked at, markerPatience how long a transaction must have stayed the same in a
	// partition before its end is written. A processor that goes on writes to its partitions in the meantime, in a transaction
	// that is not decided.
	markerInterval = 5 * time.Second
	markerPatience = 12 * time.Second
	// markerRepeat is how often it is told again that an end cannot be written.
	markerRepeat = 5 * time.Minute
)

// offsetsTopic is where Kafka keeps what groups have committed.
const offsetsTopic = "__consumer_offsets"

// MarkerWatch ends transactions of processors where Kafka has forgotten to. The coordinator decides how a transaction ends and
// then writes a marker of it into every partition. A broker that is killed in between and comes back may take the partitions
// that it does not know of yet for deleted, and note the transaction as complete: in those it stays open for ever. Whoever reads
// committed records stops there, the restore and the archive among them, and the group's offsets may stay undecided.
//
// Only what has been committed for certain is ended here. The coordinator tells how a producer's last transaction ended, and a
// processor's session goes on after a commit alone, so if the last was committed, every one before it was. After an abort it is
// not known from here whether the transaction that is open is the last one or one before, which was committed: that is left to
// people, and told.
type MarkerWatch struct {
	MarkerOptions
	interval, patience time.Duration
	// open are the transactions that were found at the last look.
	open map[openIn]*openTransaction
}

// openIn is a transaction in a partition.
type openIn struct {
	topic     string
	partition int32
	producer  int64
	// start is the transaction's first offset, last the sequence number of its last record.
	start int64
	last  int32
}

// openTransaction is since when it has been seen, and when it was last told that it cannot be ended.
type openTransaction struct {
	since, told time.Time
}

// NewMarkerWatch returns a watch; Run does the work.
func NewMarkerWatch(options MarkerOptions) *MarkerWatch {
	return &MarkerWatch{options, markerInterval, markerPatience, make(map[openIn]*openTransaction)}
}

// Run watches until ctx ends. While Kafka does not answer nothing is done.
func (w *MarkerWatch) Run(ctx context.Context) error {
	return lookRegularly(ctx, w.Dial, w.interval, func(ctx context.Context, admin *kadm.Client) { w.look(ctx, admin, time.Now()) })
}

// look ends what has been open for too long and is decided.
func (w *MarkerWatch) look(ctx context.Context, admin *kadm.Client, now time.Time) {
	found := w.find(ctx, admin)
	before := w.open
	w.open = make(map[openIn]*openTransaction, len(found))
	for in, producer := range found {
		o := before[in]
		if o == nil {
			o = &openTransaction{since: now}
		}
		w.open[in] = o
		if now.Sub(o.since) < w.patience {
			continue
		}
		told, err := w.end(ctx, admin, producer)
		if !told || now.Sub(o.told) < markerRepeat && !o.told.IsZero() {
			continue
		}
		o.told = now
		about := []any{"topic", in.topic, "partition", in.partition, "offset", in.start, "producer", in.producer}
		if err != nil {
			w.Logger.Error("a transaction of a processor stays open, nothing behind it is read, and it cannot be ended from here",
				append(about, "error", err)...)
		} else {
			w.Logger.Warn("Kafka had committed a transaction of a processor and not ended it everywhere; now it has ended", about...)
		}
	}
}

// find returns the transactions that are open where processors write.
func (w *MarkerWatch) find(ctx context.Context, admin *kadm.Client) map[openIn]kadm.DescribedProducer {
	topics, err := admin.ListTopicsWithInternal(ctx, w.Topics.Readings, w.Topics.Aggregates, w.Topics.Alerts, w.Topics.States, w.Topics.DeadLetters, offsetsTopic)
	if err != nil {
		return nil
	}
	partitions := make(kadm.TopicsSet)
	for name, topic := range topics {
		if topic.Err == nil {
			partitions.Add(name, topic.Partitions.Numbers()...)
		}
	}
	// Where a broker or a partition does not answer, or may not, the others are looked at.
	described, _ := admin.DescribeProducers(ctx, partitions)
	found := make(map[openIn]kadm.DescribedProducer)
	described.EachProducer(func(p kadm.DescribedProducer) {
		if p.CurrentTxnStartOffset >= 0 {
			found[openIn{p.Topic, p.Partition, p.ProducerID, p.CurrentTxnStartOffset, p.LastSequence}] = p
		}
	})
	return found
}

// end writes the end of a transaction into a partition if it is a processor's and was committed. It reports whether there is
// anything to tell.
func (w *MarkerWatch) end(ctx context.Context, admin *kadm.Client, p kadm.DescribedProducer) (tell bool, err error) {
	listed, err := admin.ListTransactions(ctx, []int64{p.ProducerID}, nil)
	if err != nil {
		return false, err // It is asked again.
	}
	for id, transaction := range listed {
		if transaction.ProducerID != p.ProducerID {
			continue
		}
		if !isOwnTransaction(id, w.Group) {
			return false, nil // Another program's; a StallWatch tells.
		}
		switch transaction.State {
		case "CompleteCommit":
			if !w.unchanged(ctx, admin, p) {
				return false, nil
			}
			return true, writeCommit(ctx, admin, p)
		case "Ongoing", "PrepareCommit", "PrepareAbort", "PrepareEpochFence":
			return false, nil // It will be decided.
		default:
			return true, fmt.Errorf("its coordinator says %s of the producer's last transaction: whether this one was committed is not known", transaction.State)
		}
	}
	if p.Topic == offsetsTopic || p.Topic == w.Topics.Readings {
		return false, nil // It may be anybody's.
	}
	return true, errors.New("no coordinator knows of its producer, or tells this user")
}

// unchanged reports whether a transaction is still open in a partition as it was found. A producer that has gone on would have the
// end taken for that of its next transaction.
func (w *MarkerWatch) unchanged(ctx context.Context, admin *kadm.Client, p kadm.DescribedProducer) bool {
	described, err := admin.DescribeProducers(ctx, partitionOf(p))
	if err != nil {
		return false
	}
	same := false
	described.EachProducer(func(now kadm.DescribedProducer) { same = same || now == p })
	return same
}

// writeCommit writes the end of a transaction that was committed into a partition.
func writeCommit(ctx context.Context, admin *kadm.Client, p kadm.DescribedProducer) error {
	responses, err := admin.WriteTxnMarkers(ctx, kadm.TxnMarkers{
		ProducerID: p.ProducerID, ProducerEpoch: p.ProducerEpoch, Commit: true, CoordinatorEpoch: p.CoordinatorEpoch, Topics: partitionOf(p),
	})
	if err != nil {
		return fmt.Errorf("write its end: %w", err)
	}
	responses.EachPartition(func(r kadm.TxnMarkersPartitionResponse) { err = errors.Join(err, r.Err) })
	return err
}

// partitionOf names the partition that a producer was found in.
func partitionOf(p kadm.DescribedProducer) kadm.TopicsSet {
	partition := make(kadm.TopicsSet)
	partition.Add(p.Topic, p.Partition)
	return partition
}
