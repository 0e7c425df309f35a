package archive

import (
	"cmp"
	"context"
	"slices"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// LimitsInForce returns the limits that are in force at the processors, by partition of the readings' topic; none of a partition that has no
// processor yet.
type LimitsInForce func(ctx context.Context, partitions []int32) (map[int32][]iot.SettingsInForce, error)

// unknownLimits returns the limits in force in those partitions of the readings' topic of which the database has none, and which have ever
// had records.
func (a *Archiver) unknownLimits(ctx context.Context, given []Extent, stored map[Source]Offset) (map[int32][]iot.SettingsInForce, error) {
	var unknown []int32
	for _, extent := range given {
		if extent.Topic == a.Topics.Readings && extent.End > 0 && stored[extent.Source].Limits == "" {
			unknown = append(unknown, extent.Partition)
		}
	}
	if len(unknown) == 0 || a.Limits == nil {
		return nil, nil
	}
	return a.Limits(ctx, unknown)
}

// limitsAt returns the settings record of the limits that hold at an offset: the last ones since then or before, else the oldest that
// are known. It returns "" if none are.
func limitsAt(known []iot.SettingsInForce, offset int64) string {
	slices.SortFunc(known, func(a, b iot.SettingsInForce) int { return cmp.Compare(a.Since, b.Since) })
	i := len(known) - 1
	for i > 0 && known[i].Since > offset {
		i--
	}
	if i < 0 {
		return ""
	}
	return string(wire.AppendSettings(nil, &known[i].Settings))
}

// limits are limits on readings.
type limits struct {
	// text is the settings record that has put them in force, "" for those of the configuration, and revision its revision.
	text      string
	revision  int64
	admission *iot.Admission
}

// applySettings puts the limits of a settings record in force if their revision is higher than that of those before. The processor of
// the partition decides alike, see process.Partition.applyLimits. It has sent invalid settings to the dead-letter queue.
func (in *intake) applySettings(s *sourceState, r *Record) {
	settings, err := wire.DecodeSettings(r.Value)
	if err != nil {
		return
	}
	if follow, _ := settings.LimitsFollow(s.limits.revision); !follow {
		return
	}
	text := string(r.Value)
	if in.follow(s, text) == nil {
		s.read.Limits = text
	}
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
	settings, err := wire.DecodeSettings([]byte(text))
	if err != nil {
		return err
	}
	admission, err := in.admission.Under(settings.Limits)
	if err != nil {
		return err
	}
	s.limits = limits{text, settings.Revision, admission}
	in.shared = s.limits
	return nil
}

// retention returns how long readings are accepted after their time, in the partition where that is longest; 0 means for ever. It is least
// if no source has begun.
func (in *intake) retention(least time.Duration) time.Duration {
	in.mu.Lock()
	defer in.mu.Unlock()
	for source, s := range in.sources {
		if source.Topic != in.topics.Readings {
			continue
		}
		if s.limits.admission.Retention == 0 {
			return 0
		}
		least = max(least, s.limits.admission.Retention)
	}
	return least
}

func (a *Archiver) setIntake(in *intake) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.intake = in
}

// retention returns how long rows are kept: readings at least as long as they are accepted, also by limits in force that are not those of
// this program's configuration. Otherwise a program with an older configuration would remove what a newer one keeps.
func (a *Archiver) retention() Retention {
	a.mu.Lock()
	in := a.intake
	a.mu.Unlock()
	keep := a.Retention
	if in != nil && keep.Readings > 0 {
		keep.Readings = in.retention(keep.Readings)
	}
	return keep
}
