package api

import (
	"context"
	"math"
	"time"

	"iotmon/internal/iot"
)

// History answers questions about the past from the archive. Its methods may be called concurrently, return no more
// than asked for, and never an error for an empty answer.
type History interface {
	// Readings returns one device's readings in [From, To), oldest first, thinned to at most MaxPoints buckets of equal
	// length, of which each yields its first, smallest, largest and last reading (of equal ones the earliest, and without
	// repeating one), so that no extreme disappears. Readings of quality bad stand for a bucket only where it has no others. A
	// range with no more than q.Few() readings comes back whole.
	Readings(ctx context.Context, q ReadingsQuery) ([]Point, error)
	// Summaries returns the windows that start in [From, To), partitions added up, by start, type and length: windows of
	// different lengths are never added up. After resumes a listing behind the given row.
	Summaries(ctx context.Context, q SummariesQuery) ([]iot.WindowSummary, error)
	// Alerts returns the last event of each alert, newest onset first and by id within an onset.
	Alerts(ctx context.Context, q AlertsQuery) ([]ArchivedAlert, error)
}

// ReadingsQuery selects one device's readings.
type ReadingsQuery struct {
	Device   iot.DeviceID
	From, To time.Time
	// Step is the length of a bucket; 0 lets MaxPoints decide.
	Step      time.Duration
	MaxPoints int
	// Whole is how many readings may come back as they are.
	Whole int
}

// Few returns how many readings are too few to be thinned: one for each bucket at least, though Whole be less.
func (q *ReadingsQuery) Few() int { return max(q.MaxPoints, q.Whole) }

// Point is one archived reading of a known device.
type Point struct {
	Time    time.Time
	Value   float64
	Quality iot.Quality
}

// SummariesQuery selects closed windows.
type SummariesQuery struct {
	// Type is empty for every type.
	Type     iot.DeviceType
	From, To time.Time
	// AfterStart, AfterType and AfterLength are the last row already seen; zero starts at From. A length of zero stands for
	// every length.
	AfterStart  time.Time
	AfterType   iot.DeviceType
	AfterLength time.Duration
	// WithoutAlerts means that nobody will look at Summary.Alerts: they need not be read.
	WithoutAlerts bool
	Limit         int
}

// After returns the length behind which a listing resumes, in microseconds.
func (q *SummariesQuery) After() int64 {
	if q.AfterLength == 0 {
		return math.MaxInt64
	}
	return q.AfterLength.Microseconds()
}

// AlertsQuery selects alerts. Zero fields do not narrow.
type AlertsQuery struct {
	Device   iot.DeviceID
	Type     iot.DeviceType
	Rule     string
	Severity iot.Severity
	// Open narrows to alerts that are still open (true) or no longer (false); nil to neither.
	Open     *bool
	From, To time.Time
	// BeforeOnset and AfterID are the last row already seen.
	BeforeOnset time.Time
	AfterID     string
	Limit       int
}

// ArchivedAlert is an alert with the events of its life folded into one.
type ArchivedAlert struct {
	iot.Alert
	// Raised is when the alert was raised; ClearedAt is zero while it is open.
	Raised, ClearedAt time.Time
}
