package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"iotmon/internal/iot"
	"iotmon/internal/store"
)

// marksPerStep is the maximum number of windows recomputed in one transaction. A gateway that reconnects after a week marks
// tens of thousands: they must not block the archive.
const marksPerStep = 64

// mark is a row of dirty_windows. Times are microseconds.
type mark struct {
	partition     int32
	deviceType    iot.DeviceType
	start, length int64
	epoch         int32
	position      int64
}

func (w *batchWriter) mark(ctx context.Context, s *iot.WindowSummary) error {
	_, err := w.tx.ExecContext(ctx, `INSERT INTO dirty_windows (partition, device_type, window_start, length, epoch, position)
		VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET epoch = excluded.epoch, position = excluded.position
		WHERE (excluded.epoch, excluded.position) > (epoch, position)`,
		s.Partition, s.Type, micros(s.Window.Start), s.Window.Length.Microseconds(), s.Epoch, s.Offset)
	return err
}

// Recompute implements archive.Store.
func (s *Store) Recompute(ctx context.Context) error {
	for {
		n, err := s.recomputeSome(ctx)
		if err != nil || n == 0 {
			return err
		}
	}
}

func (s *Store) recomputeSome(ctx context.Context) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // After a commit it does nothing, before one the commit's error counts.
	n, err := expandMarks(ctx, tx, s.readingsTopic)
	if err != nil {
		return 0, fmt.Errorf("mark the types of a window: %w", err)
	}
	recomputed, err := recompute(ctx, tx, s.readingsTopic)
	if err != nil || n+recomputed == 0 {
		return 0, err
	}
	return n + recomputed, tx.Commit()
}

// wideMarksPerStep is the maximum number of marks without a type that one transaction replaces. Each may become as many as
// there are types.
const wideMarksPerStep = 16

