package iot

import "time"

// Settings are what the operator decides that every partition must decide alike: they are records of the readings' log.
type Settings struct {
	// Revision orders settings: only a higher one than that in force takes effect.
	Revision int64
	// Window is the length of windows from From on, in event time.
	Window time.Duration
	From   time.Time
}
