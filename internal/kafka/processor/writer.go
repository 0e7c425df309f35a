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

// endTimeout limits the end of a transaction. If it takes longer, the broker aborts the transaction after its own timeout.
const endTimeout = 10 * time.Second

// writer writes a processor's outputs, one transaction after the other, each with the offsets that it follows from.
//
// The transactional id is new for every writer. The embedded broker aborts a transaction that was open at a kill -9 correctly only
// if its id is never used again. A fixed id is not needed to fence a former owner, because the offset commit checks the generation
// of the group (KIP-447).
type writer struct {
	client *kgo.Client
	topics kafka.Topics
	group  string
	id     string
	open   bool
	// batches has the reusable batches of states.
	batches kafka.BatchPool

	mu     sync.Mutex
	wrote  bool
	failed error
	// faults are failures that concern single partitions.
	faults partitionErrors
}

func newWriter(dial kafka.Dial, topics kafka.Topics, group string, timeout time.Duration) (*writer, error) {
	id := kafka.NewTransactionID(group)
	client, err := kgo.NewClient(dial.Options(
		kgo.TransactionalID(id),
		kgo.TransactionTimeout(timeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0),
		kgo.RecordDeliveryTimeout(endTimeout),
		kafka.LZ4(),
		// commitOffsets sends the requests that every broker since 2.5 understands. Brokers would expect another sequence from a
		// client with newer protocol versions (KIP-890).
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

// write adds a record to the open transaction. Partition is the partition of readings that it follows from. It may be called
// concurrently, and does not wait: commit returns a failure.
func (w *writer) write(partition int32, r *kgo.Record) {
	w.markWritten()
	w.client.Produce(context.Background(), r, func(r *kgo.Record, err error) {
		if err != nil {
			w.fail(partition, r, err)
		}
	})
}

// writeBatch is write for all records of a batch. It returns the batch to the pool when it has been written.
func (w *writer) writeBatch(partition int32, b *kafka.Batch) {
	w.markWritten()
	b.Produce(context.Background(), w.client, func(first *kgo.Record, err error) {
		if err != nil {
			w.fail(partition, first, err)
		}
		w.batches.Put(b)
	})
}

func (w *writer) markWritten() {
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

// failPartition records a failure that concerns one partition. The transaction cannot be committed, and a retry would fail again.
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

// written reports whether the transaction holds a record.
func (w *writer) written() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.wrote
}

// faulty reports whether the transaction cannot be committed because of a failure of a partition.
func (w *writer) faulty() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.faults) > 0
}

// commit commits the transaction together with the offsets. Without outputs it commits nothing: the next owner of the partitions
// reads the same records again and has no outputs either. wrote reports whether there were outputs. After an error the transaction may
// have been committed or not, but never in part; a restore finds out.
func (w *writer) commit(commits map[int32]commit, member string, generation int32) (wrote bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	flushed := w.client.Flush(ctx)
	var failed error
	var faults partitionErrors
	w.mu.Lock()
	wrote, failed, faults = w.wrote, w.failed, w.faults
	w.mu.Unlock()
	if len(faults) > 0 { // They come first: the fault of one partition makes the records of others fail too.
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

// commitPlain commits offsets without a transaction.
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

// abort aborts the open transaction, if there is one, so that the next owner need not wait for its timeout.
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
	_ = w.client.EndTransaction(ctx, kgo.TryAbort) // If it fails, the broker aborts after its timeout.
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

// retryConcurrent repeats f while the broker is still writing the markers of the previous transaction.
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
