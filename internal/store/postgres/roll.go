package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// How minutes and hours come about, and why they count every reading once.
//
// A reading is rolled up when its partition's log is a while past it, so that nearly all readings are when they are there,
// once. For that a store announces, in the row of the partition's offset, up to where it is about to roll up. Whoever
// writes locks that row first: so the announcement waits for the writes before it, whose readings the rolling up then sees,
// and the writes after it know of it, and mark the hour of every reading that it may have missed.
//
// A marked hour of a device is made anew of its readings. A mark that another transaction is setting is passed over, and
// whoever wants to set one that is being worked off waits: so no reading can slip in between. Until its mark is gone, an
// hour's minutes are not used.
//
// One store at a time does this work, under an advisory lock; the marks would put up with several.

const (
	// rollAfter is how long after a reading's time it is rolled up, by the log's clock.
	rollAfter = time.Minute
	// rollLock is the advisory lock of the work.
	rollLock = 0x696f746d6f6e72
	// rowsPerRoll is how many readings a step aims at.
	rowsPerRoll = 1_000_000
	// setBack is by how much the log's clock must be behind what has been announced that it counts as set back.
	setBack = time.Hour
	// hoursPerStep bounds the marked hours that are made anew in one step.
	hoursPerStep = 200
)

// minutesTable is cut into months: a row of it stands for a minute's readings.
var minutesTable = partitioned{"minutes", month}

// rollUp brings minutes and hours up to date, as far as somebody else is not doing it.
func (s *Store) rollUp(ctx context.Context) error {
	if err := s.announce(ctx); err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	for _, step := range []func(context.Context) (bool, error){s.rollSome, s.rebuildSome} {
		for {
			if more, err := step(ctx); err != nil {
				return err
			} else if !more {
				break
			}
		}
	}
	return nil
}

