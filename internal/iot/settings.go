package iot

import "time"

// Settings are the operator's choices that must be the same in every partition: they are published as records of the
// readings' log.
type Settings struct {
	// Revision orders settings: only a revision higher than the one in force takes effect.
	Revision int64
	// Window is the length of windows from From on, in event time.
	Window time.Duration
	From   time.Time
}
