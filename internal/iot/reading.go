package iot

import "time"

// Quality is how reliable a value is, in the terms of OPC UA.
type Quality string

// An empty Quality means good: most protocols have no such field.
const (
	Good      Quality = "good"
	Uncertain Quality = "uncertain"
	Bad       Quality = "bad"
)

// Reading is one value of one device at one moment. (Device.Identity, Time) is its identity: of two readings with the same
// identity the first in the log wins, everywhere.
type Reading struct {
	Device
	// Time is the device's own clock, UTC, cut to whole microseconds.
	Time time.Time
	// Value is in the device type's unit.
	Value float64
	// ValueText is the value as it was sent, if that was a text, true or false instead of a number; its meaning depends on
	// the type. Normalize converts it to Value and empties it, so it is empty in an admitted reading.
	ValueText string
	// Status is what the device reports; empty means online.
	Status Status
	// Quality is empty for good.
	Quality Quality
	// ReceivedAt is when a gateway or this system received the reading; zero if unknown.
	ReceivedAt time.Time
	// Historical marks a reading that is known to be replayed or buffered rather than live.
	Historical bool
}

// CutTime returns t in UTC, truncated to the microsecond: the precision of PostgreSQL and of every time in the system.
func CutTime(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
