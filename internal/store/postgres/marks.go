package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"iotmon/internal/iot"
	"iotmon/internal/store"
)

const (
	// marksPerStep is the maximum number of windows recomputed in one transaction. A gateway that reconnects after a week
	// marks tens of thousands: they must not block the archive.
	marksPerStep = 64
	// longestStep ends a step earlier; its other windows follow in the next step.
	longestStep = 250 * time.Millisecond
)

// mark is a row of dirty_windows.
type mark struct {
	partition  int32
	deviceType iot.DeviceType
	start      time.Time
	length     time.Duration
	epoch      int32
	position   int64
}

// key returns a summary with the mark's key, for sorting.
func (m *mark) key() *iot.WindowSummary {
	return &iot.WindowSummary{Type: m.deviceType, Window: iot.Window{Start: m.start, Length: m.length}, Position: iot.Position{Partition: m.partition}}
}

// Recompute implements archive.Store.
func (s *Store) Recompute(ctx context.Context) error {
	for {
		var n int
		err := s.transact(ctx, func(ctx context.Context, tx pgx.Tx) error {
			var err error
			if n, err = expandMark(ctx, tx, s.readingsTopic); err != nil || n > 0 {
				return err
			}
			n, err = recompute(ctx, tx, s.readingsTopic)
			return err
		})
		if err != nil || n == 0 {
			return err
		}
	}
}

// expandMark replaces a mark without a type, whose readings are all stored, by one for each type that has readings in the window,
// and returns how many it replaced, 0 or 1.
//
// It locks no other mark without a type, and those that a batch stores are locked before those with one, so nobody waits in a
// circle.
func expandMark(ctx context.Context, tx pgx.Tx, readingsTopic string) (int, error) {
	var m mark
	var length int64
	err := tx.QueryRow(ctx, `SELECT d.partition, d.window_start, d.length_us, d.epoch, d.position
		FROM dirty_windows d JOIN offsets o ON o.topic = $1 AND o.partition = d.partition
		WHERE d.device_type = '' AND o.next >= d.position
		LIMIT 1 FOR UPDATE OF d SKIP LOCKED`, readingsTopic).Scan(&m.partition, &m.start, &length, &m.epoch, &m.position)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	end := m.start.Add(time.Duration(length) * time.Microsecond)
	batch := new(pgx.Batch)
	batch.Queue(scanByTime)
	batch.Queue(`INSERT INTO dirty_windows AS d (partition, device_type, window_start, length_us, epoch, position)
		SELECT $1, t.name, $2, $4, $5, $6 FROM device_types t
		WHERE t.id IN (SELECT type FROM readings WHERE time >= $2 AND time < $3 AND partition = $1)
		ORDER BY t.name COLLATE "C"
		ON CONFLICT (partition, device_type, window_start, length_us) DO UPDATE SET epoch = excluded.epoch, position = excluded.position
		WHERE (excluded.epoch, excluded.position) > (d.epoch, d.position)`,
		m.partition, m.start, end, length, m.epoch, m.position)
	batch.Queue(`DELETE FROM dirty_windows WHERE partition = $1 AND device_type = '' AND window_start = $2 AND length_us = $3`,
		m.partition, m.start, length)
	return 1, tx.SendBatch(ctx, batch).Close()
}

// recompute corrects marked windows whose readings are all stored, no more than a step's worth, and returns how many.
func recompute(ctx context.Context, tx pgx.Tx, readingsTopic string) (int, error) {
	due, err := dueMarks(ctx, tx, readingsTopic)
	if err != nil {
		return 0, err
	}
	began, corrector := time.Now(), newCorrector(tx)
	for i := range due {
		if err := corrector.correct(ctx, &due[i]); err != nil {
			return i, err
		}
		if time.Since(began) > longestStep {
			return i + 1, nil
		}
	}
	return len(due), nil
}

// dueMarks locks the marks of windows whose readings are all stored, no more than a step's worth, and returns them in the
// order in which summaries are locked.
//
// A mark stays locked while its window is recomputed, and marks that another transaction has locked are skipped, so nothing
// waits here. A late reading that arrives meanwhile waits for the lock and then marks the window again.
//
// Only offsets are compared, not epochs: the processor and the archiver count the epochs of a log separately, and with a
// new database or consumer group one of them starts at 0. Marks of a log that was recreated were released when the offsets
// moved to the new log.
func dueMarks(ctx context.Context, tx pgx.Tx, readingsTopic string) ([]mark, error) {
	var marks []mark
	err := each(ctx, tx, func(rows pgx.Rows) error {
		var m mark
		var length int64
		if err := rows.Scan(&m.partition, &m.deviceType, &m.start, &length, &m.epoch, &m.position); err != nil {
			return err
		}
		m.length = time.Duration(length) * time.Microsecond
		marks = append(marks, m)
		return nil
	}, `SELECT d.partition, d.device_type, d.window_start, d.length_us, d.epoch, d.position
		FROM dirty_windows d JOIN offsets o ON o.topic = $1 AND o.partition = d.partition WHERE d.device_type <> '' AND o.next >= d.position
		ORDER BY d.window_start, d.device_type, d.length_us, d.partition LIMIT $2 FOR UPDATE OF d SKIP LOCKED`,
		readingsTopic, marksPerStep)
	if err != nil || len(marks) == 0 {
		return nil, err
	}
	_, err = tx.Exec(ctx, scanByTime)
	return marks, err
}

