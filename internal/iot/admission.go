package iot

import "time"

// Admission is the test that decides whether a record of the readings' log counts. Processor and archiver share it: it
// depends on nothing but the reading and the record's own append time, so both, and every replay, decide alike.
type Admission struct {
	Catalog *Catalog
	// Skew is how far ahead of its append time a reading may be.
	Skew time.Duration
	// Retention is how old a reading may be at its append time; 0 means any age. Raw readings are kept at least as long,
	// so a late one always meets the rest of its window.
	Retention time.Duration
}

// Admit normalizes r and checks it against the time it was appended to the log. The error is an *InvalidError.
func (a *Admission) Admit(r *Reading, appended time.Time) error {
	if err := a.Catalog.Normalize(r); err != nil {
		return err
	}
	if ahead := r.Time.Sub(appended); ahead > a.Skew {
		return Invalid("timestamp", "further ahead of the time it was received than the tolerated %v (got %v)", a.Skew, ahead.Round(time.Millisecond))
	}
	if age := appended.Sub(r.Time); a.Retention > 0 && age > a.Retention {
		return Invalid("timestamp", "older when received than the %v that readings are kept (got %v)", a.Retention, age.Round(time.Second))
	}
	return nil
}
