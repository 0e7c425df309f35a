package iot

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"
)

// Admission decides whether a record of the readings' log is accepted as a reading. The decision depends only on the
// reading and on the record's append time, so the processor, the archiver and every replay decide alike.
type Admission struct {
	Catalog *Catalog
	// Skew is how far ahead of its append time a reading may be.
	Skew time.Duration
	// Retention is how old a reading may be at its append time; 0 means any age. The archive keeps raw readings at least as
	// long, so the window of a late reading can always be recomputed.
	Retention time.Duration
	// MaxText is the maximum length in bytes of each text of a reading except its id; 0 means DefaultMaxText.
	MaxText int
	// Earliest is the oldest timestamp that a reading may have; zero means DefaultEarliest.
	Earliest time.Time
}

// Under returns an Admission by the limits. What they do not have is that of a. The error is that of NewCatalog.
func (a *Admission) Under(l *Limits) (*Admission, error) {
	catalog, err := NewCatalog(l.All()...)
	if err != nil {
		return nil, err
	}
	under := *a
	under.Catalog, under.Skew, under.Retention = catalog, l.Skew, l.Retention
	under.MaxText = cmp.Or(l.MaxText, a.MaxText)
	if !l.Earliest.IsZero() {
		under.Earliest = l.Earliest
	}
	return &under, nil
}

// Limits returns the limits of the Admission, with a lateness, in canonical form. The error is an *InvalidError.
func (a *Admission) Limits(lateness time.Duration) (*Limits, error) {
	l := &Limits{
		Lateness: lateness, Skew: a.Skew, Retention: a.Retention,
		MaxText: cmp.Or(a.MaxText, DefaultMaxText), Earliest: a.EarliestTime(), Types: a.Catalog.Specs(),
	}
	for i := range l.Types { // Normalize changes what they point to.
		l.Types[i].Labels, l.Types[i].States = maps.Clone(l.Types[i].Labels), slices.Clone(l.Types[i].States)
	}
	if err := l.Normalize(); err != nil {
		return nil, err
	}
	return l, nil
}

// EarliestTime returns the oldest timestamp that a reading may have, before Retention is considered.
func (a *Admission) EarliestTime() time.Time {
	if a.Earliest.IsZero() {
		return time.Unix(DefaultEarliest, 0)
	}
	return a.Earliest
}

// admissionRules changes when programs begin to decide differently under the same limits.
const admissionRules = "tenant"

// Fingerprint returns a hash of the limits and the catalog. Two Admissions that decide differently almost certainly have
// different fingerprints.
func (a *Admission) Fingerprint() uint32 {
	hash := fnv.New32a()
	fmt.Fprint(hash, admissionRules, a.Skew, a.Retention, cmp.Or(a.MaxText, DefaultMaxText), a.EarliestTime().Unix())
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
	// Comparing microseconds is twice as fast as comparing two time.Time, and this runs for every reading.
	ahead := r.Time.UnixMicro() - appended.UnixMicro()
	if ahead > a.Skew.Microseconds() {
		return Invalid("timestamp", "more than %v ahead of the time it was received (got %v)", a.Skew, r.Time.Sub(appended).Round(time.Millisecond))
	}
	if a.Retention > 0 && -ahead > a.Retention.Microseconds() {
		return Invalid("timestamp", "older when received than the retention of %v (got %v)", a.Retention, appended.Sub(r.Time).Round(time.Second))
	}
	return nil
}
