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

// partitionsLock is the advisory lock under which partitions are created and dropped; every other transaction holds it
// shared.
//
// PostgreSQL allows attaching a partition while others use the table, and sends their sessions invalidation messages. There
// is a race with a session that is just building its list of partitions (RelationBuildPartitionDesc): it reads pg_inherits,
// then looks up each partition, which may process the messages. If the ATTACH is committed in between, the session drops
// its old list and keeps the new one, which lacks the partition. From then on it refuses rows of that partition and does
// not see its rows, until the next such message, perhaps a day later. With this lock no session builds the list during an
// ATTACH: when the lock is released, the messages have been sent, and the next transaction of each session reads them.
const partitionsLock = 0x696f746d6f6e70

const (
	// lockTimeout is how long one attempt to get the lock exclusively waits: transactions that begin meanwhile wait behind
	// it.
	lockTimeout  = 300 * time.Millisecond
	lockAttempts = 5
)

// exclusively runs do in a transaction that excludes all others that use partitions. Each attempt gives up after
// lockTimeout and is repeated a few times, so that others are not blocked for long behind a long query. If determined, the
// last attempt waits until it gets the lock.
func (s *Store) exclusively(ctx context.Context, determined bool, do func(ctx context.Context, tx pgx.Tx) error) error {
	for attempt := 1; ; attempt++ {
		err := s.inTransaction(ctx, s.writer, pgx.TxOptions{}, func() *pgx.Batch {
			batch := s.bounded()
			if !determined || attempt < lockAttempts {
				batch.Queue(`SELECT set_config('lock_timeout', $1, true)`, strconv.FormatInt(lockTimeout.Milliseconds(), 10))
			}
			batch.Queue(`SELECT pg_advisory_xact_lock($1)`, partitionsLock)
			return batch
		}, do)
		if code(err) != lockNotAvailable || attempt == lockAttempts {
			return err
		}
		if err := retry.Wait(ctx, lockTimeout); err != nil {
			return err
		}
	}
}

// partitioned is a table that the program partitions by time. A partition is named after the table and its range, such as
// readings_d20240130.
type partitioned struct {
	table string
	size  size
}

// readings is the only table that may be a hypertable of TimescaleDB instead.
var readings = partitioned{"readings", day}

// ranges returns the existing partitions in the order of time. It ignores partitions with other names, which an operator
// has attached.
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

// makePartitions creates the partitions for times and returns all existing ones. It uses a transaction of its own: within
// that of a batch it could deadlock with another archiver's batch. Of several archivers that need the same partition, one
// creates it while the others wait.
func (s *Store) makePartitions(ctx context.Context, p partitioned, times []int64) (ranges, error) {
	var all ranges
	err := s.exclusively(ctx, true, func(ctx context.Context, tx pgx.Tx) error {
		var err error
		if all, err = p.ranges(ctx, tx); err != nil {
			return err
		}
		for _, missing := range all.missing(times, p.size) {
			name := pgx.Identifier{p.table + "_" + missing.name}.Sanitize()
			// An existing table of that name was detached by an operator; its rows come back.
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

// hyper reports whether readings is a hypertable of TimescaleDB: then it is not a partitioned table.
func hyper(ctx context.Context, tx pgx.Tx) (bool, error) {
	var is bool
	err := tx.QueryRow(ctx, `SELECT relkind <> 'p' FROM pg_class WHERE oid = 'readings'::regclass`).Scan(&is)
	return is, err
}

// drop drops a partition if it exists.
func (p partitioned) drop(ctx context.Context, tx pgx.Tx, r span) error {
	_, err := tx.Exec(ctx, `DROP TABLE IF EXISTS `+pgx.Identifier{p.table + "_" + r.name}.Sanitize())
	return err
}
