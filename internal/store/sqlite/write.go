package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"iotmon/internal/archive"
	"iotmon/internal/iot"
	"iotmon/internal/store"
)

// Offsets implements archive.Store.
func (s *Store) Offsets(ctx context.Context, topic string) (map[archive.Source]archive.Offset, error) {
	offsets := make(map[archive.Source]archive.Offset)
	err := each(ctx, s.reader, func(rows *sql.Rows) error {
		source := archive.Source{Topic: topic}
		var offset archive.Offset
		if err := rows.Scan(&source.Partition, &offset.Epoch, &offset.Next, &offset.Log, &offset.Limits); err != nil {
			return err
		}
		offsets[source] = offset
		return nil
	}, `SELECT partition, epoch, next, log, coalesce(settings, '') FROM offsets LEFT JOIN limits USING (topic, partition) WHERE topic = ?`, topic)
	if err != nil {
		return nil, fmt.Errorf("read offsets of %s: %w", topic, err)
	}
	return offsets, nil
}

// Write implements archive.Store.
func (s *Store) Write(ctx context.Context, batch *archive.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fitCache(ctx); err != nil {
		return err
	}
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // After a commit it does nothing, before one the commit's error counts.
	w := &batchWriter{
		tx: tx, names: &s.names, newTypes: make(map[iot.DeviceType]int64), newAreas: make(map[iot.Area]int64), statements: make(map[string]*sql.Stmt),
	}
	if err := w.move(ctx, batch.Moves, s.readingsTopic); err != nil {
		return err
	}
	if err := w.readings(ctx, batch.Readings); err != nil {
		return fmt.Errorf("write readings: %w", err)
	}
	if err := w.areas(ctx, batch.Areas); err != nil {
		return fmt.Errorf("write areas of devices: %w", err)
	}
	if err := w.summaries(ctx, batch.Summaries); err != nil {
		return fmt.Errorf("write summaries: %w", err)
	}
	if err := w.alerts(ctx, batch.Alerts); err != nil {
		return fmt.Errorf("write alerts: %w", err)
	}
	if _, err := recompute(ctx, tx, s.readingsTopic); err != nil {
		return fmt.Errorf("recompute windows: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	w.keepNames()
	for _, err := range w.leftOut {
		s.refused(err)
	}
	return nil
}

// batchWriter writes one batch. keepNames copies its new names to the Store after the commit.
type batchWriter struct {
	tx         *sql.Tx
	names      *names
	newTypes   map[iot.DeviceType]int64
	newAreas   map[iot.Area]int64
	newDevices iot.ByDevice[*device]
	// statements holds what prepared has prepared, by its text.
	statements map[string]*sql.Stmt
	// leftOut holds the reasons for rows that are not written.
	leftOut []error
}

// prepared returns a statement that is prepared once for the batch and closed with its transaction: to prepare that of an alert takes
// longer than to execute it while the tables are small.
func (w *batchWriter) prepared(ctx context.Context, text string) (*sql.Stmt, error) {
	if statement := w.statements[text]; statement != nil {
		return statement, nil
	}
	statement, err := w.tx.PrepareContext(ctx, text)
	if err == nil {
		w.statements[text] = statement
	}
	return statement, err
}

// exec executes a statement that a batch has many times.
func (w *batchWriter) exec(ctx context.Context, text string, args ...any) error {
	statement, err := w.prepared(ctx, text)
	if err == nil {
		_, err = statement.ExecContext(ctx, args...)
	}
	return err
}

// How far a clock may go back, and how far it may jump, in microseconds; see moveOffset.
const (
	clockStep = int64(time.Hour / time.Microsecond)
	clockJump = int64(24 * time.Hour / time.Microsecond)
)

// moveOffset moves an offset if it has the value that the archiver expects. retained follows the append times: back at
// once, forward by more than clockJump only after append times have stayed there for as long. 0 means unknown.
const moveOffset = `UPDATE offsets SET epoch = ?1, next = ?2, log = ?10, appended = max(appended, ?3),
	retained = CASE
		WHEN ?3 = 0 THEN retained
		WHEN retained = 0 OR ?3 < retained - ?8 THEN ?3
		WHEN ?3 <= retained + ?9 THEN max(retained, ?3)
		WHEN ahead <> 0 AND ?3 >= ahead + ?9 THEN ?3
		ELSE retained END,
	ahead = CASE
		WHEN ?3 = 0 THEN ahead
		WHEN retained = 0 OR ?3 <= retained + ?9 OR ahead <> 0 AND ?3 >= ahead + ?9 THEN 0
		WHEN ahead = 0 THEN ?3
		ELSE min(ahead, ?3) END
	WHERE topic = ?4 AND partition = ?5 AND epoch = ?6 AND next = ?7`

const storeLimits = `INSERT INTO limits (topic, partition, settings) VALUES (?1, ?2, ?3)
	ON CONFLICT (topic, partition) DO UPDATE SET settings = excluded.settings`

// move moves the offsets, each only if it has the value that the archiver expects.
func (w *batchWriter) move(ctx context.Context, moves []archive.Move, readingsTopic string) error {
	for _, m := range moves {
		result, err := w.tx.ExecContext(ctx, moveOffset,
			m.New.Epoch, m.New.Next, micros(m.Appended), m.Source.Topic, m.Source.Partition, m.Old.Epoch, m.Old.Next, clockStep, clockJump, m.New.Log)
		if err == nil && m.Old.Epoch == 0 && m.Old.Next == 0 && !changed(result) {
			result, err = w.tx.ExecContext(ctx, `INSERT OR IGNORE INTO offsets (topic, partition, epoch, next, appended, retained, log) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)`,
				m.Source.Topic, m.Source.Partition, m.New.Epoch, m.New.Next, micros(m.Appended), m.New.Log)
		}
		if err != nil {
			return fmt.Errorf("move offset of %s/%d: %w", m.Source.Topic, m.Source.Partition, err)
		}
		if !changed(result) {
			return fmt.Errorf("%s/%d is not at %d: %w", m.Source.Topic, m.Source.Partition, m.Old.Next, archive.ErrOffsetsMoved)
		}
		if m.New.Limits != m.Old.Limits {
			if _, err := w.tx.ExecContext(ctx, storeLimits, m.Source.Topic, m.Source.Partition, m.New.Limits); err != nil {
				return fmt.Errorf("store limits of %s/%d: %w", m.Source.Topic, m.Source.Partition, err)
			}
		}
		if m.New.Epoch > m.Old.Epoch && m.Source.Topic == readingsTopic {
			// The log was recreated, so no more readings of the old one will come. Position 0 makes its marks due.
			if _, err := w.tx.ExecContext(ctx, `UPDATE dirty_windows SET position = 0 WHERE partition = ?`, m.Source.Partition); err != nil {
				return fmt.Errorf("release marks of partition %d: %w", m.Source.Partition, err)
			}
		}
	}
	return nil
}

func changed(result sql.Result) bool {
	n, err := result.RowsAffected()
	return err == nil && n > 0
}

// typeID returns the row id of a device type, and adds the row if it is new.
func (w *batchWriter) typeID(ctx context.Context, t iot.DeviceType) (int64, error) {
	if id, ok := w.names.types[t]; ok {
		return id, nil
	}
	if id, ok := w.newTypes[t]; ok {
		return id, nil
	}
	var id int64
	err := w.tx.QueryRowContext(ctx, `INSERT INTO device_types (name) VALUES (?) ON CONFLICT DO UPDATE SET name = name RETURNING id`, t).Scan(&id)
	w.newTypes[t] = id
	return id, err
}

// areaID returns the row id of an area, 0 if it is unknown, and adds the row if it is new and there are not too many.
func (w *batchWriter) areaID(ctx context.Context, area iot.Area) (int64, error) {
	if area == "" {
		return 0, nil
	}
	if id, ok := w.names.areas[area]; ok {
		return id, nil
	}
	if id, ok := w.newAreas[area]; ok {
		return id, nil
	}
	if len(w.names.areas)+len(w.newAreas) >= store.LastArea {
		return store.OtherArea, nil
	}
	var id int64
	err := w.tx.QueryRowContext(ctx, `INSERT INTO areas (tenant, area) VALUES ('', ?) ON CONFLICT DO UPDATE SET area = area RETURNING id`, area).Scan(&id)
	w.newAreas[area] = id
	return id, err
}

// keepNames copies the names of the committed batch to the Store.
func (w *batchWriter) keepNames() {
	for t, id := range w.newTypes {
		w.names.types[t] = id
	}
	for area, id := range w.newAreas {
		w.names.areas[area] = id
	}
	for id, d := range w.newDevices.All() {
		w.names.devices.Set(id, d)
	}
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// microsOrNull is micros, or NULL for the zero time.
func microsOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time { return time.UnixMicro(us).UTC() }