// expandMarks replaces marks without a type, whose readings are all stored, by one for each type that has readings in the
// window, and returns how many it replaced.
func expandMarks(ctx context.Context, tx *sql.Tx, readingsTopic string) (int, error) {
	var wide []mark
	err := each(ctx, tx, func(rows *sql.Rows) error {
		var m mark
		if err := rows.Scan(&m.partition, &m.start, &m.length, &m.epoch, &m.position); err != nil {
			return err
		}
		wide = append(wide, m)
		return nil
	}, `SELECT d.partition, d.window_start, d.length, d.epoch, d.position
		FROM offsets o CROSS JOIN dirty_windows d ON d.partition = o.partition AND d.device_type = ''
		WHERE o.topic = ? AND o.next >= d.position LIMIT ?`,
		readingsTopic, wideMarksPerStep)
	if err != nil {
		return 0, err
	}
	for _, m := range wide {
		if _, err := tx.ExecContext(ctx, `INSERT INTO dirty_windows (partition, device_type, window_start, length, epoch, position)
			SELECT ?1, t.name, ?2, ?3, ?4, ?5
			FROM (SELECT DISTINCT r.type FROM device_partitions p CROSS JOIN readings r
				WHERE p.partition = ?1 AND r.device = p.device AND r.time >= ?2 AND r.time < ?2 + ?3 AND r.partition = ?1) AS present
				JOIN device_types t ON t.id = present.type
			WHERE true
			ON CONFLICT DO UPDATE SET epoch = excluded.epoch, position = excluded.position
			WHERE (excluded.epoch, excluded.position) > (epoch, position)`,
			m.partition, m.start, m.length, m.epoch, m.position); err != nil {
			return 0, err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM dirty_windows WHERE partition = ? AND device_type = '' AND window_start = ? AND length = ?`,
			m.partition, m.start, m.length); err != nil {
			return 0, err
		}
	}
	return len(wide), nil
}

// recompute corrects marked windows whose readings are all stored, no more than marksPerStep, and returns how many.
//
// Only offsets are compared, not epochs: the processor and the archiver count the epochs of a log separately, and with a
// new database or consumer group one of them starts at 0. Marks of a log that was recreated were released when the offsets
// moved to the new log.
func recompute(ctx context.Context, tx *sql.Tx, readingsTopic string) (int, error) {
	var marks []mark
	err := each(ctx, tx, func(rows *sql.Rows) error {
		var m mark
		if err := rows.Scan(&m.partition, &m.deviceType, &m.start, &m.length, &m.epoch, &m.position); err != nil {
			return err
		}
		marks = append(marks, m)
		return nil
	}, `SELECT d.partition, d.device_type, d.window_start, d.length, d.epoch, d.position
		FROM dirty_windows d JOIN offsets o ON o.topic = ? AND o.partition = d.partition WHERE d.device_type <> '' AND o.next >= d.position LIMIT ?`,
		readingsTopic, marksPerStep)
	if err != nil {
		return 0, err
	}
	if len(marks) == 0 {
		return 0, nil
	}
	corrector := newCorrector(tx)
	for i := range marks {
		if err := corrector.correct(ctx, &marks[i]); err != nil {
			return 0, err
		}
	}
	return len(marks), nil
}

// correct replaces the numbers that derive from the readings, and keeps those of the moment at which the window closed,
// such as the alerts. If fewer readings are found than were counted, some have been deleted from the log or the archive,
// and the stored summary stays.
func (c *corrector) correct(ctx context.Context, m *mark) error {
	tx := c.tx
	found, err := c.recounted(ctx, m)
	if err != nil {
		return err
	}
	if summary := &found.Whole; summary.Count+summary.Bad > 0 {
		before, err := stored(ctx, tx, m)
		if err != nil {
			return err
		}
		divided := iot.WindowSummary{Summary: *summary, Groups: found.Divide(m.deviceType, &before)}
		result, err := tx.ExecContext(ctx, `INSERT INTO summaries
				(window_start, device_type, partition, length, count, uncertain, bad, sum, min, max, devices, online, offline, alert_count, epoch, position, parts)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?, ?, ?)
			ON CONFLICT DO UPDATE SET
				count = excluded.count, uncertain = excluded.uncertain, bad = excluded.bad, sum = excluded.sum, min = excluded.min, max = excluded.max, devices = excluded.devices,
				epoch = max(epoch, excluded.epoch),
				position = CASE
					WHEN excluded.epoch > epoch THEN excluded.position
					WHEN excluded.epoch = epoch THEN max(position, excluded.position)
					ELSE position END,
				parts = excluded.parts
			WHERE excluded.count + excluded.bad >= count + bad`,
			m.start, m.deviceType, m.partition, m.length, summary.Count, summary.Uncertain, summary.Bad, store.EncodeSum(summary.Sum), summary.Min, summary.Max,
			summary.Devices, m.epoch, m.position, store.EncodeGroups(&divided))
		if err != nil {
			return err
		}
		if changed(result) {
			if err := noteCorrection(ctx, tx, m); err != nil {
				return err
			}
		}
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM dirty_windows WHERE partition = ? AND device_type = ? AND window_start = ? AND length = ?`,
		m.partition, m.deviceType, m.start, m.length)
	return err
}

// stored returns the stored summary of a mark's window, the zero one if there is none.
func stored(ctx context.Context, tx *sql.Tx, m *mark) (before iot.WindowSummary, err error) {
	err = each(ctx, tx, func(rows *sql.Rows) error {
		before, err = scanSummary(rows)
		return err
	}, `SELECT window_start, device_type, partition, length, count, uncertain, bad, sum, min, max, devices, online, offline, alert_count, epoch, position,
			NULL, parts
		FROM summaries WHERE window_start = ? AND device_type = ? AND length = ? AND partition = ?`, m.start, m.deviceType, m.length, m.partition)
	return before, err
}

// recounted adds up the stored readings of one partition's window.
func (c *corrector) recounted(ctx context.Context, m *mark) (*store.Recount, error) {
	areas, err := c.areasOf(ctx, m.partition)
	if err != nil {
		return nil, err
	}
	found := &store.Recount{Areas: areas}
	var device, at, flags int64
	var value float64
	return found, each(ctx, c.tx, func(rows *sql.Rows) error {
		if err := rows.Scan(&device, &at, &value, &flags); err != nil {
			return err
		}
		found.Add(device, fromMicros(at), value, flags)
		return nil
	}, `SELECT r.device, r.time, r.value, r.flags FROM device_partitions p CROSS JOIN readings r
		WHERE p.partition = ?1 AND r.device = p.device AND r.time >= ?2 AND r.time < ?3 AND r.partition = ?1
			AND r.type = (SELECT id FROM device_types WHERE name = ?4)
		ORDER BY p.device`,
		m.partition, m.start, m.start+m.length, m.deviceType)
}
