package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"iotmon/internal/process"
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
	topics Topics
	group  string
	id     string
	open   bool
	// batches are for what is written together.
	batches batchPool

	mu     sync.Mutex
	wrote  bool
	failed error
}

func newWriter(dial Dial, topics Topics, group string) (*writer, error) {
	id := group + "-" + uuid.NewString()
	client, err := kgo.NewClient(dial.options(
		kgo.TransactionalID(id),
		kgo.TransactionTimeout(transactionTimeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0),
		kgo.RecordDeliveryTimeout(endTimeout),
		kgo.WithCompressor(smallBlocks),
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
	w.open, w.wrote, w.failed = true, false, nil
	return nil
}

// write adds a record to the open transaction. It may be called concurrently and reports failures through commit.
func (w *writer) write(r *kgo.Record) {
	w.begun()
	w.client.Produce(context.Background(), r, func(r *kgo.Record, err error) {
		if err != nil {
			w.fail(r, err)
		}
	})
}

// writeBatch is write for all records of a batch, which is one of batches and the writer's from now on.
func (w *writer) writeBatch(b *batch) {
	w.begun()
	b.finish = func() {
		if b.err != nil {
			w.fail(&b.records[0], b.err)
		}
		w.batches.put(b)
	}
	b.produce(context.Background(), w.client)
}

func (w *writer) begun() {
	w.mu.Lock()
	w.wrote = true
	w.mu.Unlock()
}

func (w *writer) fail(r *kgo.Record, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed == nil {
		w.failed = fmt.Errorf("write to %s/%d: %w", r.Topic, r.Partition, err)
	}
}

// commit ends the transaction with the checkpoints' offsets in it. A step without outputs has nothing to protect and ends
// without a trace: a successor reads the same records again and has no outputs either. After an error nothing is known of
// the transaction's fate but that it is whole; the broker tells.
func (w *writer) commit(checkpoints map[int32]process.Checkpoint, member string, generation int32) error {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	if err := w.client.Flush(ctx); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	w.mu.Lock()
	wrote, failed := w.wrote, w.failed
	w.mu.Unlock()
	if failed != nil {
		return failed
	}
	if wrote {
		if err := w.commitOffsets(ctx, checkpoints, member, generation); err != nil {
			return err
		}
	}
	if err := w.client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("end transaction: %w", err)
	}
	w.open = false
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

func (w *writer) commitOffsets(ctx context.Context, checkpoints map[int32]process.Checkpoint, member string, generation int32) error {
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
	for id, checkpoint := range checkpoints {
		partition := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		partition.Partition = id
		partition.Offset = checkpoint.Offset
		metadata := checkpoint.Metadata()
		partition.Metadata = &metadata
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
		select {
		case <-ctx.Done():
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}
