package postgres

import (
	"context"
	"fmt"
	"slices"

	"iotmon/internal/archive"
	"iotmon/internal/iot"
)

// refused reports whether the server refuses the content of a row, so that a retry fails too: class 22 is data, 54 a limit
// such as the size of an index entry.
func refused(err error) bool {
	state := code(err)
	return state != "" && slices.Contains([]string{"22", "54"}, state[:2]) || state == notNullViolation
}

// writeWithoutRefused writes a batch without the rows whose content the server refuses, because retrying them would fail
// forever. Admission should have rejected such content already; this is a safety net.
func (in *intake) writeWithoutRefused(ctx context.Context, batch *archive.Batch) error {
	err := writeHalves(ctx, in, batch.Readings, func(part *intake, readings []archive.Reading) error {
		known := newNames() // Rows added by a part may have been rolled back since.
		part.names = newNaming(part.tx, &known)
		return part.readings(ctx, readings)
	}, func(r *archive.Reading) string { return fmt.Sprintf("reading of %.64q at %v", r.ID, r.Time) })
	if err != nil {
		return fmt.Errorf("write readings: %w", err)
	}
	err = writeHalves(ctx, in, batch.Alerts, func(part *intake, alerts []iot.Alert) error { return part.alerts(ctx, alerts) },
		func(a *iot.Alert) string {
			return fmt.Sprintf("alert of %.64q by %.64q at %v", a.DeviceID, a.Rule, a.Time)
		})
	if err != nil {
		return fmt.Errorf("write alerts: %w", err)
	}
	err = writeHalves(ctx, in, batch.Areas, func(part *intake, areas []iot.DeviceAreas) error { return part.areas(ctx, areas) },
		func(d *iot.DeviceAreas) string { return fmt.Sprintf("areas of %.64q", d.ID) })
	if err != nil {
		return fmt.Errorf("write areas of devices: %w", err)
	}
	err = writeHalves(ctx, in, batch.Summaries, func(part *intake, summaries []iot.WindowSummary) error { return part.storeSummaries(ctx, summaries) },
		func(s *iot.WindowSummary) string { return fmt.Sprintf("window of %.64q at %v", s.Type, s.Window.Start) })
	if err != nil {
		return fmt.Errorf("write summaries: %w", err)
	}
	return nil
}

// writeHalves writes rows together. If the server refuses them it writes them in halves, down to the refused row, which
// goes to leftOut.
func writeHalves[T any](ctx context.Context, in *intake, rows []T, write func(part *intake, rows []T) error, name func(*T) string) error {
	if len(rows) == 0 {
		return nil
	}
	inner, err := in.tx.Begin(ctx)
	if err != nil {
		return err
	}
	part := *in
	part.tx = inner
	if err = write(&part, rows); err == nil {
		return inner.Commit(ctx)
	}
	if failed := inner.Rollback(ctx); failed != nil || !refused(err) {
		return err
	}
	if len(rows) == 1 {
		in.leftOut = append(in.leftOut, fmt.Errorf("%s: %w", name(&rows[0]), err))
		return nil
	}
	for _, half := range [][]T{rows[:len(rows)/2], rows[len(rows)/2:]} {
		if err := writeHalves(ctx, in, half, write, name); err != nil {
			return err
		}
	}
	return nil
}

// storeSummaries stores marks and final summaries; Recompute does the due windows later.
func (in *intake) storeSummaries(ctx context.Context, summaries []iot.WindowSummary) error {
	marks, finals := sorted(summaries)
	if err := in.marks(ctx, marks); err != nil {
		return err
	}
	return in.finals(ctx, finals)
}
