package iot

import "time"

// The spans by which alerts are judged, as alarm management does (ISA-18.2, IEC 62682).
const (
	// ChatterAlerts alerts of one rule and device within ChatterSpan are chattering.
	ChatterAlerts = 3
	ChatterSpan   = time.Minute
	// FleetingSpan is within how much time a fleeting alert has cleared.
	FleetingSpan = time.Minute
	// StaleSpan is after how much time an open alert is stale.
	StaleSpan = 24 * time.Hour
)
