package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"iotmon/internal/archive"
)

const (
	// keepLonger is how much longer than configured raw readings are kept: longer than any window and any delay between the
	// admission of a reading and its archiving within one partition.
	keepLonger = time.Hour
	// rowsPerStep is the maximum number of rows removed in one step.
	rowsPerStep = 5000
)

// errNeeded means that readings cannot be removed yet.
var errNeeded = errors.New("readings are still to be rolled up")

// Prune implements archive.Store. It rolls readings up before it removes old ones. Readings are removed by whole
// partitions, so they stay up to a day longer than configured. Minutes and hours are kept as long as summaries and are not
// counted in removed.
func (s *Store) Prune(ctx context.Context, keep archive.Retention) (int64, error) {
	// Recomputing and rolling up come first, because they need readings that may be removed next.
	if err := s.Recompute(ctx); err != nil {
		return 0, fmt.Errorf("recompute windows: %w", err)
	}
	if err := s.rollUp(ctx); err != nil {
		return 0, err
	}
	removed, err := s.pruneReadings(ctx, keep.Readings)
	if err != nil {
		return removed, fmt.Errorf("prune readings: %w", err)
	}
	if err := s.pruneRollups(ctx, keep.Summaries); err != nil {
		return removed, fmt.Errorf("prune minutes and hours: %w", err)
	}
	for _, step := range []struct {
		keep  time.Duration
		query string
	}{
		{keep.Summaries, `DELETE FROM summaries WHERE ctid = ANY (ARRAY (SELECT ctid FROM summaries WHERE window_start < $1 LIMIT $2)) AND window_start < $1`},
		{keep.Summaries, `DELETE FROM summary_alerts WHERE ctid = ANY (ARRAY (SELECT ctid FROM summary_alerts WHERE window_start < $1 LIMIT $2)) AND window_start < $1`},
		{keep.Summaries, `DELETE FROM corrections WHERE ctid = ANY (ARRAY (SELECT ctid FROM corrections WHERE window_start < $1 LIMIT $2)) AND window_start < $1`},
		{keep.Alerts, `DELETE FROM alerts WHERE ctid = ANY (ARRAY (SELECT ctid FROM alerts WHERE cleared < $1 LIMIT $2)) AND cleared < $1`},
		// Those of an alert that is gone, a few of which an archiver may write once more that repeats them.
		{keep.Alerts, `DELETE FROM alert_events WHERE ctid = ANY (ARRAY (SELECT ctid FROM alert_events e
			WHERE time < $1 AND NOT EXISTS (SELECT 1 FROM alerts a WHERE a.id = e.id) LIMIT $2))`},
	} {
		n, err := s.removeOlder(ctx, step.keep, step.query)
		removed += n
		if err != nil {
			return removed, fmt.Errorf("prune: %w", err)
		}
	}
	return removed, nil
}

// cut returns the time before which rows that are kept for so long are removed: the newest archived append time minus keep.
// ok is false if they are kept forever.
func (s *Store) cut(ctx context.Context, keep time.Duration) (cut time.Time, ok bool, err error) {
	if keep <= 0 {
		return cut, false, nil
	}
	var newest *time.Time
	err = s.transact(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, `SELECT max(retained) FROM offsets`).Scan(&newest)
	})
	if err != nil || newest == nil {
		return cut, false, err
	}
	return newest.Add(-keep), true, nil
}

// removeOlder runs a bounded deletion until it finds no more.
func (s *Store) removeOlder(ctx context.Context, keep time.Duration, query string) (removed int64, err error) {
	cut, ok, err := s.cut(ctx, keep)
	if err != nil || !ok {
		return 0, err
	}
	for {
		var n int64
		err := s.transact(ctx, func(ctx context.Context, tx pgx.Tx) error {
			done, err := tx.Exec(ctx, query, cut, rowsPerStep)
			n = done.RowsAffected()
			return err
		})
		removed += n
		if err != nil || n == 0 {
			return removed, err
		}
	}
}

