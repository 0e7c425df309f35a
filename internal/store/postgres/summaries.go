package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"iotmon/internal/iot"
	"iotmon/internal/store"
)

const (
	storeFinal = `INSERT INTO summaries AS s
			(window_start, device_type, partition, length_us, count, sum, terms, min, max, devices, online, offline, alert_count, epoch, position,
			 uncertain, bad, parts)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
		ON CONFLICT (window_start, device_type, length_us, partition) DO UPDATE SET
			count = excluded.count, uncertain = excluded.uncertain, bad = excluded.bad, sum = excluded.sum, terms = excluded.terms,
			min = excluded.min, max = excluded.max,
			devices = excluded.devices, online = excluded.online, offline = excluded.offline,
			alert_count = excluded.alert_count, epoch = excluded.epoch, position = excluded.position, parts = excluded.parts
		WHERE (excluded.epoch, excluded.position) > (s.epoch, s.position)`
	// The list of alerts is replaced only if the stored summary is the one just written.
	storeAlertList = `INSERT INTO summary_alerts (window_start, device_type, partition, length_us, alerts)
		SELECT window_start, device_type, partition, length_us, $7 FROM summaries
			WHERE window_start = $1 AND device_type = $2 AND partition = $3 AND length_us = $4 AND epoch = $5 AND position = $6
		ON CONFLICT (window_start, device_type, length_us, partition) DO UPDATE SET alerts = excluded.alerts`
	dropAlertList = `DELETE FROM summary_alerts WHERE window_start = $1 AND device_type = $2 AND partition = $3 AND length_us = $4`
	storeMark     = `INSERT INTO dirty_windows AS d (partition, device_type, window_start, length_us, epoch, position)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (partition, device_type, window_start, length_us) DO UPDATE SET epoch = excluded.epoch, position = excluded.position
		WHERE (excluded.epoch, excluded.position) > (d.epoch, d.position)`
)

// summaries stores final summaries and the marks of windows to recompute, and recomputes the due ones.
//
// Another archiver may be recomputing the windows whose summaries are stored here, and vice versa. To avoid a deadlock all
// rows are locked in one order: first the marks, then the stored and the recomputed summaries together.
func (in *intake) summaries(ctx context.Context, summaries []iot.WindowSummary) error {
	marks, finals := sorted(summaries)
	if err := in.marks(ctx, marks); err != nil {
		return err
	}
	due, err := dueMarks(ctx, in.tx, in.readingsTopic)
	if err != nil {
		return err
	}
	began, corrector := time.Now(), newCorrector(in.tx)
	for i := 0; i < len(due) && (i == 0 || time.Since(began) < longestStep); i++ {
		before := 0
		for before < len(finals) && byKey(finals[before], due[i].key()) <= 0 {
			before++
		}
		if err := in.finals(ctx, finals[:before]); err != nil {
			return err
		}
		finals = finals[before:]
		if err := corrector.correct(ctx, &due[i]); err != nil {
			return fmt.Errorf("recompute a window: %w", err)
		}
	}
	return in.finals(ctx, finals)
}

// sorted splits summaries into marks and final ones, the latter sorted by key.
func sorted(summaries []iot.WindowSummary) (marks, finals []*iot.WindowSummary) {
	for i := range summaries {
		switch s := &summaries[i]; {
		case s.Late:
			marks = append(marks, s)
		case s.Final:
			finals = append(finals, s)
		}
	}
	slices.SortStableFunc(finals, byKey)
	return marks, finals
}

// byKey sorts summaries by window, type and partition; the sort is stable.
func byKey(a, b *iot.WindowSummary) int {
	return cmp.Or(a.Window.Start.Compare(b.Window.Start), cmp.Compare(a.Type, b.Type),
		cmp.Compare(a.Window.Length, b.Window.Length), cmp.Compare(a.Partition, b.Partition))
}

func (in *intake) marks(ctx context.Context, marks []*iot.WindowSummary) error {
	slices.SortStableFunc(marks, func(a, b *iot.WindowSummary) int {
		return cmp.Or(cmp.Compare(min(1, len(a.Type)), min(1, len(b.Type))), byKey(a, b)) // As expandMark locks them.
	})
	batch := new(pgx.Batch)
	for _, s := range marks {
		batch.Queue(storeMark, s.Partition, s.Type, s.Window.Start, s.Window.Length.Microseconds(), s.Epoch, s.Offset)
	}
	return in.tx.SendBatch(ctx, batch).Close()
}

// finals stores each summary, unless the stored one has a higher position.
func (in *intake) finals(ctx context.Context, finals []*iot.WindowSummary) error {
	if len(finals) == 0 {
		return nil
	}
	batch := new(pgx.Batch)
	for _, s := range finals {
		batch.Queue(storeFinal, s.Window.Start, s.Type, s.Partition, s.Window.Length.Microseconds(), s.Count, s.Sum.Float64(),
			store.EncodeSum(s.Sum), s.Min, s.Max, s.Devices, s.Online, s.Offline, s.AlertCount, s.Epoch, s.Offset,
			s.Uncertain, s.Bad, store.EncodeGroups(s))
	}
	results := in.tx.SendBatch(ctx, batch)
	var stored []*iot.WindowSummary
	for _, s := range finals {
		done, err := results.Exec()
		if err != nil {
			_ = results.Close()
			return err
		}
		if done.RowsAffected() > 0 {
			stored = append(stored, s)
		}
	}
	if err := results.Close(); err != nil {
		return err
	}
	return in.alertLists(ctx, stored)
}

// alertLists replaces the alert lists of summaries that have just been stored.
func (in *intake) alertLists(ctx context.Context, stored []*iot.WindowSummary) error {
	batch := new(pgx.Batch)
	for _, s := range stored {
		length := s.Window.Length.Microseconds()
		batch.Queue(dropAlertList, s.Window.Start, s.Type, s.Partition, length)
		if len(s.Alerts) > 0 {
			batch.Queue(storeAlertList, s.Window.Start, s.Type, s.Partition, length, s.Epoch, s.Offset, store.EncodeAlerts(s.Alerts))
		}
	}
	return in.tx.SendBatch(ctx, batch).Close()
}

// scanSummary scans one partition's row of summaries, and further columns into more. The column parts is NULL if groups are not
// needed.
func scanSummary(rows pgx.Rows, more ...any) (iot.WindowSummary, error) {
	var s iot.WindowSummary
	var length int64
	var terms, parts []byte
	var alerts *string
	row := []any{&s.Window.Start, &s.Type, &s.Partition, &length, &s.Count, &terms, &s.Min, &s.Max,
		&s.Devices, &s.Online, &s.Offline, &s.AlertCount, &s.Epoch, &s.Offset, &s.Uncertain, &s.Bad, &alerts, &parts}
	if err := rows.Scan(append(row, more...)...); err != nil {
		return s, err
	}
	s.Window.Length = time.Duration(length) * time.Microsecond
	s.Sum = store.DecodeSum(terms)
	s.Final = true
	s.Groups = store.DecodeGroups(parts, &s)
	if alerts == nil {
		return s, nil
	}
	var err error
	if s.Alerts, err = store.DecodeAlerts(*alerts); err != nil {
		return s, fmt.Errorf("alerts of window %v: %w", s.Window.Start, err)
	}
	return s, nil
}
