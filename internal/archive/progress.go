package archive

import (
	"context"
	"time"
)

// Progress is how far a source has been archived, for those who watch it.
type Progress struct {
	// Next is the first offset that is not in the archive.
	Next int64
	// Appended is the append time of the newest archived record; zero if unknown.
	Appended time.Time
}

// ProgressReader reads the progress from the database of the archive. Every Store is one.
type ProgressReader interface {
	// Progress returns the progress of every known partition of a topic.
	Progress(ctx context.Context, topic string) (map[int32]Progress, error)
}
