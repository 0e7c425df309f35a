package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"iotmon/internal/iot"
)

// summaries stores final summaries and the marks of windows that have become wrong.
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
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *batchWriter) final(ctx context.Context, s *iot.WindowSummary) error {
	alerts, err := json.Marshal(s.Alerts)
	if err != nil {
		return err
	}
	_, err = w.tx.ExecContext(ctx, `INSERT INTO summaries
			(window_start, device_type, partition, length, count, sum, min, max, devices, online, offline, alert_count, alerts, epoch, position)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET
			length = excluded.length, count = excluded.count, sum = excluded.sum, min = excluded.min, max = excluded.max,
			devices = excluded.devices, online = excluded.online, offline = excluded.offline,
			alert_count = excluded.alert_count, alerts = excluded.alerts, epoch = excluded.epoch, position = excluded.position
		WHERE (excluded.epoch, excluded.position) > (epoch, position)`,
		micros(s.Window.Start), s.Type, s.Partition, s.Window.Length.Microseconds(), s.Count, encodeSum(s.Sum), s.Min, s.Max,
		s.Devices, s.Online, s.Offline, s.AlertCount, string(alerts), s.Epoch, s.Offset)
	return err
}

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
		ON CONFLICT DO UPDATE SET length = excluded.length, epoch = excluded.epoch, position = excluded.position
		WHERE (excluded.epoch, excluded.position) > (epoch, position)`,
		s.Partition, s.Type, micros(s.Window.Start), s.Window.Length.Microseconds(), s.Epoch, s.Offset)
	return err
}

// recompute corrects every marked window whose readings are all stored.
func (w *batchWriter) recompute(ctx context.Context, readingsTopic string) error {
	var marks []mark
	err := each(ctx, w.tx, func(rows *sql.Rows) error {
		var m mark
		if err := rows.Scan(&m.partition, &m.deviceType, &m.start, &m.length, &m.epoch, &m.position); err != nil {
			return err
		}
		marks = append(marks, m)
		return nil
	}, `SELECT d.partition, d.device_type, d.window_start, d.length, d.epoch, d.position
		FROM dirty_windows d JOIN offsets o ON o.topic = ? AND o.partition = d.partition WHERE o.next >= d.position`, readingsTopic)
	if err != nil || len(marks) == 0 {
		return err
	}
	for i := range marks {
		if err := w.correct(ctx, &marks[i]); err != nil {
			return err
		}
	}
	return nil
}

// correct replaces the numbers that follow from the readings, and keeps those of the moment at which the window closed.
func (w *batchWriter) correct(ctx context.Context, m *mark) error {
	summary, err := w.recomputed(ctx, m)
	if err != nil {
		return err
	}
	if summary.Count > 0 {
		_, err = w.tx.ExecContext(ctx, `INSERT INTO summaries
				(window_start, device_type, partition, length, count, sum, min, max, devices, online, offline, alert_count, alerts, epoch, position)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 'null', ?, ?)
			ON CONFLICT DO UPDATE SET
				count = excluded.count, sum = excluded.sum, min = excluded.min, max = excluded.max, devices = excluded.devices,
				epoch = max(epoch, excluded.epoch), position = CASE WHEN excluded.epoch > epoch THEN excluded.position ELSE max(position, excluded.position) END`,
			m.start, m.deviceType, m.partition, m.length, summary.Count, encodeSum(summary.Sum), summary.Min, summary.Max, summary.Devices, m.epoch, m.position)
		if err != nil {
			return err
		}
	}
	_, err = w.tx.ExecContext(ctx, `DELETE FROM dirty_windows WHERE partition = ? AND device_type = ? AND window_start = ?`,
		m.partition, m.deviceType, m.start)
	return err
}

// encodeSum writes the terms of an exact sum; none is 0.
func encodeSum(s iot.Sum) []byte {
	terms := s.Terms()
	blob := make([]byte, 0, 8*len(terms))
	for _, term := range terms {
		blob = binary.LittleEndian.AppendUint64(blob, math.Float64bits(term))
	}
	return blob
}

func decodeSum(blob []byte) iot.Sum {
	var s iot.Sum
	for ; len(blob) >= 8; blob = blob[8:] {
		s.Add(math.Float64frombits(binary.LittleEndian.Uint64(blob)))
	}
	return s
}

// scanSummary reads one partition's row.
func scanSummary(rows *sql.Rows) (iot.WindowSummary, error) {
	var s iot.WindowSummary
	var start, length int64
	var sum []byte
	var alerts string
	if err := rows.Scan(&start, &s.Type, &s.Partition, &length, &s.Count, &sum, &s.Min, &s.Max,
		&s.Devices, &s.Online, &s.Offline, &s.AlertCount, &alerts, &s.Epoch, &s.Offset); err != nil {
		return s, err
	}
	s.Window = iot.Window{Start: fromMicros(start), Length: time.Duration(length) * time.Microsecond}
	s.Sum = decodeSum(sum)
	s.Final = true
	if alerts != "" {
		if err := json.Unmarshal([]byte(alerts), &s.Alerts); err != nil {
			return s, fmt.Errorf("alerts of window %v: %w", s.Window.Start, err)
		}
	}
	return s, nil
}
