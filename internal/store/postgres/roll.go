package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// How minutes and hours are computed, and why they count every reading once.
//
// A reading is rolled up once its partition's log is a minute past it, because nearly all readings have arrived by then.
// Before that, a store announces in the row of the partition's offset up to when it is about to roll up. Every write locks
// that row first. So the announcement waits for earlier writes, whose readings the roll-up then sees; later writes see the
// announcement, and mark the hour of every reading that the roll-up may have missed.
//
// A marked hour of a device is rebuilt from its readings. The rebuild skips marks that another transaction is setting, and
// a transaction that sets a mark waits while it is being processed: so no reading is missed. The minutes of an hour are not
// used until its mark is removed.
//
// One store at a time does this work, under an advisory lock, to avoid useless work; the marks would be correct with
// several.

const (
	// rollAfter is how long after its time a reading is rolled up, by the log's clock.
	rollAfter = time.Minute
	// rollLock is the advisory lock of the work.
	rollLock = 0x696f746d6f6e72
	// rowsPerRoll is the intended number of readings of a step.
	rowsPerRoll = 1_000_000
	// setBack is how far the log's clock must be behind the announced time to count as set back.
	setBack = time.Hour
	// hoursPerStep is the maximum number of marked hours rebuilt in one step.
	hoursPerStep = 200
)

// minutesTable is partitioned by month: a row summarizes the readings of one device in one minute.
var minutesTable = partitioned{"minutes", month}

// rollUp brings minutes and hours up to date, unless another store is doing it.
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

// announce stores up to when readings are about to be rolled up. Each partition has a transaction of its own, because a
// writer may hold several offsets.
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
				// The hours of all readings up to now are marked.
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

// resetRolled resets the announced time of partitions whose log's clock was wrong and has been set back. Until then every
// reading there has marked its hour. Minutes that already exist after the new time come from the wrong clock, and their
// hours are rebuilt.
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

// stretch is the work of one step: the readings of some partitions between two minutes.
type stretch struct {
	partitions  []int32
	from, until int64
}

// rollSome rolls up one stretch and reports whether there may be more.
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

// withRollLock runs do in a transaction under rollLock, unless another store holds it. If a partition for minutes is
// missing, it creates the partition and runs do again.
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

// nextStretch returns what to roll up next: the partitions that are furthest behind, and as much time as is expected to
// contain rowsPerRoll readings. held is false if it contains none; nil means that all is done.
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

// shorten ends the stretch at the end of the current range of readings, or earlier if that has many readings; without a
// range, at the beginning of the next one. It reports whether the stretch may contain readings.
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

// minutesOf rolls up to minutes what a query returns: device, time, value and flags of readings.
func minutesOf(ctx context.Context, tx pgx.Tx, query string, arguments ...any) (rollups, error) {
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
	}, query, arguments...)
	return minutes, err
}

// roll rolls a stretch up to minutes, and to hours those that end in it.
func roll(ctx context.Context, tx pgx.Tx, next *stretch) error {
	if _, err := tx.Exec(ctx, scanByTime); err != nil {
		return err
	}
	minutes, err := minutesOf(ctx, tx, `SELECT device, time, value, flags FROM readings WHERE time >= $1 AND time < $2 AND partition = ANY ($3)`,
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

// ensureMinutePartitions creates missing partitions for the minutes that may be rolled up or rebuilt now.
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
