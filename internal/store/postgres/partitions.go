package postgres

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"iotmon/internal/retry"
)

// partitionsLock is the advisory lock under which partitions are made and dropped; every other transaction shares it.
//
// PostgreSQL lets a partition be attached while others use the table, and tells their sessions by messages. But a session that
// is just then listing the partitions for itself (RelationBuildPartitionDesc) reads pg_inherits first and looks up each
// partition afterwards, which may read the messages: if the attaching is committed in between, the session throws away its old
// list, and then keeps the new one, which lacks the partition. From there on it refuses rows of that partition, and does not
// see those that it holds, until the next such message, which may be a day later. So nobody lists while somebody attaches:
// when this lock is released, the messages have been sent, and who begins a transaction reads them.
const partitionsLock = 0x696f746d6f6e70

const (
	// lockPatience is how long one attempt to lock out everybody waits: whoever comes after it waits as long.
	lockPatience = 300 * time.Millisecond
	lockAttempts = 5
)

// exclusively runs a transaction that locks out all others that use partitions. It gives up soon, and tries again a few
// times, so that a long question holds up others only for moments; if it is determined, it waits for its end in the last attempt.
func (s *Store) exclusively(ctx context.Context, determined bool, do func(ctx context.Context, tx pgx.Tx) error) error {
	for attempt := 1; ; attempt++ {
		err := s.inTransaction(ctx, s.writer, pgx.TxOptions{}, func() *pgx.Batch {
			batch := s.bounded()
			if !determined || attempt < lockAttempts {
				batch.Queue(`SELECT set_config('lock_timeout', $1, true)`, strconv.FormatInt(lockPatience.Milliseconds(), 10))
			}
			batch.Queue(`SELECT pg_advisory_xact_lock($1)`, partitionsLock)
			return batch
		}, do)
		if code(err) != lockNotAvailable || attempt == lockAttempts {
			return err
		}
		if err := retry.Wait(ctx, lockPatience); err != nil {
			return err
		}
	}
}

// partitioned is a table that the program cuts into ranges of time, each in a table named like it and the range, such as
// readings_d20240130.
type partitioned struct {
	table string
	size  size
}

// readings is the only table that TimescaleDB may cut instead.
var readings = partitioned{"readings", day}

// ranges returns the partitions that there are, in the order of time. What somebody has attached under another name is not
// among them, and left alone.
func (p partitioned) ranges(ctx context.Context, tx pgx.Tx) (ranges, error) {
	var found ranges
	var table string
	err := each(ctx, tx, func(rows pgx.Rows) error {
		if err := rows.Scan(&table); err != nil {
			return err
		}
		if s, ok := parseSpan(strings.TrimPrefix(table, p.table+"_")); ok {
			found = append(found, s)
		}
		return nil
	}, `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass($1)`, p.table)
	slices.SortFunc(found, byTime)
	return found, err
}

// makePartitions makes the partitions that times need and returns all that there are then. It has a transaction of its own: in
// that of a batch it would wait for another archiver's batch that waits for this one's. Those who need the same partitions
// wait for each other and find them made.
func (s *Store) makePartitions(ctx context.Context, p partitioned, times []int64) (ranges, error) {
	var all ranges
	err := s.exclusively(ctx, true, func(ctx context.Context, tx pgx.Tx) error {
		var err error
		if all, err = p.ranges(ctx, tx); err != nil {
			return err
		}
		for _, missing := range all.missing(times, p.size) {
			name := pgx.Identifier{p.table + "_" + missing.name}.Sanitize()
			// A table of that name that is there was detached by somebody; its rows come back.
			_, err := tx.Exec(ctx, fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %s (LIKE %s INCLUDING DEFAULTS); ALTER TABLE %s ATTACH PARTITION %s FOR VALUES %s`,
				name, p.table, p.table, name, missing.bounds()), pgx.QueryExecModeSimpleProtocol)
			if err != nil {
				return fmt.Errorf("make partition %s: %w", name, err)
			}
			all = append(all, missing)
		}
		slices.SortFunc(all, byTime)
		return nil
	})
	return all, err
}

// hyper reports whether TimescaleDB cuts the readings into days, which a table that is not partitioned tells.
func hyper(ctx context.Context, tx pgx.Tx) (bool, error) {
	var is bool
	err := tx.QueryRow(ctx, `SELECT relkind <> 'p' FROM pg_class WHERE oid = 'readings'::regclass`).Scan(&is)
	return is, err
}

// drop drops a partition, if it is there.
func (p partitioned) drop(ctx context.Context, tx pgx.Tx, r span) error {
	_, err := tx.Exec(ctx, `DROP TABLE IF EXISTS `+pgx.Identifier{p.table + "_" + r.name}.Sanitize())
	return err
}
