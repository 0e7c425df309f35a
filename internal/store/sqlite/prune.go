package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"iotmon/internal/archive"
)

const (
	// keepLonger is how much longer than configured raw readings are kept: longer than any window and any delay between the
	// admission of a reading and its archiving within one partition.
	keepLonger = time.Hour
	// devicesPerStep and rowsPerStep limit one step of pruning.
	devicesPerStep = 100
	rowsPerStep    = 2000
)

// Prune implements archive.Store.
func (s *Store) Prune(ctx context.Context, keep archive.Retention) (int64, error) {
	// Marked windows come first, because they need readings that may be removed next.
	if err := s.Recompute(ctx); err != nil {
		return 0, fmt.Errorf("recompute windows: %w", err)
	}
	removed, err := s.pruneReadings(ctx, keep.Readings)
	if err != nil {
		return removed, fmt.Errorf("prune readings: %w", err)
	}
	var newest int64
	if err := s.reader.QueryRowContext(ctx, `SELECT coalesce(max(retained), 0) FROM offsets`).Scan(&newest); err != nil {
		return removed, fmt.Errorf("read the newest append time: %w", err)
	}
	for _, step := range []struct {
		keep  time.Duration
		query string
	}{
		{keep.Summaries, `DELETE FROM summaries WHERE (window_start, device_type, length, partition) IN
			(SELECT window_start, device_type, length, partition FROM summaries WHERE window_start < ? LIMIT ?)`},
		{keep.Summaries, `DELETE FROM summary_alerts WHERE (window_start, device_type, length, partition) IN
			(SELECT window_start, device_type, length, partition FROM summary_alerts WHERE window_start < ? LIMIT ?)`},
		{keep.Summaries, `DELETE FROM corrections WHERE id IN (SELECT id FROM corrections WHERE window_start < ? LIMIT ?)`},
		{keep.Alerts, `DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE cleared < ? LIMIT ?)`},
		// Those of an alert that is gone, a few of which an archiver may write once more that repeats them.
		{keep.Alerts, `DELETE FROM alert_events WHERE (id, epoch, position) IN (SELECT id, epoch, position FROM alert_events e
			WHERE time < ? AND NOT EXISTS (SELECT 1 FROM alerts a WHERE a.id = e.id) LIMIT ?)`},
	} {
		if step.keep <= 0 || newest == 0 {
			continue
		}
		n, err := s.repeat(ctx, step.query, newest-step.keep.Microseconds(), rowsPerStep)
		removed += n
		if err != nil {
			return removed, fmt.Errorf("prune: %w", err)
		}
	}
	return removed, nil
}

// repeat runs a bounded deletion until it finds no more.
func (s *Store) repeat(ctx context.Context, query string, args ...any) (removed int64, err error) {
	for {
		n, err := s.exec(ctx, query, args...)
		removed += n
		if err != nil || n == 0 {
			return removed, err
		}
	}
}

// pruneReadings removes readings that are older than keep and keepLonger, some devices at a time, and returns their number. Age
// is measured against the append times that have been archived of the partition, not against the wall clock. With keep 0 it
// removes none.
func (s *Store) pruneReadings(ctx context.Context, keep time.Duration) (removed int64, err error) {
	if keep <= 0 {
		return 0, nil
	}
	before := make(map[int32]int64)
	err = each(ctx, s.reader, func(rows *sql.Rows) error {
		var partition int32
		var appended int64
		if err := rows.Scan(&partition, &appended); err != nil {
			return err
		}
		before[partition] = appended - (keep + keepLonger).Microseconds()
		return nil
	}, `SELECT partition, retained FROM offsets WHERE topic = ? AND retained <> 0`, s.readingsTopic)
	if err != nil {
		return 0, err
	}
	for partition, cut := range before {
		n, err := s.prunePartition(ctx, partition, cut)
		removed += n
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

func (s *Store) prunePartition(ctx context.Context, partition int32, cut int64) (removed int64, err error) {
	for last := int64(0); ; {
		var next sql.NullInt64
		err := s.reader.QueryRowContext(ctx, `SELECT max(device) FROM
			(SELECT device FROM device_partitions WHERE partition = ? AND device > ? ORDER BY device LIMIT ?)`,
			partition, last, devicesPerStep).Scan(&next)
		if err != nil || !next.Valid {
			return removed, err
		}
		n, err := s.repeat(ctx, `DELETE FROM readings WHERE (device, time) IN
			(SELECT r.device, r.time FROM device_partitions p CROSS JOIN readings r
			 WHERE p.partition = ?1 AND p.device > ?2 AND p.device <= ?3 AND r.device = p.device AND r.time < ?4 AND r.partition = ?1
			 LIMIT ?5)`, partition, last, next.Int64, cut, rowsPerStep)
		removed += n
		if err != nil {
			return removed, err
		}
		last = next.Int64
	}
}

// exec runs one statement as the only writer and returns how many rows it changed.
func (s *Store) exec(ctx context.Context, query string, args ...any) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	result, err := s.writer.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
