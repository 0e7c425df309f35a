package process

import (
	"fmt"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// settingsMargin is how long the settings record may take from being made until it is in every partition.
const settingsMargin = 10 * time.Second

// Outdated returns the settings that should replace those in force because the configuration has changed, in time for every
// partition: now is the current time. It is false if the configuration is in force, or is older than what is.
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

// Overruled reports whether the configuration asks for another length of windows than what is in force, but is not newer.
func (p *Partition) Overruled() (inForce time.Duration, overruled bool) {
	inForce = p.windows.Lengths().Newest()
	return inForce, p.Window != inForce && p.Revision <= p.revision && !p.Alone
}

// earliestStart returns the first boundary common to the length in force and another, of which no reading has been admitted by now.
func (p *Partition) earliestStart(now time.Time, length time.Duration) time.Time {
	return p.windows.Lengths().Boundary(iot.CutTime(now.Add(p.Admission.Skew+time.Microsecond)), length)
}

// applySettings puts settings in force. Those in force keep what is not newer than they are.
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
	// A record that was in time needs no more than this, one that was not begins later.
	if earliest := p.earliestStart(p.clock, s.Window); s.From.Before(earliest) || !lengths.Boundary(s.From, s.Window).Equal(s.From) {
		s.From = earliest
	}
	p.windows.SetLengths(lengths.With(s.From, s.Window))
	return nil
}