// announce tells writers up to where readings are about to be rolled up. Each partition has a transaction of its own, for
// writers hold several offsets.
func (s *Store) announce(ctx context.Context) error {
	upTo, back := make(map[int32]time.Time), make(map[int32]time.Time)
	err := s.transact(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var partition int32
		var appended time.Time
		var rolling *time.Time
		return each(ctx, tx, func(rows pgx.Rows) error {
			err := rows.Scan(&partition, &appended, &rolling)
			until := time.UnixMicro(floor(appended.Add(-rollAfter).UnixMicro(), minuteLength))
			if rolling == nil || rolling.Before(until) {
				upTo[partition] = until
			} else if rolling.After(until.Add(setBack)) {
				back[partition] = until
			}
			return err
		}, `SELECT partition, appended, rolling FROM offsets WHERE topic = $1 AND appended IS NOT NULL`, s.readingsTopic)
	})
	if err != nil {
		return err
	}
	if err := s.resetRolled(ctx, back); err != nil {
		return err
	}
	for partition, until := range upTo {
		err := s.transact(ctx, func(ctx context.Context, tx pgx.Tx) error {
			var rolling *time.Time
			err := tx.QueryRow(ctx, `SELECT rolling FROM offsets WHERE topic = $1 AND partition = $2 FOR UPDATE`, s.readingsTopic, partition).Scan(&rolling)
			if err != nil || rolling != nil && !rolling.Before(until) {
				return err
			}
			batch := new(pgx.Batch)
			batch.Queue(`UPDATE offsets SET rolling = $3 WHERE topic = $1 AND partition = $2`, s.readingsTopic, partition, until)
			if rolling == nil {
				// The hours of all readings so far are marked.
				batch.Queue(`INSERT INTO rolled (partition, until) VALUES ($1, $2) ON CONFLICT DO NOTHING`, partition, until)
			}
			return tx.SendBatch(ctx, batch).Close()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// resetRolled takes back what has been announced of partitions whose log's clock was wrong and has been set back. Until then
// every reading there marked its hour. The minutes that come about a second time are those of the wrong clock: their hours are
// made anew.
func (s *Store) resetRolled(ctx context.Context, from map[int32]time.Time) error {
	if len(from) == 0 {
		return nil
	}
	return s.withRollLock(ctx, func(ctx context.Context, tx pgx.Tx) error {
		batch := new(pgx.Batch)
		for _, partition := range slices.Sorted(maps.Keys(from)) {
			batch.Queue(`UPDATE offsets SET rolling = $3 WHERE topic = $1 AND partition = $2 AND rolling > $3`, s.readingsTopic, partition, from[partition])
			batch.Queue(`UPDATE rolled SET until = $2 WHERE partition = $1 AND until > $2`, partition, from[partition])
		}
		return tx.SendBatch(ctx, batch).Close()
	})
}

// stretch is what is rolled up in one step: the readings of some partitions from one minute to another.
type stretch struct {
	partitions  []int32
	from, until int64
}

// rollSome rolls up some of what has been announced and reports whether there may be more.
func (s *Store) rollSome(ctx context.Context) (more bool, err error) {
	err = s.withRollLock(ctx, func(ctx context.Context, tx pgx.Tx) error {
		next, held, err := s.nextStretch(ctx, tx)
		if err != nil || next == nil {
			return err
		}
		more = true
		if held {
			if err := roll(ctx, tx, next); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `UPDATE rolled SET until = $2 WHERE partition = ANY ($1)`, next.partitions, time.UnixMicro(next.until))
		return err
	})
	if err != nil {
		return false, fmt.Errorf("roll up: %w", err)
	}
	return more, nil
}

// withRollLock runs do in a transaction, unless another store is at this work. If do finds that there is no partition for
// its minutes, it is run again when there is.
func (s *Store) withRollLock(ctx context.Context, do func(ctx context.Context, tx pgx.Tx) error) error {
	for attempt := 1; ; attempt++ {
		err := s.transact(ctx, func(ctx context.Context, tx pgx.Tx) error {
			var free bool
			if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1)`, rollLock).Scan(&free); err != nil || !free {
				return err
			}
			return do(ctx, tx)
		})
		if attempt == attempts || !repeatable(err) {
			return err
		}
		if code(err) == checkViolation {
			s.writer.Reset() // As after a write.
		}
		if err := s.ensureMinutePartitions(ctx); err != nil {
			return fmt.Errorf("make partitions: %w", err)
		}
	}
}

// nextStretch returns what to roll up next: the partitions that are furthest behind, and of their time as much as is
// expected to hold a step's worth of readings. held is false for a time that holds none; nil means that all is done.
func (s *Store) nextStretch(ctx context.Context, tx pgx.Tx) (next *stretch, held bool, err error) {
	next = new(stretch)
	until := int64(0)
	err = each(ctx, tx, func(rows pgx.Rows) error {
		var partition int32
		var from, to time.Time
		if err := rows.Scan(&partition, &from, &to); err != nil {
			return err
		}
		if len(next.partitions) > 0 && from.UnixMicro() != next.from {
			until = min(until, from.UnixMicro())
			return nil
		}
		if len(next.partitions) == 0 || to.UnixMicro() < until {
			until = to.UnixMicro()
		}
		next.from = from.UnixMicro()
		next.partitions = append(next.partitions, partition)
		return nil
	}, `SELECT r.partition, r.until, o.rolling FROM rolled r JOIN offsets o ON o.topic = $1 AND o.partition = r.partition
		WHERE r.until < o.rolling ORDER BY r.until, r.partition`, s.readingsTopic)
	if err != nil || len(next.partitions) == 0 {
		return nil, false, err
	}
	next.until = until
	held, err = s.shorten(ctx, tx, next)
	return next, held, err
}

// shorten ends the stretch where the range of readings ends, or earlier if that holds many, or where the next range begins
// if none does. It reports whether there may be readings in what is left.
func (s *Store) shorten(ctx context.Context, tx pgx.Tx, next *stretch) (held bool, err error) {
	var name string
	var count int64
	beyond := next.until
	err = each(ctx, tx, func(rows pgx.Rows) error {
		if err := rows.Scan(&name, &count); err != nil {
			return err
		}
		r, ok := parseSpan(name)
		switch {
		case !ok:
		case r.holds(next.from):
			held = true
			minutes := max(1, (r.ends-r.begins)/minuteLength*rowsPerRoll/max(count, 1))
			next.until = min(next.until, r.ends, next.from+minutes*minuteLength)
		case r.begins > next.from:
			beyond = min(beyond, r.begins)
		}
		return nil
	}, `SELECT range, sum(count)::bigint FROM reading_counts WHERE partition = ANY ($1) GROUP BY range`, next.partitions)
	if !held {
		next.until = beyond
	}
	return held, err
}

// roll rolls a stretch up to minutes, and to hours those that end in it.
func roll(ctx context.Context, tx pgx.Tx, next *stretch) error {
	if _, err := tx.Exec(ctx, scanByTime); err != nil {
		return err
	}
	minutes := make(rollups)
	var device int64
	var at time.Time
	var r sample
	err := each(ctx, tx, func(rows pgx.Rows) error {
		if err := rows.Scan(&device, &at, &r.value, &r.flags); err != nil {
			return err
		}
		r.at = at.UnixMicro()
		minutes.at(device, floor(r.at, minuteLength)).add(r)
		return nil
	}, `SELECT device, time, value, flags FROM readings WHERE time >= $1 AND time < $2 AND partition = ANY ($3)`,
		time.UnixMicro(next.from), time.UnixMicro(next.until), next.partitions)
	if err != nil {
		return err
	}
	if len(minutes) > 0 {
		if _, err := tx.Exec(ctx, addRollups("minutes"), rollupArgs(minutes)...); err != nil {
			return err
		}
	}
	return rollHours(ctx, tx, next)
}

// rollHours rolls the hours that end in a stretch up from their minutes.
func rollHours(ctx context.Context, tx pgx.Tx, next *stretch) error {
	from, until := floor(next.from, hourLength), floor(next.until, hourLength)
	if from == until {
		return nil
	}
	hours := make(rollups)
	err := readRollups(ctx, tx, func(p period, r *rollup) {
		hours.at(p.device, floor(p.start, hourLength)).merge(r)
	}, `minutes WHERE time >= $1 AND time < $2 AND device IN (SELECT device FROM device_partitions WHERE partition = ANY ($3))`,
		time.UnixMicro(from), time.UnixMicro(until), next.partitions)
	if err != nil || len(hours) == 0 {
		return err
	}
	_, err = tx.Exec(ctx, addRollups("hours"), rollupArgs(hours)...)
	return err
}

// ensureMinutePartitions makes sure that there are partitions for the minutes of whatever may be rolled up or made anew now.
func (s *Store) ensureMinutePartitions(ctx context.Context) error {
	needed := make(map[int64]bool)
	note := func(at time.Time) { needed[month.at(at.UnixMicro()).begins] = true }
	err := s.transact(ctx, func(ctx context.Context, tx pgx.Tx) error {
		err := each(ctx, tx, func(rows pgx.Rows) error {
			var at time.Time
			err := rows.Scan(&at)
			note(at)
			return err
		}, `SELECT DISTINCT hour FROM (SELECT hour FROM dirty_hours ORDER BY hour, device LIMIT $1) AS next`, 10*hoursPerStep)
		if err != nil {
			return err
		}
		next, held, err := s.nextStretch(ctx, tx)
		if err == nil && next != nil && held {
			for at := next.from; at < next.until; at = month.at(at).ends {
				note(time.UnixMicro(at))
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	_, err = s.makePartitions(ctx, minutesTable, slices.Sorted(maps.Keys(needed)))
	return err
}
