package forward

import (
	"context"
	"time"

	"iotmon/internal/iot"
)

// Log is the local log of readings, and the place of the positions in it.
type Log interface {
	// Partitions returns what the log holds, and the stored position of each partition.
	Partitions(ctx context.Context) ([]Partition, error)
	// Read begins to read from the given offsets. It does not wait for the first record.
	Read(from map[int32]int64) (Reader, error)
	// Store stores positions. It returns when they are on the disk as safely as the log is.
	Store(ctx context.Context, positions map[int32]Position) error
}

// Reader reads records in the order of each partition. It is not safe for concurrent use.
type Reader interface {
	// Poll returns up to most records. If none come within patience, it returns none. The records are valid until the next call. An
	// error means that this reader cannot go on, such as for an offset that the log does not hold any more.
	Poll(ctx context.Context, most int, patience time.Duration) ([]Record, error)
	Close()
}

// Partition is what the log holds of one partition: the offsets from Start up to but not including End.
type Partition struct {
	ID         int32
	Start, End int64
	// Log identifies the topic: one that was deleted and created again has another one.
	Log string
	// Position is the stored position; nil if there is none.
	Position *Position
}

// Position is how far a partition has been forwarded.
type Position struct {
	// Next is the first offset that the centre has not acknowledged.
	Next int64
	// Log is Partition.Log of the log that Next is of.
	Log string
	// Lost is what was lost of that log.
	Lost Loss
}

// Loss are records that the log has deleted before they were forwarded.
type Loss struct {
	// Records is how many offsets were lost. A few may be of records that are never forwarded, such as ticks.
	Records int64
	// First and Last are the lowest and the highest of them.
	First, Last int64
}

// add adds the offsets from first up to but not including end.
func (l *Loss) add(first, end int64) {
	if l.Records == 0 {
		l.First = first
	}
	l.Records += end - first
	l.Last = end - 1
}

// Record is a record of the local log.
type Record struct {
	Partition int32
	Offset    int64
	// Appended is when the record was appended, by the clock of this machine.
	Appended   time.Time
	Key, Value []byte
	Kind       iot.RecordKind
	// Marker is whether it only ends a transaction.
	Marker bool
}

// Centre is what readings are forwarded to.
type Centre interface {
	// Send sends entries and returns once the centre has acknowledged or rejected each of them, with those that it has rejected. After
	// an error it is unknown which of them have arrived; sending them again does no harm. The error may be a *RefusedError. Send does not
	// keep the entries. It is not called concurrently.
	Send(ctx context.Context, entries []Entry) ([]Rejection, error)
	// Reports is whether the centre takes reports about devices. If not, Send is never called with one.
	Reports() bool
	Close()
}

// Entry is a reading or a report about a device, as it is sent.
type Entry struct {
	Device iot.Identity
	// Key and Value are those of the record in the log; Value is the JSON of the reading or of the report.
	Key, Value []byte
	Kind       iot.Kind
	// Level is that of the record's form; 0 counts as 1.
	Level uint8
	// Time is that of the reading or the report.
	Time time.Time
}

// Rejection is an entry that the centre does not accept.
type Rejection struct {
	// Index counts from 0 in the order sent.
	Index int
	// Early is whether the centre will accept the entry later: its time is ahead of the centre's clock.
	Early bool
	// Field is what the reason is about, such as value; empty for the entry as a whole.
	Field, Reason string
}

// RefusedError means that the centre has refused all entries of a call.
type RefusedError struct {
	Err error
	// After is how long the centre wants not to be asked again; 0 if it has not said.
	After time.Duration
	// Content is whether the reason may be what was sent: fewer entries may be accepted. A single entry is then rejected for good if
	// Final is set too, because the centre itself, and not a server in between, has refused it.
	Content, Final bool
}

func (e *RefusedError) Error() string { return e.Err.Error() }

func (e *RefusedError) Unwrap() error { return e.Err }

// DeadLetters keeps what the centre has rejected.
type DeadLetters interface {
	// Reject returns once the rejected entries are kept.
	Reject(ctx context.Context, rejected []Rejected) error
}

// Rejected is an entry that the centre has rejected, with its place in the local log.
type Rejected struct {
	Partition     int32
	Offset        int64
	Value         []byte
	Field, Reason string
}
