package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"iotmon/internal/archive"
)

// attempts is how often a write is tried if it is in conflict with another transaction.
const attempts = 4

// Offsets implements archive.Store. It uses a writing connection, because a replica may be behind.
func (s *Store) Offsets(ctx context.Context, topic string) (map[archive.Source]archive.Offset, error) {
	offsets := make(map[archive.Source]archive.Offset)
	err := s.transact(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return each(ctx, tx, func(rows pgx.Rows) error {
			source := archive.Source{Topic: topic}
			var offset archive.Offset
			if err := rows.Scan(&source.Partition, &offset.Epoch, &offset.Next, &offset.Log, &offset.Limits); err != nil {
				return err
			}
			offsets[source] = offset
			return nil
		}, `SELECT partition, epoch, next, log, coalesce(settings, '') FROM offsets LEFT JOIN limits USING (topic, partition) WHERE topic = $1`, topic)
	})
	if err != nil {
		return nil, fmt.Errorf("read offsets of %s: %w", topic, err)
	}
	return offsets, nil
}

// Write implements archive.Store. If the connection is lost between the commit and its answer, Write returns an error
// although the batch is stored. Writing the batch again then returns ErrOffsetsMoved.
func (s *Store) Write(ctx context.Context, batch *archive.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	careful := false
	for attempt := 1; ; attempt++ {
		leftOut, err := s.write(ctx, batch, careful)
		if err == nil {
			if careful {
				s.forget(nil)
			}
			for _, err := range leftOut {
				s.refused(err)
			}
			return nil
		}
		s.forget(err)
		if refused(err) && !careful {
			careful = true
			continue
		}
		if attempt == attempts || !repeatable(err) || ctx.Err() != nil {
			return err
		}
	}
}

// forget drops cached knowledge of the database, which may be wrong after a failure.
func (s *Store) forget(err error) {
	s.names = newNames()
	s.ranges = nil
	// After a broken connection pgx may read the buffer of a COPY for a moment longer: do not reuse it.
	s.sorter = sorter{}
	if slices.Contains([]string{readOnlyTransaction, checkViolation}, code(err)) {
		// The server has become a replica, and only new connections try the other hosts. Or the session does not know a
		// partition that another one has attached; a new session does.
		s.writer.Reset()
	}
}

