package iot

import "time"

// Quality is how far a value can be trusted, in the words of OPC UA.
type Quality string

// An empty Quality means good: most protocols carry none.
const (
	Good      Quality = "good"
	Uncertain Quality = "uncertain"
	Bad       Quality = "bad"
)

// Reading is one value of one device at one moment. (Device.ID, Time) is its identity: of two readings with the same
// identity the first in the log wins, everywhere.
type Reading struct {
	Device
	// Time is the device's own clock, UTC, cut to whole microseconds.
	Time time.Time
	// Value is in the device type's unit.
	Value float64
	// ValueText is the value as it was written, where that is no number but a text, true or false: what it means depends on
	// the type. Normalize turns it into Value and empties it. Nothing that was admitted has one.
	ValueText string
	// Status is what the device says of itself; empty means online.
	Status Status
	// Quality is empty for good.
	Quality Quality
	// ReceivedAt is when a gateway or this system took the reading in; zero if nobody recorded it.
	ReceivedAt time.Time
	// Historical marks a reading that is known to be replayed or buffered rather than live.
	Historical bool
}

// CutTime returns t in UTC, cut to the microsecond, as every time in the system is: PostgreSQL and the window arithmetic
// keep no more.
func CutTime(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
