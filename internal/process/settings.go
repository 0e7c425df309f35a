package process

import (
	"fmt"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// settingsMargin is how long it may take until a new settings record is in every partition.
const settingsMargin = 10 * time.Second

// Outdated returns the settings that should replace those in force because the configuration has changed. They begin late
// enough after now for the record to reach every partition. It returns false if the configuration is in force, or older
// than the settings in force.
func (p *Partition) Outdated(now time.Time) (iot.Settings, bool) {
	revision := p.Revision
	if p.Alone {
		revision = max(revision, p.revision+1)
	}
	if p.Window == p.windows.Lengths().Newest() || revision <= p.revision {
		return iot.Settings{}, false
	}
	if p.clock.After(now) {
		now = p.clock
	}
	return iot.Settings{
		Revision: revision,
		Window:   p.Window,
		From:     p.earliestStart(now.Add(settingsMargin), p.Window),
	}, true
}

// Overruled reports whether the configured window length differs from the one in force without being newer, and returns the
// one in force.
func (p *Partition) Overruled() (inForce time.Duration, overruled bool) {
	inForce = p.windows.Lengths().Newest()
	return inForce, p.Window != inForce && p.Revision <= p.revision && !p.Alone
}

// earliestStart returns the first common boundary of the length in force and another after which no reading can have been
// admitted by now.
func (p *Partition) earliestStart(now time.Time, length time.Duration) time.Time {
	return p.windows.Lengths().Boundary(iot.CutTime(now.Add(p.Admission.Skew+time.Microsecond)), length)
}

// applySettings puts settings in force if their revision is higher than that of those in force.
func (p *Partition) applySettings(rec *Record) error {
	s, err := wire.DecodeSettings(rec.Value)
	if err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	lengths := p.windows.Lengths()
	if s.Revision <= p.revision {
		return nil
	}
	p.revision = s.Revision
	if s.Window == lengths.Newest() {
		return nil
	}
	// A record that arrived too late, or whose From is not a common boundary, begins at the next possible boundary instead.
	if earliest := p.earliestStart(p.clock, s.Window); s.From.Before(earliest) || !lengths.Boundary(s.From, s.Window).Equal(s.From) {
		s.From = earliest
	}
	p.windows.SetLengths(lengths.With(s.From, s.Window))
	return nil
}
