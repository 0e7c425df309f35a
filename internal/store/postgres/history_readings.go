package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"iotmon/internal/api"
	"iotmon/internal/store"
)

// shortestRolled is the shortest bucket, in microseconds, for which rollups are read: a shorter one rarely contains a whole
// minute.
const shortestRolled = 2 * minuteLength

// maxApart is how many intervals may be read separately. If there are more, for example after the replay of a long
// recording that is not yet rolled up, reading everything is faster.
const maxApart = 2000

// Readings implements api.History. For long buckets it reads the minutes and hours that lie within one bucket, and readings
// only for the rest; the answer is the same to the last bit. Times before the retention of readings come from minutes and
// hours alone.
func (s *Store) Readings(ctx context.Context, q api.ReadingsQuery) ([]api.Point, error) {
	if q.MaxPoints < 1 || !q.From.Before(q.To) {
		return nil, nil
	}
	var points []api.Point
	err := s.readOnly(ctx, func(ctx context.Context, tx pgx.Tx) error {
		h, err := s.history(ctx, tx, &q)
		if err != nil || h == nil {
			return err
		}
		points, err = h.points(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read readings of %s: %w", q.Device, err)
	}
	return points, nil
}

// history answers one api.ReadingsQuery. Times are Unix microseconds.
type history struct {
	q      *api.ReadingsQuery
	tx     pgx.Tx
	device int64
	// from and to are the query's; step is the length of a bucket.
	from, to, step int64
	// From since until rolled, minutes include every reading, except in marked hours. Before horizon, readings may have
	// been pruned.
	since, rolled, horizon int64
	marked                 map[int64]bool

	// found are the readings and the samples of rollups, unordered; count is how many readings they represent.
	found []api.Point
	count int64
	// tooMany means that collect gave up because there are more than maxApart intervals.
	tooMany bool
}

// history returns the history of the device of q; nil means that the device has none.
func (s *Store) history(ctx context.Context, tx pgx.Tx, q *api.ReadingsQuery) (*history, error) {
	h := &history{
		q: q, tx: tx, from: q.From.UnixMicro(), to: q.To.UnixMicro(), step: store.BucketLength(q),
		rolled: past.begins, horizon: past.begins, marked: make(map[int64]bool),
	}
	var rolled *time.Time
	var readings, rollups *time.Time
	err := tx.QueryRow(ctx, `SELECT d.id,
			(SELECT CASE WHEN count(*) = count(r.until) THEN min(r.until) END
				FROM device_partitions p LEFT JOIN rolled r ON r.partition = p.partition WHERE p.device = d.id),
			nullif(h.readings, '-infinity'), nullif(h.rollups, '-infinity')
		FROM devices d CROSS JOIN horizons h WHERE d.tenant = $1 AND d.device_id = $2`,
		text(string(q.Tenant)), text(string(q.Device))).Scan(&h.device, &rolled, &readings, &rollups)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if rolled != nil {
		h.rolled = rolled.UnixMicro()
	}
	if readings != nil {
		h.horizon = readings.UnixMicro()
	}
	h.since = h.from
	if rollups != nil {
		h.since = max(h.from, floor(rollups.UnixMicro(), hourLength)+hourLength)
	}
	h.rolled = max(h.rolled, h.since)
	return h, nil
}

// points returns the answer.
func (h *history) points(ctx context.Context) ([]api.Point, error) {
	if h.step < shortestRolled && h.horizon <= h.from {
		return h.readAll(ctx)
	}
	if err := h.collect(ctx); err != nil {
		return nil, err
	}
	if (h.count <= int64(h.q.Few()) || h.tooMany) && h.horizon <= h.from {
		return h.readAll(ctx)
	}
	slices.SortFunc(h.found, func(a, b api.Point) int { return a.Time.Compare(b.Time) })
	h.found = slices.CompactFunc(h.found, func(a, b api.Point) bool { return a.Time.Equal(b.Time) })
	if h.count <= int64(h.q.Few()) {
		return h.found, nil
	}
	thinner := store.NewThinner(h.q).Always()
	for _, p := range h.found {
		thinner.Add(p)
	}
	return thinner.Points(), nil
}

// readAll reads every reading of the range.
func (h *history) readAll(ctx context.Context) ([]api.Point, error) {
	thinner := store.NewThinner(h.q)
	err := h.readings(ctx, thinner.Add, `readings r WHERE device = $1 AND time >= $2 AND time < $3 ORDER BY time`,
		h.device, time.UnixMicro(h.from), time.UnixMicro(h.to))
	return thinner.Points(), err
}

// readings calls add for each reading that a query selects; from is the query from FROM on, with readings as r.
func (h *history) readings(ctx context.Context, add func(api.Point), from string, args ...any) error {
	var p api.Point
	var bits int64
	return each(ctx, h.tx, func(rows pgx.Rows) error {
		if err := rows.Scan(&p.Time, &p.Value, &bits); err != nil {
			return err
		}
		p.Quality = store.Quality(bits)
		add(p)
		return nil
	}, `SELECT r.time, r.value, r.flags FROM `+from, args...)
}

// interval is a part of the range.
type interval struct{ from, to int64 }

// within reports whether an interval lies in the range and within one bucket.
func (h *history) within(i interval) bool {
	return h.from <= i.from && i.to <= h.to && (i.from-h.q.From.UnixMicro())/h.step == (i.to-1-h.q.From.UnixMicro())/h.step
}

// collect reads the hours that lie within one bucket, the minutes that do in the other hours, and readings for the rest,
// for marked hours, and for what is not rolled up yet.
func (h *history) collect(ctx context.Context) error {
	if err := h.loadMarked(ctx); err != nil {
		return err
	}
	var apart, raw []interval
	until := min(h.rolled, h.to)
	lastHour := floor(until, hourLength)
	err := readRollups(ctx, h.tx, func(p period, r *rollup) {
		hour := interval{p.start, p.start + hourLength}
		switch {
		case h.marked[p.start]:
		case h.within(hour):
			h.addRollup(r)
		default:
			apart = append(apart, hour)
		}
	}, `hours WHERE device = $1 AND time >= $2 AND time < $3 ORDER BY time`,
		h.device, time.UnixMicro(floor(h.since, hourLength)), time.UnixMicro(lastHour))
	if err != nil {
		return err
	}
	// The last hour is not complete and has only minutes.
	if tail := (interval{max(lastHour, floor(h.since, minuteLength)), until}); tail.from < tail.to && !h.marked[lastHour] {
		apart = append(apart, tail)
	}
	for hour := range h.marked {
		raw = append(raw, interval{max(hour, h.since), min(hour+hourLength, until)})
	}
	split, err := h.addMinutes(ctx, apart)
	if err != nil {
		return err
	}
	raw = append(raw, split...)
	return h.addReadings(ctx, append(raw, interval{h.from, min(h.since, h.to)}, interval{h.rolled, h.to}))
}

// loadMarked reads the marked hours of the range.
func (h *history) loadMarked(ctx context.Context) error {
	var hour time.Time
	return each(ctx, h.tx, func(rows pgx.Rows) error {
		err := rows.Scan(&hour)
		h.marked[hour.UnixMicro()] = true
		return err
	}, `SELECT hour FROM dirty_hours WHERE device = $1 AND hour >= $2 AND hour < $3`,
		h.device, time.UnixMicro(floor(h.since, hourLength)), time.UnixMicro(min(h.to, h.rolled)))
}

// addRollup adds a rollup that lies within one bucket.
func (h *history) addRollup(r *rollup) {
	h.count += r.readings()
	for _, s := range [4]sample{r.first, r.smallest, r.largest, r.last} {
		h.found = append(h.found, s.point())
	}
}

// addMinutes adds the minutes of the intervals that lie within one bucket, and returns the others, whose readings are
// needed.
func (h *history) addMinutes(ctx context.Context, apart []interval) (split []interval, err error) {
	if len(apart) == 0 {
		return nil, nil
	}
	apart = joined(apart)
	from, to := bounds(apart)
	err = readRollups(ctx, h.tx, func(p period, r *rollup) {
		minute := interval{p.start, p.start + minuteLength}
		if h.within(minute) {
			h.addRollup(r)
			return
		}
		split = append(split, minute)
		if minute.from < h.horizon {
			h.addSamples(r)
		}
	}, `unnest($2::timestamptz[], $3::timestamptz[]) AS i (since, until)
		CROSS JOIN LATERAL (
			SELECT * FROM minutes WHERE device = $1 AND time >= i.since AND time < i.until AND time >= $4 AND time < $5 `+oneByOne+`
		) AS m`, h.device, from, to, from[0], to[len(to)-1])
	return split, err
}

// addSamples adds those samples that lie in the range, for a minute whose readings may have been pruned.
func (h *history) addSamples(r *rollup) {
	for _, s := range [4]sample{r.first, r.smallest, r.largest, r.last} {
		if h.from <= s.at && s.at < h.to {
			h.found = append(h.found, s.point())
		}
	}
	h.count += r.readings()
}

// addReadings adds the readings of intervals.
func (h *history) addReadings(ctx context.Context, raw []interval) error {
	for i := range raw {
		raw[i].from, raw[i].to = max(raw[i].from, h.from), min(raw[i].to, h.to)
	}
	raw = slices.DeleteFunc(raw, func(i interval) bool { return i.from >= i.to })
	slices.SortFunc(raw, func(a, b interval) int { return cmp.Compare(a.from, b.from) })
	raw = joined(raw)
	if h.tooMany = len(raw) > maxApart && h.horizon <= h.from; h.tooMany || len(raw) == 0 {
		return nil
	}
	from, to := bounds(raw)
	return h.readings(ctx, func(p api.Point) {
		h.found = append(h.found, p)
		h.count++
	}, `unnest($2::timestamptz[], $3::timestamptz[]) AS i (since, until)
		CROSS JOIN LATERAL (SELECT * FROM readings WHERE device = $1 AND time >= i.since AND time < i.until AND time >= $4 AND time < $5 `+oneByOne+`) AS r`,
		h.device, from, to, from[0], to[len(to)-1])
}

// joined merges adjacent intervals, which must be in order and not overlap.
func joined(all []interval) []interval {
	var result []interval
	for _, i := range all {
		if n := len(result) - 1; n >= 0 && result[n].to == i.from {
			result[n].to = i.to
		} else {
			result = append(result, i)
		}
	}
	return result
}

func bounds(all []interval) (from, to []time.Time) {
	for _, i := range all {
		from, to = append(from, time.UnixMicro(i.from)), append(to, time.UnixMicro(i.to))
	}
	return from, to
}
