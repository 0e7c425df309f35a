package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// LimitsInForce returns the limits that are in force at the processors, by partition of the readings' topic; none of a partition that has no
// processor yet.
type LimitsInForce func(ctx context.Context, partitions []int32) (map[int32][]iot.SettingsInForce, error)

// followMissed sets the limits in next, which is where to go on, for each partition of the readings' topic of which those in the database
// may not be the ones that hold there: it has none, or there are records that were not read and that may have changed them.
func (a *Archiver) followMissed(ctx context.Context, given []Extent, stored, next map[Source]Offset) error {
	var missed []int32
	ends := make(map[int32]int64)
	for _, extent := range given {
		before := stored[extent.Source]
		if extent.Topic != a.Topics.Readings || next[extent.Source].at(before) && (before.Limits != "" || extent.End == 0) {
			continue
		}
		missed = append(missed, extent.Partition)
		ends[extent.Partition] = math.MaxInt64
		if next[extent.Source].Epoch != before.Epoch {
			ends[extent.Partition] = extent.End
		}
	}
	if len(missed) == 0 || a.Limits == nil {
		return nil
	}
	inForce, err := a.Limits(ctx, missed)
	if err != nil {
		return err
	}
	for _, partition := range missed {
		source := Source{Topic: a.Topics.Readings, Partition: partition}
		offset := next[source]
		offset.Limits = limitsAt(inForce[partition], offset, ends[partition])
		next[source] = offset
	}
	return nil
}

// limitsAt returns the settings record of the limits, of those that are known, that hold at an offset. Limits since an offset beyond end are
// of an earlier log: the newest of them go on to hold. If none of the known ones are as old as the offset, it is the record in the offset
// or, without any there, the oldest one. It returns "" if none are known at all.
func limitsAt(known []iot.SettingsInForce, at Offset, end int64) string {
	slices.SortFunc(known, func(a, b iot.SettingsInForce) int { return cmp.Compare(a.Since, b.Since) })
	last := len(known) - 1
	i := last
	for i >= 0 && known[i].Since > at.Next {
		i--
	}
	switch {
	case last >= 0 && known[last].Since > end:
		i = last
	case i < 0 && (at.Limits != "" || last < 0):
		return at.Limits
	}
	return string(wire.AppendSettings(nil, &known[max(i, 0)].Settings))
}

// limits are limits on readings.
type limits struct {
	// text is the settings record that has put them in force, "" for those of the configuration, and revision its revision.
	text      string
	revision  int64
	admission *iot.Admission
}

// applySettings puts what a settings record says of the limits in force; see iot.Limits.Follow. The processor of the partition decides
// alike, see process.Partition.applyLimits. It has sent what cannot be in force to the dead-letter queue.
func (in *intake) applySettings(s *sourceState, r *Record) {
	settings, err := wire.DecodeSettings(r.Value)
	if err != nil {
		return
	}
	before, err := s.limits.settings(in.admission)
	if err != nil {
		return // Unreachable: the limits of the configuration are valid, and the others were decoded before.
	}
	next, revision, _ := before.Limits.Follow(&settings, before.Revision)
	if next == before.Limits && revision == before.Revision {
		return
	}
	if settings.Limits != nil {
		before = settings
	}
	before.Revision, before.Limits = revision, next
	text := string(wire.AppendSettings(nil, &before))
	if in.follow(s, text) == nil {
		s.read.Limits = text
	}
}

// settings returns the settings with the limits. If no record has put them in force, they are those of the program's own admission.
func (l *limits) settings(own *iot.Admission) (iot.Settings, error) {
	if l.text != "" {
		return wire.DecodeSettings([]byte(l.text))
	}
	configured, err := own.Limits(0) // The archive does not depend on the lateness.
	return iot.Settings{Window: time.Second, Limits: configured}, err
}

// follow lets a source's readings be admitted by the limits of a settings record, or by those of the configuration if there is none.
func (in *intake) follow(s *sourceState, text string) error {
	if in.shared.text == text {
		s.limits = in.shared
		return nil
	}
	if text == "" {
		s.limits = limits{admission: in.admission}
		return nil
	}
	limits, err := newLimits(text, in.admission)
	if err != nil {
		return err
	}
	s.limits, in.shared = limits, limits
	return nil
}

// newLimits returns the limits of a settings record. What they do not have is that of the program's own admission.
func newLimits(text string, own *iot.Admission) (limits, error) {
	settings, err := wire.DecodeSettings([]byte(text))
	if err != nil {
		return limits{}, err
	}
	if settings.Limits == nil {
		return limits{}, errors.New("the settings have no limits")
	}
	admission, err := own.Under(settings.Limits)
	if err != nil {
		return limits{}, err
	}
	return limits{text, settings.Revision, admission}, nil
}

// keepAtLeast returns how long readings are accepted after their time, or least if that is longer; 0 means for ever.
func (l *limits) keepAtLeast(least time.Duration) time.Duration {
	if l.admission.Retention == 0 {
		return 0
	}
	return max(least, l.admission.Retention)
}

// retention returns how long readings are accepted after their time, in the partition where that is longest; 0 means for ever. It is least
// if no source has begun.
func (in *intake) retention(least time.Duration) time.Duration {
	in.mu.Lock()
	defer in.mu.Unlock()
	for source, s := range in.sources {
		if source.Topic == in.topics.Readings && least > 0 {
			least = s.limits.keepAtLeast(least)
		}
	}
	return least
}

func (a *Archiver) setIntake(in *intake) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.intake = in
}

// retention returns how long rows are kept: readings at least as long as they are accepted, also by limits in force that are not those of
// this program's configuration, and in partitions that other archivers read. Otherwise a program with an older configuration would remove
// what a newer one keeps.
func (a *Archiver) retention(ctx context.Context) (Retention, error) {
	keep := a.Retention
	if keep.Readings <= 0 {
		return keep, nil
	}
	a.mu.Lock()
	in := a.intake
	a.mu.Unlock()
	if in != nil {
		keep.Readings = in.retention(keep.Readings)
	}
	stored, err := a.Store.Offsets(ctx, a.Topics.Readings)
	if err != nil {
		return keep, fmt.Errorf("read how long readings are accepted: %w", err)
	}
	seen := map[string]bool{"": true}
	for source, offset := range stored {
		if keep.Readings == 0 || seen[offset.Limits] {
			continue
		}
		seen[offset.Limits] = true
		limits, err := newLimits(offset.Limits, a.Admission)
		if err != nil {
			return keep, fmt.Errorf("limits of %s/%d in the archive: %w", source.Topic, source.Partition, err)
		}
		keep.Readings = limits.keepAtLeast(keep.Readings)
	}
	return keep, nil
}