// pruneReadings drops the ranges that are expired for every Kafka partition with readings in them. A range that cannot be
// locked soon is dropped the next time.
func (s *Store) pruneReadings(ctx context.Context, keep time.Duration) (removed int64, err error) {
	if keep <= 0 {
		return 0, nil
	}
	old, err := s.expired(ctx, keep+keepLonger)
	if err != nil {
		return 0, err
	}
	for _, r := range old {
		var n int64
		err := s.exclusively(ctx, false, func(ctx context.Context, tx pgx.Tx) error {
			n, err = dropReadings(ctx, tx, r)
			return err
		})
		if errors.Is(err, errNeeded) || code(err) == lockNotAvailable {
			continue
		}
		if err != nil {
			return removed, err
		}
		removed += n
	}
	return removed, nil
}

// expired returns the ranges that are older than keep, and rolled up, for each partition that has readings in them.
func (s *Store) expired(ctx context.Context, keep time.Duration) ([]span, error) {
	var old []span
	err := s.transact(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var name string
		var retained, rolled *time.Time
		return each(ctx, tx, func(rows pgx.Rows) error {
			if err := rows.Scan(&name, &retained, &rolled); err != nil {
				return err
			}
			r, ok := parseSpan(name)
			if ok && retained != nil && r.ends <= retained.Add(-keep).UnixMicro() && rolled != nil && r.ends <= rolled.UnixMicro() {
				old = append(old, r)
			}
			return nil
		}, `SELECT c.range,
				CASE WHEN count(*) = count(o.retained) THEN min(o.retained) END,
				CASE WHEN count(*) = count(r.until) THEN min(r.until) END
			FROM reading_counts c
			LEFT JOIN offsets o ON o.topic = $1 AND o.partition = c.partition
			LEFT JOIN rolled r ON r.partition = c.partition
			GROUP BY c.range`, s.readingsTopic)
	})
	slices.SortFunc(old, byTime)
	return old, err
}

// dropReadings drops a range of readings with its counts, and returns how many readings it had. Writers wait for this
// transaction and then find no partition, so no further hours of the range can be marked.
func dropReadings(ctx context.Context, tx pgx.Tx, r span) (removed int64, err error) {
	is, err := hyper(ctx, tx)
	if err != nil {
		return 0, err
	}
	if is {
		_, err = tx.Exec(ctx, `LOCK TABLE readings IN ACCESS EXCLUSIVE MODE; SELECT drop_chunks('readings', older_than => `+literal(r.ends)+
			`::timestamptz, newer_than => `+literal(r.begins)+`::timestamptz)`, pgx.QueryExecModeSimpleProtocol)
	} else {
		err = readings.drop(ctx, tx, r)
	}
	if err != nil {
		return 0, fmt.Errorf("drop %s: %w", r.name, err)
	}
	begins, ends := time.UnixMicro(r.begins), time.UnixMicro(r.ends)
	var needed bool
	if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM dirty_hours WHERE hour >= $1 AND hour < $2)`, begins, ends).Scan(&needed); err != nil {
		return 0, err
	}
	if needed {
		return 0, errNeeded
	}
	if _, err := tx.Exec(ctx, `UPDATE horizons SET readings = greatest(readings, $1)`, ends); err != nil {
		return 0, err
	}
	return removed, tx.QueryRow(ctx, `WITH gone AS (DELETE FROM reading_counts WHERE range = $1 RETURNING count)
		SELECT coalesce(sum(count), 0)::bigint FROM gone`, r.name).Scan(&removed)
}

// pruneRollups removes old minutes and hours. It hides them from queries first, because minutes are removed by whole
// months.
func (s *Store) pruneRollups(ctx context.Context, keep time.Duration) error {
	cut, ok, err := s.cut(ctx, keep)
	if err != nil || !ok {
		return err
	}
	var months ranges
	err = s.transact(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE horizons SET rollups = $1 WHERE rollups < $1`, cut); err != nil {
			return err
		}
		months, err = minutesTable.ranges(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	for _, r := range months {
		if r.ends > cut.UnixMicro() {
			break
		}
		err := s.exclusively(ctx, false, func(ctx context.Context, tx pgx.Tx) error { return minutesTable.drop(ctx, tx, r) })
		if err != nil && code(err) != lockNotAvailable {
			return err
		}
	}
	_, err = s.removeOlder(ctx, keep, `DELETE FROM hours WHERE ctid = ANY (ARRAY (SELECT ctid FROM hours WHERE time < $1 LIMIT $2)) AND time < $1`)
	return err
}
