package archive

import (
	"context"
	"errors"
	"time"

	"iotmon/internal/iot"
)

// ErrOffsetsMoved means that another archiver has moved the offsets since they were read: nothing was written, and the
// partitions concerned belong to somebody else now.
var ErrOffsetsMoved = errors.New("offsets were moved by another archiver")

// Source names one partition of one topic that the archive is fed from.
type Source struct {
	Topic     string
	Partition int32
}

// Offset is how far the archive has taken in a Source.
type Offset struct {
	// Epoch counts how often the source's log began anew at offset 0.
	Epoch int32
	// Next is the first offset that is not in the archive.
	Next int64
}

// Move advances one source from Old, as the archiver knows it, to New. Appended is the append time of the newest record
// taken in; the retention of raw readings is measured against it, never against the wall clock.
type Move struct {
	Source   Source
	Old, New Offset
	Appended time.Time
}

// Reading is a reading with the partition it came from, which tells the summary it belongs to.
type Reading struct {
	iot.Reading
	Partition int32
}

// Batch is written in one database transaction: all of it or nothing.
type Batch struct {
	Moves []Move
	// Readings may hold duplicates, of each other and of what is stored; the first wins.
	Readings []Reading
	// Summaries holds final ones and late marks, never open windows. A stored summary gives way to one with a higher
	// position, and a late mark is kept until the readings of its partition are stored past its position: then the store
	// recomputes the window from them, in the same transaction, unless very many are marked: Recompute does the rest. A
	// recomputation that finds fewer readings than were counted, because
	// some have left the log or the archive, changes nothing.
	Summaries []iot.WindowSummary
	// Alerts are events, oldest first.
	Alerts []iot.Alert
}

// Store keeps the archive.
type Store interface {
	// Offsets returns where every known source of the topic stands.
	Offsets(ctx context.Context, topic string) (map[Source]Offset, error)
	// Write stores the batch. It moves the offsets first, each by compare-and-set from Old to New, and returns ErrOffsetsMoved
	// with nothing written when one is not at Old. A source without a row counts as being at the zero Offset. Any other
	// error is worth a retry of the same batch.
	Write(ctx context.Context, batch *Batch) error
	// Recompute recomputes every marked window whose readings are stored, so many in a transaction that a Write beside it never
	// waits for long.
	Recompute(ctx context.Context) error
	// Corrections returns the windows that have been recomputed since that was last published, at most limit, in the order of
	// their ids. It may be called concurrently with everything else.
	Corrections(ctx context.Context, limit int) ([]Correction, error)
	// Published forgets corrections that the log has acknowledged. Of a window that has been recomputed again meanwhile the
	// new correction stays.
	Published(ctx context.Context, corrections []Correction) error
	// Prune removes what is older than keep says. Raw readings are measured against the append time that their own
	// partition has been archived to, with a margin: a reading that may still come late must meet the rest of its window.
	// Summaries and cleared alerts are measured against the newest append time archived. A clock that jumps by more than a day
	// counts only once it has gone on for a day, and one that is set back by more than an hour counts at once: a host that
	// starts up in the wrong year removes nothing. Marked windows that can be
	// recomputed are, before their readings go. Prune works in bounded steps, so that a Write beside it never waits for
	// long, and returns how many rows it removed.
	Prune(ctx context.Context, keep Retention) (removed int64, err error)
}

// Correction is the summary of a window as it is after it was recomputed: Final and Corrected, without its alerts.
type Correction struct {
	ID      int64
	Summary iot.WindowSummary
}

// Retention is how long each kind of row is kept; 0 is for ever.
type Retention struct {
	Readings, Summaries, Alerts time.Duration
}
