package processor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"iotmon/internal/kafka"
	"iotmon/internal/retry"
)

// endTimeout bounds the end of a transaction. Whatever takes longer is left to the broker's transaction timeout.
const endTimeout = 10 * time.Second

// writer writes a processor's outputs, one transaction after the other, each with the offsets it follows from.
//
// The transactional id is new for every writer: after a kill -9 the embedded broker drops an open transaction correctly
// only if its id never comes back, and a successor does not need to fence an id, because the offset commit checks the
// group's generation (KIP-447).
type writer struct {
	client *kgo.Client
	topics kafka.Topics
	group  string
	id     string
	open   bool
	// batches are for what is written together.
	batches kafka.BatchPool

	mu     sync.Mutex
	wrote  bool
	failed error
	// faults are failures of what single partitions of the readings' log have to say.
	faults partitionErrors
}

func newWriter(dial kafka.Dial, topics kafka.Topics, group string) (*writer, error) {
	id := kafka.NewTransactionID(group)
	client, err := kgo.NewClient(dial.Options(
		kgo.TransactionalID(id),
		kgo.TransactionTimeout(kafka.TransactionTimeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0),
		kgo.RecordDeliveryTimeout(endTimeout),
		kafka.LZ4(),
		// The offsets are added to the transaction by hand, below, in the way that every broker since 2.5 understands.
		// Newer brokers expect another sequence from a client that speaks newer versions (KIP-890).
		kgo.MaxVersions(kversion.V3_6_0()),
	)...)
	if err != nil {
		return nil, err
	}
	return &writer{client: client, topics: topics, group: group, id: id}, nil
}

func (w *writer) close() { w.client.Close() }

func (w *writer) begin() error {
	if err := w.client.BeginTransaction(); err != nil {
		return err
	}
	w.open, w.wrote, w.failed, w.faults = true, false, nil, nil
	return nil
}

// write adds a record to the open transaction that a partition of the readings' log has made. It may be called concurrently and
// reports failures through commit.
func (w *writer) write(partition int32, r *kgo.Record) {
	w.begun()
	w.client.Produce(context.Background(), r, func(r *kgo.Record, err error) {
		if err != nil {
			w.fail(partition, r, err)
		}
	})
}

// writeBatch is write for all records of a batch, which is one of batches and the writer's from now on.
func (w *writer) writeBatch(partition int32, b *kafka.Batch) {
	w.begun()
	b.Produce(context.Background(), w.client, func(first *kgo.Record, err error) {
		if err != nil {
			w.fail(partition, first, err)
		}
		w.batches.Put(b)
	})
}

func (w *writer) begun() {
	w.mu.Lock()
	w.wrote = true
	w.mu.Unlock()
}

func (w *writer) fail(partition int32, r *kgo.Record, err error) {
	refused := refusesRecord(err)
	err = fmt.Errorf("write to %s/%d: %w", r.Topic, r.Partition, err)
	if refused {
		w.failPartition(partition, err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed == nil {
		w.failed = err
	}
}

// failPartition notes a failure that is one partition's: the transaction cannot be committed, and repeating it is of no use.
func (w *writer) failPartition(partition int32, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.faults == nil {
		w.faults = make(partitionErrors)
	}
	if w.faults[partition] == nil {
		w.faults[partition] = err
	}
}

// written reports whether the transaction holds anything.
func (w *writer) written() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.wrote
}

// faulty reports whether the transaction cannot be committed because of what a partition has to say.
func (w *writer) faulty() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.faults) > 0
}

