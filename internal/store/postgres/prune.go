package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"iotmon/internal/archive"
)

const (
	// keepLonger is how much longer than asked raw readings are kept: longer than any window and any delay between the
	// admission of a reading and its archiving within one partition.
	keepLonger = time.Hour
	// rowsPerStep bounds one step of removing rows.
	rowsPerStep = 5000
	// dropPatience is how long dropping a partition may wait for questions that are being answered: whoever comes after it
	// waits as long. What is not dropped then is dropped the next time.
	dropPatience = 300 * time.Millisecond
	dropAttempts = 5
)

// Prune implements archive.Store. Readings go by whole partitions, so they stay for up to a day longer than asked.
func (s *Store) Prune(ctx context.Context, keep archive.Retention) (int64, error) {
	// Marked windows come first, for they need readings that may be about to go.
	if err := s.settle(ctx); err != nil {
		return 0, fmt.Errorf("recompute windows: %w", err)
	}
	removed, err := s.pruneReadings(ctx, keep.Readings)
	if err != nil {
		return removed, fmt.Errorf("prune readings: %w", err)
	}
	for _, step := range []struct {
		keep  time.Duration
		query string
	}{
		{keep.Summaries, `DELETE FROM summaries WHERE ctid = ANY (ARRAY (SELECT ctid FROM summaries WHERE window_start < $1 LIMIT $2))`},
		{keep.Summaries, `DELETE FROM summary_alerts WHERE ctid = ANY (ARRAY (SELECT ctid FROM summary_alerts WHERE window_start < $1 LIMIT $2))`},
		{keep.Alerts, `DELETE FROM alerts WHERE ctid = ANY (ARRAY (SELECT ctid FROM alerts WHERE cleared < $1 LIMIT $2)) AND cleared < $1`},
	} {
		n, err := s.removeOlder(ctx, step.keep, step.query)
		removed += n
		if err != nil {
			return removed, fmt.Errorf("prune: %w", err)
		}
	}
	return removed, nil
}

// removeOlder runs a bounded deletion until it finds no more. Age is measured against the newest append time archived.
func (s *Store) removeOlder(ctx context.Context, keep time.Duration, query string) (removed int64, err error) {
	if keep <= 0 {
		return 0, nil
	}
	for {
		var n int64
		err := s.transact(ctx, func(ctx context.Context, tx pgx.Tx) error {
			var newest *time.Time
			if err := tx.QueryRow(ctx, `SELECT max(appended) FROM offsets`).Scan(&newest); err != nil || newest == nil {
				return err
			}
			done, err := tx.Exec(ctx, query, newest.Add(-keep), rowsPerStep)
			n = done.RowsAffected()
			return err
		})
		removed += n
		if err != nil || n == 0 {
			return removed, err
		}
	}
}

// pruneReadings drops the ranges that every partition of the topic with readings in them has left behind.
func (s *Store) pruneReadings(ctx context.Context, keep time.Duration) (removed int64, err error) {
	if keep <= 0 {
		return 0, nil
	}
	old, err := s.leftBehind(ctx, keep+keepLonger)
	if err != nil {
		return 0, err
	}
	for _, name := range old {
		n, err := s.drop(ctx, name)
		removed += n
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// leftBehind returns the names of the ranges that are older than keep for each partition that has readings in them.
func (s *Store) leftBehind(ctx context.Context, keep time.Duration) ([]string, error) {
	var old []string
	err := s.transact(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var name string
		var appended *time.Time
		return each(ctx, tx, func(rows pgx.Rows) error {
			if err := rows.Scan(&name, &appended); err != nil {
				return err
			}
			if held, ok := parseSpan(name); ok && appended != nil && held.ends <= appended.Add(-keep).UnixMicro() {
				old = append(old, name)
			}
			return nil
		}, `SELECT c.range, CASE WHEN count(*) = count(o.appended) THEN min(o.appended) END
			FROM reading_counts c LEFT JOIN offsets o ON o.topic = $1 AND o.partition = c.partition GROUP BY c.range ORDER BY c.range`, s.readingsTopic)
	})
	return old, err
}

// drop drops a partition of readings, with what has been counted of it. While it waits for those who read, others wait for
// it: so it gives up soon, and tries again a few times.
func (s *Store) drop(ctx context.Context, name string) (removed int64, err error) {
	for range dropAttempts {
		err = s.transact(ctx, func(ctx context.Context, tx pgx.Tx) error {
			batch := new(pgx.Batch)
			batch.Queue(`SELECT set_config('lock_timeout', $1, true)`, fmt.Sprint(dropPatience.Milliseconds()))
			batch.Queue(`SELECT pg_advisory_xact_lock($1)`, partitionsLock)
			if err := tx.SendBatch(ctx, batch).Close(); err != nil {
				return err
			}
			if err := readings.drop(ctx, tx, name); err != nil {
				return err
			}
			return tx.QueryRow(ctx, `WITH gone AS (DELETE FROM reading_counts WHERE range = $1 RETURNING count)
				SELECT coalesce(sum(count), 0)::bigint FROM gone`, name).Scan(&removed)
		})
		if code(err) != lockNotAvailable {
			return removed, err
		}
		pause(ctx, dropPatience)
	}
	return 0, err
}

// drop drops a partition that is there.
func (p partitioned) drop(ctx context.Context, tx pgx.Tx, name string) error {
	// Who writes waits from here on, and then finds no partition.
	_, err := tx.Exec(ctx, `DROP TABLE IF EXISTS `+pgx.Identifier{p.table + "_" + name}.Sanitize())
	return err
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
