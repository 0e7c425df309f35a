package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/store"
)

// summaries stores final summaries and the marks of windows to recompute.
func (w *batchWriter) summaries(ctx context.Context, summaries []iot.WindowSummary) error {
	for i := range summaries {
		s := &summaries[i]
		var err error
		switch {
		case s.Late:
			err = w.mark(ctx, s)
		case s.Final:
			err = w.final(ctx, s)
		}
		if err := w.skipRefused(err, "window of %.64q at %v", s.Type, s.Window.Start); err != nil {
			return err
		}
	}
	return nil
}

// final stores a summary, unless the stored one has a higher position.
func (w *batchWriter) final(ctx context.Context, s *iot.WindowSummary) error {
	length := s.Window.Length.Microseconds()
	result, err := w.tx.ExecContext(ctx, `INSERT INTO summaries
			(window_start, device_type, partition, length, count, uncertain, bad, sum, min, max, devices, online, offline, alert_count, epoch, position, parts)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET
			count = excluded.count, uncertain = excluded.uncertain, bad = excluded.bad, sum = excluded.sum, min = excluded.min, max = excluded.max,
			devices = excluded.devices, online = excluded.online, offline = excluded.offline,
			alert_count = excluded.alert_count, epoch = excluded.epoch, position = excluded.position, parts = excluded.parts
		WHERE (excluded.epoch, excluded.position) > (epoch, position)`,
		micros(s.Window.Start), s.Type, s.Partition, length, s.Count, s.Uncertain, s.Bad, store.EncodeSum(s.Sum), s.Min, s.Max,
		s.Devices, s.Online, s.Offline, s.AlertCount, s.Epoch, s.Offset, store.EncodeGroups(s))
	if err != nil || !changed(result) {
		return err
	}
	if len(s.Alerts) == 0 {
		_, err = w.tx.ExecContext(ctx, `DELETE FROM summary_alerts WHERE window_start = ? AND device_type = ? AND partition = ? AND length = ?`,
			micros(s.Window.Start), s.Type, s.Partition, length)
		return err
	}
	_, err = w.tx.ExecContext(ctx, `INSERT OR REPLACE INTO summary_alerts (window_start, device_type, partition, length, alerts) VALUES (?, ?, ?, ?, ?)`,
		micros(s.Window.Start), s.Type, s.Partition, length, store.EncodeAlerts(s.Alerts))
	return err
}

// scanSummary scans one partition's row of summaries, and further columns into more. The column parts is NULL if groups are not
// needed.
func scanSummary(rows *sql.Rows, more ...any) (iot.WindowSummary, error) {
	var s iot.WindowSummary
	var start, length int64
	var sum, parts sql.RawBytes
	var alerts sql.NullString
	row := []any{&start, &s.Type, &s.Partition, &length, &s.Count, &s.Uncertain, &s.Bad, &sum, &s.Min, &s.Max,
		&s.Devices, &s.Online, &s.Offline, &s.AlertCount, &s.Epoch, &s.Offset, &alerts, &parts}
	if err := rows.Scan(append(row, more...)...); err != nil {
		return s, err
	}
	s.Window = iot.Window{Start: fromMicros(start), Length: time.Duration(length) * time.Microsecond}
	s.Sum = store.DecodeSum(sum)
	s.Final = true
	s.Groups = store.DecodeGroups(parts, &s)
	if !alerts.Valid {
		return s, nil
	}
	var err error
	if s.Alerts, err = store.DecodeAlerts(alerts.String); err != nil {
		return s, fmt.Errorf("alerts of window %v: %w", s.Window.Start, err)
	}
	return s, nil
}
