package archive

import (
	"context"
	"time"
)

// Record is one record of a topic that the archive is fed from.
type Record struct {
	Source
	Offset   int64
	Appended time.Time
	// A Key without a Value, nil, in the readings' topic means that a device is to be forgotten; see wire.IsForget. The archive
	// keeps its history.
	Key, Value []byte
	// Tick marks a record of the readings' topic that carries no reading, Marker the end of a transaction in any topic: it says
	// only how far has been read. An aborted record is never handed over, and there may be nothing but its marker.
	Tick, Marker bool
}

// Extent is what the log holds of a source: offsets from Start up to End, End excluded.
type Extent struct {
	Source
	Start, End int64
}

// Resume says where to read sources from. The log calls it for the sources it has been given, before it hands over a
// record of them; an error means that they cannot be read yet, and the log asks again.
type Resume func(ctx context.Context, given []Extent) (map[Source]int64, error)

// Log hands over what the topics hold, read committed. An archiver opens one, reads it from one goroutine, and closes it
// when anything has gone wrong: the next one begins where the database says.
type Log interface {
	// Poll blocks until there are records or ctx ends, and returns them in the order of each source, without a gap but for
	// what the log has deleted or never committed. The records are the log's again at the next Poll. An error means that
	// this Log is of no further use.
	Poll(ctx context.Context) ([]Record, error)
	// Close gives the sources up.
	Close()
}

// Opener opens a Log on topics whose sources are shared by all archivers. Released is told which it reads here no more; it may be
// called until Close has returned, and for a source that was never given.
type Opener func(resume Resume, released func(Source)) (Log, error)
