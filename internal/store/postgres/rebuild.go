package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// dirtyHour is a marked hour of a device, with the end of the minutes to rebuild.
type dirtyHour struct {
	device      int64
	hour, until time.Time
}

// rebuildSome rebuilds some of the marked hours and reports whether there may be more.
func (s *Store) rebuildSome(ctx context.Context) (more bool, err error) {
	err = s.withRollLock(ctx, func(ctx context.Context, tx pgx.Tx) error {
		marked, err := lockHours(ctx, tx)
		if err != nil || len(marked) == 0 {
			return err
		}
		more = true
		return rebuild(ctx, tx, marked)
	})
	if err != nil {
		return false, fmt.Errorf("rebuild hours: %w", err)
	}
	return more, nil
}

// lockHours locks some of the marks, but none that another transaction is setting.
func lockHours(ctx context.Context, tx pgx.Tx) ([]dirtyHour, error) {
	var marked []dirtyHour
	err := each(ctx, tx, func(rows pgx.Rows) error {
		var h dirtyHour
		err := rows.Scan(&h.hour, &h.device)
		marked = append(marked, h)
		return err
	}, `SELECT hour, device FROM dirty_hours ORDER BY hour, device LIMIT $1 FOR UPDATE SKIP LOCKED`, hoursPerStep)
	if err != nil || len(marked) == 0 {
		return nil, err
	}
	limits, err := rolledLimits(ctx, tx, marked)
	for i := range marked {
		h := &marked[i]
		h.until = h.hour.Add(time.Hour)
		if limit, ok := limits[h.device]; !ok || limit.Before(h.hour) {
			h.until = h.hour
		} else if limit.Before(h.until) {
			h.until = limit
		}
	}
	return marked, err
}

// rolledLimits returns up to when each device is rolled up in all of its partitions.
func rolledLimits(ctx context.Context, tx pgx.Tx, marked []dirtyHour) (map[int64]time.Time, error) {
	devices := make([]int64, len(marked))
	for i := range marked {
		devices[i] = marked[i].device
	}
	limits := make(map[int64]time.Time)
	err := each(ctx, tx, func(rows pgx.Rows) error {
		var device int64
		var until time.Time
		err := rows.Scan(&device, &until)
		limits[device] = until
		return err
	}, `SELECT p.device, min(r.until) FROM device_partitions p LEFT JOIN rolled r ON r.partition = p.partition
		WHERE p.device = ANY ($1) GROUP BY p.device HAVING count(*) = count(r.until)`, devices)
	return limits, err
}

// rebuild rebuilds the minutes of marked hours, and the hours that have ended, from the readings. Later minutes are rolled
// up in the usual way.
func rebuild(ctx context.Context, tx pgx.Tx, marked []dirtyHour) error {
	devices := make([]int64, len(marked))
	from, until := make([]time.Time, len(marked)), make([]time.Time, len(marked))
	for i, h := range marked {
		devices[i], from[i], until[i] = h.device, h.hour, h.until
	}
	minutes, err := minutesOf(ctx, tx, `SELECT r.device, r.time, r.value, r.flags FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[]) AS m (device, since, until)
		CROSS JOIN LATERAL (
			SELECT * FROM readings WHERE device = m.device AND time >= m.since AND time < m.until AND time >= $4 AND time < $5 `+oneByOne+`
		) AS r`,
		devices, from, until, slices.MinFunc(from, time.Time.Compare), slices.MaxFunc(until, time.Time.Compare))
	if err != nil {
		return err
	}
	hours := minutes.hours()
	for _, h := range marked {
		if h.until.Before(h.hour.Add(time.Hour)) {
			delete(hours, period{h.device, h.hour.UnixMicro()})
		}
	}
	batch := new(pgx.Batch)
	if len(minutes) > 0 {
		batch.Queue(replaceRollups("minutes"), rollupArgs(minutes)...)
	}
	if len(hours) > 0 {
		batch.Queue(replaceRollups("hours"), rollupArgs(hours)...)
	}
	batch.Queue(`DELETE FROM dirty_hours d USING unnest($1::timestamptz[], $2::bigint[]) AS m (hour, device)
		WHERE d.hour = m.hour AND d.device = m.device`, from, devices)
	return tx.SendBatch(ctx, batch).Close()
}
