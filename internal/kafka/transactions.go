package kafka

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TransactionTimeout is how long a transaction may last before the broker aborts it. When a processor dies, the next owner of its
// partitions waits for that.
const TransactionTimeout = 15 * time.Second

// decisionsTransaction is the prefix of the ids of transactions that append decisions.
const decisionsTransaction = "iotmon-settings-"

// appendTimeout limits AppendDecisions.
const appendTimeout = 10 * time.Second

// abortTimeout limits abort, and so how much longer than its context AppendDecisions may take.
const abortTimeout = 3 * time.Second

// NewTransactionID returns a transactional id for one processor session of the group. An id is never used twice: after a kill -9 the
// embedded broker drops the open transaction correctly only if its id is never used again.
func NewTransactionID(group string) string { return group + "-" + uuid.NewString() }

// AppendDecisions appends records, each to its Partition, in one transaction: settings, rules and other records that are valid in all
// partitions or in none. It calls records once, with the client of the transaction. It gives up after 10 s, and then aborts
// the transaction. After an error it may have been committed nevertheless.
func AppendDecisions(ctx context.Context, dial Dial, records func(context.Context, *kgo.Client) ([]*kgo.Record, error)) (kgo.ProduceResults, error) {
	ctx, cancel := context.WithTimeout(ctx, appendTimeout)
	defer cancel()
	client, err := kgo.NewClient(dial.Options(
		kgo.TransactionalID(decisionsTransaction+uuid.NewString()),
		kgo.TransactionTimeout(TransactionTimeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0),
	)...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	appended, err := records(ctx, client)
	if err != nil {
		return nil, err
	}
	if err := client.BeginTransaction(); err != nil {
		return nil, fmt.Errorf("begin transaction: %w", err)
	}
	results := client.ProduceSync(ctx, appended...)
	if err := results.FirstErr(); err != nil {
		abort(ctx, client)
		return results, fmt.Errorf("append to %s: %w", appended[0].Topic, err)
	}
	if err := client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		abort(ctx, client)
		return results, fmt.Errorf("end transaction: %w", err)
	}
	return results, nil
}

// abort aborts the client's transaction, even if ctx has ended: readings behind it would wait for its timeout. One that has been committed without an
// answer stays committed.
func abort(ctx context.Context, client *kgo.Client) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	if client.AbortBufferedRecords(ctx) == nil {
		_ = client.EndTransaction(ctx, kgo.TryAbort) // If it fails, the broker aborts after its timeout.
	}
}

// isOwnTransaction reports whether an id was returned by NewTransactionID for the group, or is one of AppendDecisions.
func isOwnTransaction(id, group string) bool {
	for _, prefix := range []string{group + "-", decisionsTransaction} {
		if rest, has := strings.CutPrefix(id, prefix); has && uuid.Validate(rest) == nil {
			return true // The UUID is checked because another group's name may begin with "group-".
		}
	}
	return false
}
