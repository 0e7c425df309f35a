package archive

import (
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

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