// correctSummary replaces the numbers that derive from the readings, and keeps those of the moment at which the window
// closed, such as the alerts. If fewer readings are found than were counted, some have been deleted from the log or the
// archive, and the stored summary stays. A replaced summary becomes a correction to be published.
const correctSummary = `WITH corrected AS (INSERT INTO summaries AS s
		(window_start, device_type, partition, length_us, count, sum, terms, min, max, devices, online, offline, alert_count, epoch, position,
		 uncertain, bad, parts)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0, 0, $11, $12, $13, $14, $15)
	ON CONFLICT (window_start, device_type, length_us, partition) DO UPDATE SET
		count = excluded.count, uncertain = excluded.uncertain, bad = excluded.bad, sum = excluded.sum, terms = excluded.terms, min = excluded.min, max = excluded.max,
		devices = excluded.devices,
		epoch = greatest(s.epoch, excluded.epoch),
		position = CASE
			WHEN excluded.epoch > s.epoch THEN excluded.position
			WHEN excluded.epoch = s.epoch THEN greatest(s.position, excluded.position)
			ELSE s.position END,
		parts = excluded.parts
	WHERE excluded.count + excluded.bad >= s.count + s.bad
	RETURNING 1)
	INSERT INTO corrections (window_start, device_type, length_us, partition) SELECT $1, $2, $4, $3 FROM corrected
	ON CONFLICT (window_start, device_type, length_us, partition) DO UPDATE SET id = DEFAULT`

// correct recomputes the window of a mark that this transaction has locked.
func (c *corrector) correct(ctx context.Context, m *mark) error {
	found, err := c.recounted(ctx, m)
	if err != nil {
		return err
	}
	batch := new(pgx.Batch)
	if summary := &found.Whole; summary.Count+summary.Bad > 0 {
		parts, err := divide(ctx, c.tx, m, found)
		if err != nil {
			return err
		}
		batch.Queue(correctSummary, m.start, m.deviceType, m.partition, m.length.Microseconds(), summary.Count, summary.Sum.Float64(),
			store.EncodeSum(summary.Sum), summary.Min, summary.Max, summary.Devices, m.epoch, m.position,
			summary.Uncertain, summary.Bad, parts)
	}
	batch.Queue(`DELETE FROM dirty_windows WHERE partition = $1 AND device_type = $2 AND window_start = $3 AND length_us = $4`,
		m.partition, m.deviceType, m.start, m.length.Microseconds())
	return c.tx.SendBatch(ctx, batch).Close()
}

// divide returns the encoded groups of a recomputed window. It locks the stored summary, from whose groups it takes what belongs to
// the moment at which the window closed.
func divide(ctx context.Context, tx pgx.Tx, m *mark, found *store.Recount) ([]byte, error) {
	var before iot.WindowSummary
	err := each(ctx, tx, func(rows pgx.Rows) (err error) {
		before, err = scanSummary(rows)
		return err
	}, `SELECT window_start, device_type, partition, length_us, count, terms, min, max, devices, online, offline, alert_count,
			epoch, position, uncertain, bad, NULL, parts
		FROM summaries WHERE window_start = $1 AND device_type = $2 AND length_us = $3 AND partition = $4 FOR UPDATE`,
		m.start, m.deviceType, m.length.Microseconds(), m.partition)
	if err != nil {
		return nil, err
	}
	groups := found.Divide(m.deviceType, &before)
	return store.EncodeGroups(&iot.WindowSummary{Summary: found.Whole, Groups: groups}), nil
}

// recounted adds up the stored readings of one partition's window.
func (c *corrector) recounted(ctx context.Context, m *mark) (*store.Recount, error) {
	areas, err := c.areasOf(ctx, m.partition)
	if err != nil {
		return nil, err
	}
	found := &store.Recount{Areas: areas}
	var device, flags int64
	var at time.Time
	var value float64
	return found, each(ctx, c.tx, func(rows pgx.Rows) error {
		if err := rows.Scan(&device, &at, &value, &flags); err != nil {
			return err
		}
		found.Add(device, at, value, flags)
		return nil
	}, `SELECT device, time, value, flags FROM readings
		WHERE time >= $1 AND time < $2 AND partition = $3 AND type = (SELECT id FROM device_types WHERE name = $4)
		ORDER BY device`,
		m.start, m.start.Add(m.length), m.partition, m.deviceType)
}
