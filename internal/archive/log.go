package archive

import (
	"context"
	"time"

	"iotmon/internal/iot"
)

// Record is one record of a topic that the archive reads.
type Record struct {
	Source
	Offset     int64
	Appended   time.Time
	Key, Value []byte
	// Kind is what a record of the readings' topic is about, Level the level of its form. Only readings are archived, and settings say by
	// which limits. If a device is forgotten, the archive keeps its history.
	Kind  iot.Kind
	Level uint8
	// Marker is the end of a transaction in any topic, which only moves the offset. Records of an aborted transaction are not
	// delivered, only its marker.
	Marker bool
}

// Extent is the range of offsets that the log holds of a source: from Start up to but not including End. Records before Stable
// are committed or aborted; one behind it may belong to a transaction that stays open for long.
type Extent struct {
	Source
	Start, Stable, End int64
	// Log is the id of the topic: a topic that was deleted and created again has another one. "" if the log does not say.
	Log string
}

// Resume returns the offsets from which to read sources. The log calls it for newly assigned sources before it delivers any
// of their records. After an error the log calls it again.
type Resume func(ctx context.Context, given []Extent) (map[Source]int64, error)

// Log reads the committed records of the topics. An archiver opens one, reads it from one goroutine, and closes it after
// any failure; the next Log begins at the offsets in the database.
type Log interface {
	// Poll blocks until there are records or ctx ends, and returns them in the order of each source, without gaps except
	// for deleted and aborted records. The records are valid until the next Poll. After an error the Log cannot be used any
	// more.
	Poll(ctx context.Context) ([]Record, error)
	// Close releases the sources.
	Close()
}

// Opener opens a Log on topics whose sources are distributed over all archivers. The Log calls released for each source
// that it no longer reads; it may do so until Close has returned, and for a source that was never assigned.
type Opener func(resume Resume, released func(Source)) (Log, error)
