package iot

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"time"
)

// Admission is the test that decides whether a record of the readings' log counts. Processor and archiver share it: it
// depends on nothing but the reading and the record's own append time, so both, and every replay, decide alike.
type Admission struct {
	Catalog *Catalog
	// Skew is how far ahead of its append time a reading may be.
	Skew time.Duration
	// Retention is how old a reading may be at its append time; 0 means any age. Raw readings are kept at least as long,
	// so a late one always meets the rest of its window.
	Retention time.Duration
	// MaxText bounds each text of a reading but its id, in bytes; 0 means DefaultMaxText. A reading that was admitted under
	// one limit is refused by a processor or archiver that reads it again under a lower one.
	MaxText int
	// Earliest is when the first reading can have been taken; zero means DefaultEarliest.
	Earliest time.Time
}

// From returns the first moment that a reading may be of, whatever its age.
func (a *Admission) EarliestTime() time.Time {
	if a.Earliest.IsZero() {
		return time.Unix(DefaultEarliest, 0)
	}
	return a.Earliest
}

// Fingerprint tells one set of limits from another: two that decide differently have, nearly certainly, different ones.
func (a *Admission) Fingerprint() uint32 {
	hash := fnv.New32a()
	fmt.Fprint(hash, a.Skew, a.Retention, cmp.Or(a.MaxText, DefaultMaxText), a.EarliestTime().Unix())
	for _, t := range a.Catalog.Types() {
		spec := a.Catalog.Spec(t)
		fmt.Fprintf(hash, "%q%q%v,%v,%q", t, spec.Unit, spec.Min, spec.Max, spec.States)
	}
	return hash.Sum32()
}

// Admit normalizes r and checks it against the time it was appended to the log. The error is an *InvalidError.
func (a *Admission) Admit(r *Reading, appended time.Time) error {
	if err := a.Catalog.normalize(r, cmp.Or(a.MaxText, DefaultMaxText), a.EarliestTime().Unix()); err != nil {
		return err
	}
	// Whole microseconds compare in half the time that two of time.Time take, and this is done for every reading.
	ahead := r.Time.UnixMicro() - appended.UnixMicro()
	if ahead > a.Skew.Microseconds() {
		return Invalid("timestamp", "further ahead of the time it was received than the tolerated %v (got %v)", a.Skew, r.Time.Sub(appended).Round(time.Millisecond))
	}
	if a.Retention > 0 && -ahead > a.Retention.Microseconds() {
		return Invalid("timestamp", "older when received than the %v that readings are kept (got %v)", a.Retention, appended.Sub(r.Time).Round(time.Second))
	}
	return nil
}