// commit ends the transaction with the offsets in it. A step without outputs has nothing to protect and ends
// without a trace: a successor reads the same records again and has no outputs either. After an error nothing is known of
// the transaction's fate but that it is whole; the broker tells.
// Wrote tells whether there was anything to commit.
func (w *writer) commit(commits map[int32]commit, member string, generation int32) (wrote bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	flushed := w.client.Flush(ctx)
	var failed error
	var faults partitionErrors
	w.mu.Lock()
	wrote, failed, faults = w.wrote, w.failed, w.faults
	w.mu.Unlock()
	if len(faults) > 0 { // One of them makes others fail that have done nothing wrong.
		return wrote, faults
	}
	if failed != nil {
		return wrote, failed
	}
	if flushed != nil {
		return wrote, fmt.Errorf("flush: %w", flushed)
	}
	if wrote {
		if err := w.commitOffsets(ctx, commits, member, generation); err != nil {
			return wrote, err
		}
	}
	if err := w.client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return wrote, fmt.Errorf("end transaction: %w", err)
	}
	w.open = false
	return wrote, nil
}

// commitPlain commits offsets that nothing was written with.
func (w *writer) commitPlain(ctx context.Context, commits map[int32]commit, member string, generation int32) error {
	request := kmsg.NewPtrOffsetCommitRequest()
	request.Group, request.MemberID, request.Generation = w.group, member, generation
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic = w.topics.Readings
	for id, c := range commits {
		partition := kmsg.NewOffsetCommitRequestTopicPartition()
		partition.Partition, partition.Offset, partition.Metadata = id, c.offset, &c.metadata
		topic.Partitions = append(topic.Partitions, partition)
	}
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(ctx, w.client)
	if err != nil {
		return err
	}
	for _, topic := range response.Topics {
		for _, partition := range topic.Partitions {
			if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
				return err
			}
		}
	}
	return nil
}

// abort drops the open transaction, if there is one, so that a successor need not wait for its timeout.
func (w *writer) abort() {
	if !w.open {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	w.open = false
	if err := w.client.AbortBufferedRecords(ctx); err != nil {
		return
	}
	_ = w.client.EndTransaction(ctx, kgo.TryAbort) // The broker's timeout does it otherwise.
}

func (w *writer) commitOffsets(ctx context.Context, commits map[int32]commit, member string, generation int32) error {
	producer, epoch, err := w.client.ProducerID(ctx)
	if err != nil {
		return fmt.Errorf("producer id: %w", err)
	}
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID = w.id
	add.ProducerID, add.ProducerEpoch = producer, epoch
	add.Group = w.group
	if err := retryConcurrent(ctx, func() error {
		response, err := add.RequestWith(ctx, w.client)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(response.ErrorCode)
	}); err != nil {
		return fmt.Errorf("add offsets to transaction: %w", err)
	}
	commit := kmsg.NewPtrTxnOffsetCommitRequest()
	commit.TransactionalID = w.id
	commit.Group = w.group
	commit.ProducerID, commit.ProducerEpoch = producer, epoch
	commit.MemberID, commit.Generation = member, generation
	topic := kmsg.NewTxnOffsetCommitRequestTopic()
	topic.Topic = w.topics.Readings
	for id, c := range commits {
		partition := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		partition.Partition, partition.Offset, partition.Metadata = id, c.offset, &c.metadata
		topic.Partitions = append(topic.Partitions, partition)
	}
	commit.Topics = append(commit.Topics, topic)
	return w.sendOffsets(ctx, commit)
}

func (w *writer) sendOffsets(ctx context.Context, commit *kmsg.TxnOffsetCommitRequest) error {
	response, err := commit.RequestWith(ctx, w.client)
	if err != nil {
		return fmt.Errorf("commit offsets: %w", err)
	}
	for _, topic := range response.Topics {
		for _, partition := range topic.Partitions {
			if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
				return fmt.Errorf("commit offset of %s/%d: %w", topic.Topic, partition.Partition, err)
			}
		}
	}
	return nil
}

// retryConcurrent repeats f while the broker still writes the markers of the transaction before.
func retryConcurrent(ctx context.Context, f func() error) error {
	for {
		err := f()
		if !errors.Is(err, kerr.ConcurrentTransactions) {
			return err
		}
		if retry.Wait(ctx, 10*time.Millisecond) != nil {
			return err
		}
	}
}