// write writes the batch; if careful, without the rows that the server refuses, for which it returns the reasons.
func (s *Store) write(ctx context.Context, batch *archive.Batch, careful bool) (leftOut []error, err error) {
	if err := s.ensurePartitions(ctx, batch.Readings); err != nil {
		return nil, fmt.Errorf("make partitions: %w", err)
	}
	var names *naming
	var in *intake
	err = s.transact(ctx, func(ctx context.Context, tx pgx.Tx) error {
		names = newNaming(tx, &s.names)
		in = &intake{Store: s, tx: tx, names: names, rolling: make(map[int32]int64)}
		if err := in.move(ctx, batch.Moves); err != nil {
			return err
		}
		if careful {
			return in.writeWithoutRefused(ctx, batch)
		}
		if err := in.readings(ctx, batch.Readings); err != nil {
			return fmt.Errorf("write readings: %w", err)
		}
		if err := in.alerts(ctx, batch.Alerts); err != nil {
			return fmt.Errorf("write alerts: %w", err)
		}
		if err := in.areas(ctx, batch.Areas); err != nil {
			return fmt.Errorf("write areas of devices: %w", err)
		}
		if err := in.summaries(ctx, batch.Summaries); err != nil {
			return fmt.Errorf("write summaries: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	names.keep()
	return in.leftOut, nil
}

// intake writes one batch in its transaction.
type intake struct {
	*Store
	tx    pgx.Tx
	names *naming
	// rolling holds the announced time of each partition whose offset this batch has locked: earlier readings may have been
	// rolled up already.
	rolling map[int32]int64
	// leftOut holds the reasons for rows that the server refuses; see writeWithoutRefused.
	leftOut []error
}

// How far a clock may go back, and how far it may jump; see moveClock.
const (
	clockStep = `interval '1 hour'`
	clockJump = `interval '1 day'`
)

// The two ways to move an offset. A source without a row counts as being at the zero offset.
const (
	moveOffset = `UPDATE offsets AS o SET epoch = $3, next = $4, log = $8, ` + moveClock + `
		WHERE topic = $1 AND partition = $2 AND epoch = $6 AND next = $7 RETURNING rolling`
	beginOffset = `INSERT INTO offsets AS o (topic, partition, epoch, next, appended, retained, rolling, log) VALUES ($1, $2, $3, $4, $5, $5, $6, $7)
		ON CONFLICT (topic, partition) DO UPDATE SET
			epoch = excluded.epoch, next = excluded.next, log = excluded.log, ` + moveClock + `
		WHERE o.epoch = 0 AND o.next = 0 RETURNING rolling`
	// appended and retained follow the append times, retained with caution: back at once, forward by more than clockJump
	// only after append times have stayed there for as long. NULL means unknown.
	moveClock = `appended = CASE WHEN $5::timestamptz < o.appended - ` + clockStep + ` THEN $5 ELSE greatest(o.appended, $5) END,
		retained = CASE
			WHEN o.retained IS NULL OR $5::timestamptz < o.retained - ` + clockStep + ` THEN $5
			WHEN $5 <= o.retained + ` + clockJump + ` THEN greatest(o.retained, $5)
			WHEN $5 >= o.ahead + ` + clockJump + ` THEN $5
			ELSE o.retained END,
		ahead = CASE
			WHEN $5 IS NULL THEN o.ahead
			WHEN o.retained IS NULL OR $5 <= o.retained + ` + clockJump + ` OR $5 >= o.ahead + ` + clockJump + ` THEN NULL
			ELSE least(o.ahead, $5) END`
	// A new partition has no readings from before it began, except in marked hours.
	beginRolling = `INSERT INTO rolled (partition, until)
		SELECT partition, rolling FROM offsets WHERE topic = $1 AND partition = $2 AND rolling IS NOT NULL ON CONFLICT DO NOTHING`
	storeLimits = `INSERT INTO limits (topic, partition, settings) VALUES ($1, $2, $3)
		ON CONFLICT (topic, partition) DO UPDATE SET settings = excluded.settings`
	// The log was recreated, so no more readings of the old one will come. Position 0 makes its marks due.
	releaseMarks = `UPDATE dirty_windows SET position = 0 WHERE partition = $1`
)

// move moves the offsets, each only if it has the value that the archiver expects, and thereby locks their rows, always in
// the same order.
func (in *intake) move(ctx context.Context, moves []archive.Move) error {
	if len(moves) == 0 {
		return nil
	}
	moves = slices.SortedFunc(slices.Values(moves), func(a, b archive.Move) int {
		return cmp.Or(cmp.Compare(a.Source.Topic, b.Source.Topic), cmp.Compare(a.Source.Partition, b.Source.Partition))
	})
	batch := new(pgx.Batch)
	for _, m := range moves {
		if m.Old.Epoch == 0 && m.Old.Next == 0 {
			batch.Queue(beginOffset, m.Source.Topic, m.Source.Partition, m.New.Epoch, m.New.Next, known(m.Appended), in.beginning(&m), m.New.Log)
		} else {
			batch.Queue(moveOffset, m.Source.Topic, m.Source.Partition, m.New.Epoch, m.New.Next, known(m.Appended), m.Old.Epoch, m.Old.Next, m.New.Log)
		}
	}
	results := in.tx.SendBatch(ctx, batch)
	for _, m := range moves {
		var rolling *time.Time
		err := results.QueryRow().Scan(&rolling)
		if errors.Is(err, pgx.ErrNoRows) {
			err = archive.ErrOffsetsMoved
		}
		if err != nil {
			_ = results.Close()
			return fmt.Errorf("move offset of %s/%d from %d: %w", m.Source.Topic, m.Source.Partition, m.Old.Next, err)
		}
		if rolling != nil && m.Source.Topic == in.readingsTopic {
			in.rolling[m.Source.Partition] = rolling.UnixMicro()
		}
	}
	if err := results.Close(); err != nil {
		return fmt.Errorf("move offsets: %w", err)
	}
	if err := in.follow(ctx, moves); err != nil {
		return fmt.Errorf("move offsets: %w", err)
	}
	return nil
}

// beginning returns up to when a new partition counts as rolled up; later readings are rolled up in the usual way.
func (in *intake) beginning(m *archive.Move) *time.Time {
	if m.Source.Topic != in.readingsTopic || m.Appended.IsZero() {
		return nil
	}
	minute := time.UnixMicro(floor(m.Appended.Add(-rollAfter).UnixMicro(), minuteLength))
	return &minute
}

// follow stores limits that have changed, starts the roll-up of new partitions, and releases the marks of partitions whose log was
// recreated.
func (in *intake) follow(ctx context.Context, moves []archive.Move) error {
	batch := new(pgx.Batch)
	for _, m := range moves {
		if m.New.Limits != m.Old.Limits {
			batch.Queue(storeLimits, m.Source.Topic, m.Source.Partition, m.New.Limits)
		}
		if m.Source.Topic != in.readingsTopic {
			continue
		}
		if m.Old == (archive.Offset{}) {
			batch.Queue(beginRolling, m.Source.Topic, m.Source.Partition)
		}
		if m.New.Epoch > m.Old.Epoch {
			batch.Queue(releaseMarks, m.Source.Partition)
		}
	}
	return in.tx.SendBatch(ctx, batch).Close()
}

// known returns t, or nil for the zero time.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
