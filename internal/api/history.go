package api

import (
	"context"
	"math"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/kpi"
)

// History queries the archive. Its methods may be called concurrently. An empty result is not an error.
type History interface {
	// Readings returns one device's readings in [From, To), oldest first, thinned to at most MaxPoints buckets of equal
	// length, of which each yields its first, smallest, largest and last reading (of equal ones the earliest, and without
	// repeating one), so that no extreme is lost. Readings of quality bad are returned only for a bucket without others. A
	// range with at most q.Few() readings is returned whole.
	Readings(ctx context.Context, q ReadingsQuery) ([]Point, error)
	// Summaries returns the windows that start in [From, To), partitions added up, by start, type and length: windows of
	// different lengths are never added up. After resumes a listing after the given row.
	Summaries(ctx context.Context, q SummariesQuery) ([]iot.WindowSummary, error)
	// Alerts returns the last event of each alert, newest onset first and by id within an onset.
	Alerts(ctx context.Context, q AlertsQuery) ([]ArchivedAlert, error)
	// AlertEvents returns the events of one alert, oldest first, at most MaxAlertEvents and one that says that there are more; none if it is not known, or historical.
	AlertEvents(ctx context.Context, tenant iot.Tenant, id string) ([]AlertEvent, error)
	// RaisedAlerts calls visit for each alert that was raised in [From, To), in the order of time, until visit returns false.
	RaisedAlerts(ctx context.Context, q kpi.Query, visit func(*kpi.Raised) bool) error
	// StaleAlerts returns how many alerts had been open for more than iot.StaleSpan at q.To, at most limit.
	StaleAlerts(ctx context.Context, q kpi.Query, limit int) (int64, error)
}

// MaxAlertEvents is the maximum number of events of one alert that are shown.
const MaxAlertEvents = 1000

// AlertEvent is one event of an alert.
type AlertEvent struct {
	Transition iot.Transition
	// State is where the alert is in its life after the event.
	State iot.LifeState
	Time  time.Time
	Value float64
	// Reason is why the alert has cleared, if not because of a reading.
	Reason iot.ClearReason
	// Suppressed is why nobody is notified, SuppressedUntil until when. SuppressedBy, SuppressedReason and SuppressedActor are those of the event; empty in
	// events that an older version has stored.
	Suppressed                                      iot.Suppression
	SuppressedUntil                                 time.Time
	SuppressedBy, SuppressedReason, SuppressedActor string
	// Actor is who has caused the event, empty if nobody has, and Comment what was written.
	Actor, Comment string
}

// ReadingsQuery selects one device's readings.
type ReadingsQuery struct {
	Tenant   iot.Tenant
	Device   iot.DeviceID
	From, To time.Time
	// Step is the length of a bucket; 0 means that MaxPoints determines it.
	Step      time.Duration
	MaxPoints int
	// Whole is up to how many readings are returned without thinning.
	Whole int
}

// Few returns up to how many readings are returned without thinning: Whole, but at least MaxPoints.
func (q *ReadingsQuery) Few() int { return max(q.MaxPoints, q.Whole) }

// Point is one archived reading of a known device.
type Point struct {
	Time    time.Time
	Value   float64
	Quality iot.Quality
}

// SummariesQuery selects closed windows.
type SummariesQuery struct {
	// Tenant narrows the summaries to the devices of one tenant. The summary of a window without such devices is returned, too: it is
	// Empty.
	Tenant iot.Tenant
	// Type is empty for every type.
	Type iot.DeviceType
	// Area narrows the summaries to the devices in one first level of the areas; empty is everything. The summary of a window
	// without such devices is returned, too: it is Empty.
	Area     iot.Area
	From, To time.Time
	// AfterStart, AfterType and AfterLength are the last row already seen; zero starts at From. A zero AfterLength means
	// every length.
	AfterStart  time.Time
	AfterType   iot.DeviceType
	AfterLength time.Duration
	// WithoutAlerts means that Summary.Alerts are not needed.
	WithoutAlerts bool
	Limit         int
}

// After returns the length after which a listing resumes, in microseconds.
func (q *SummariesQuery) After() int64 {
	if q.AfterLength == 0 {
		return math.MaxInt64
	}
	return q.AfterLength.Microseconds()
}

// AlertsQuery selects alerts of one tenant. Other zero fields do not limit the result.
type AlertsQuery struct {
	Tenant   iot.Tenant
	ID       string
	Device   iot.DeviceID
	Type     iot.DeviceType
	Rule     string
	Severity iot.Severity
	// Open limits the result to open (true) or cleared (false) alerts; nil does not. Returned limits it to alerts that have cleared and that
	// nobody has acknowledged.
	Open     *bool
	Returned bool
	// Area limits the result to alerts of devices that the registry has in this area or below it, and of unregistered ones in this building.
	Area iot.Area
	// Text is a part of the device's id, the rule or the message, in either case as far as ASCII has two.
	Text     string
	From, To time.Time
	// BeforeOnset and AfterID are the last row already seen.
	BeforeOnset time.Time
	AfterID     string
	Limit       int
}

// ArchivedAlert is an alert, merged from all of its events.
type ArchivedAlert struct {
	iot.Alert
	// Raised is when the alert was raised; ClearedAt is zero while it is open.
	Raised, ClearedAt time.Time
	// CommentedAt is when the alert was commented last, zero if it was not. Actor and Comment are of that comment.
	CommentedAt time.Time
}
