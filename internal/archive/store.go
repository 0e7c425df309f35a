package archive

import (
	"context"
	"errors"
	"time"

	"iotmon/internal/iot"
)

// ErrOffsetsMoved means that another archiver has moved the offsets since they were read: nothing was written, and the
// other archiver owns the partitions now.
var ErrOffsetsMoved = errors.New("offsets were moved by another archiver")

// Source is one partition of a topic that the archive reads.
type Source struct {
	Topic     string
	Partition int32
}

// Offset is how far a Source has been archived.
type Offset struct {
	// Epoch counts how often the source's log was recreated and started at offset 0 again.
	Epoch int32
	// Next is the first offset that is not in the archive.
	Next int64
	// Log is the id of the topic that the offset is of; "" if unknown, as in what older versions wrote.
	Log string
	// Limits is the settings record by whose limits the readings from Next on are admitted, as wire.AppendSettings writes it; "" if no
	// record had any. Those of the configuration hold then.
	Limits string
}

// at reports whether two offsets are the same place, whatever is known of the topic's id and the limits.
func (o Offset) at(other Offset) bool { return o.Epoch == other.Epoch && o.Next == other.Next }

// Move advances one source from Old, the offset the archiver expects in the store, to New. Appended is the append time of
// the newest archived record; the retention of raw readings is measured against it, never against the wall clock.
type Move struct {
	Source   Source
	Old, New Offset
	Appended time.Time
}

// Reading is what the archive stores of a reading. Thousands of them wait in memory for a write, so it is small.
type Reading struct {
	// Device describes the device, without the battery level: that changes with every reading and is not worth a write each time.
	// Readings share it, so it must not be changed.
	*iot.Device
	Time       time.Time
	Value      float64
	Status     iot.Status
	Quality    iot.Quality
	Historical bool
	// Partition determines the summary that the reading belongs to.
	Partition int32
}

// NewReading returns what the archive stores of r, with a copy of its device.
func NewReading(r *iot.Reading, partition int32) Reading {
	device := r.Device
	device.Metadata.BatteryLevel = nil
	return reading(r, &device, partition)
}

func reading(r *iot.Reading, device *iot.Device, partition int32) Reading {
	return Reading{
		Device: device, Time: r.Time, Value: r.Value, Status: r.Status, Quality: r.Quality, Historical: r.Historical, Partition: partition,
	}
}

// Batch is written in one database transaction: all of it or nothing.
type Batch struct {
	Moves []Move
	// Readings may hold duplicates, of each other and of what is stored; the first wins.
	Readings []Reading
	// Summaries holds final summaries and late marks, never open windows. A summary replaces a stored one with a lower
	// position. A late mark is kept until the readings of its partition are stored past its position. Then the store
	// recomputes the window, in the same transaction or, if very many are marked, in Recompute. A recomputation that finds
	// fewer readings than were counted, because the log or the archive has deleted some, changes nothing. A late mark without
	// a type is one of every type that has readings in the window; it has no effect before Recompute.
	Summaries []iot.WindowSummary
	// Areas are the areas of devices, each announced before any mark of a window that they concern. They replace stored ones of the same
	// device and partition with a lower position. A recomputation counts a reading in the area to which its device belonged at the time,
	// or, where that is empty, in that of its location.
	Areas []iot.DeviceAreas
	// Alerts are events, oldest first.
	Alerts []iot.Alert
}

// Store is the database of the archive.
type Store interface {
	// Offsets returns the stored offset of every known source of the topic.
	Offsets(ctx context.Context, topic string) (map[Source]Offset, error)
	// Write stores the batch. It moves the offsets first, each by compare-and-set from Old to New, and returns
	// ErrOffsetsMoved, with nothing written, if one is not at Old; Log and Limits are not compared. A source without a row has the zero
	// Offset. After any other error the caller may retry the same batch.
	Write(ctx context.Context, batch *Batch) error
	// Recompute recomputes every marked window whose readings are stored, in small transactions, so that a concurrent Write
	// never waits for long.
	Recompute(ctx context.Context) error
	// Corrections returns at most limit recomputed windows that have not been published, in the order of their ids. It may
	// be called concurrently with all other methods.
	Corrections(ctx context.Context, limit int) ([]Correction, error)
	// Published removes corrections that Kafka has acknowledged. If a window has been recomputed again in the meantime, its
	// new correction stays.
	Published(ctx context.Context, corrections []Correction) error
	// Prune removes rows older than keep and returns how many. The age of raw readings is measured against the newest
	// archived append time of their partition, with a margin, so that the window of a late reading can still be recomputed.
	// The age of summaries and cleared alerts is measured against the newest archived append time. If append times jump
	// forward by more than a day, the jump counts only after a further day; if they jump back by more than an hour, that
	// counts at once: a host that starts with the wrong year removes nothing. Prune recomputes marked windows before it
	// removes their readings. It works in small transactions, so that a concurrent Write never waits for long.
	Prune(ctx context.Context, keep Retention) (removed int64, err error)
}

// Correction is the summary of a recomputed window: Final and Corrected, without its alerts.
type Correction struct {
	ID      int64
	Summary iot.WindowSummary
}

// Retention is how long each kind of row is kept; 0 means forever.
type Retention struct {
	Readings, Summaries, Alerts time.Duration
}
