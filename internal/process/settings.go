package process

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// settingsMargin is how long it may take until a new settings record is in every partition.
const settingsMargin = 10 * time.Second

// Outdated returns the settings that should replace those in force because the configuration has changed, or because no record has said
// yet which limits the partition began with: the archiver reads them there. Another length begins late enough after now for the
// record to reach every partition. It returns false if the configuration is in force, or older than the settings in force, and before the
// first Process.
func (p *Partition) Outdated(now time.Time) (iot.Settings, bool) {
	if p.limits == nil {
		return iot.Settings{}, false
	}
	s := iot.Settings{Revision: p.settingsRevision(), Window: p.windows.Lengths().Newest()}
	length := s.Revision > p.revision && s.Window != p.Window
	if p.level >= LevelRules && s.Revision > p.limits.Revision {
		s.Limits = p.configuredLimits()
	}
	if !length && (s.Limits == nil || p.limits.Revision > 0 && p.configuredInForce()) {
		return iot.Settings{}, false
	}
	if length {
		s.Window = p.Window
	}
	if p.clock.After(now) {
		now = p.clock
	}
	s.From = p.earliestStart(now.Add(settingsMargin), s.Window)
	return s, true
}

// settingsRevision returns the revision of the configured settings, at least 1.
func (p *Partition) settingsRevision() int64 {
	if p.Alone {
		return max(p.Revision, p.revision+1, p.limits.Revision+1)
	}
	return max(p.Revision, 1)
}

// Length returns the length of windows that is in force, or will be next.
func (p *Partition) Length() time.Duration { return p.windows.Lengths().Newest() }

// Overruled reports whether the configured window length differs from the one in force without being newer, and returns the
// one in force.
func (p *Partition) Overruled() (inForce time.Duration, overruled bool) {
	inForce = p.windows.Lengths().Newest()
	return inForce, p.Window != inForce && p.Revision <= p.revision && !p.Alone
}

// earliestStart returns the first common boundary of the length in force and another after which no reading can have been
// admitted by now.
func (p *Partition) earliestStart(now time.Time, length time.Duration) time.Time {
	return p.windows.Lengths().Boundary(iot.CutTime(now.Add(p.maxSkew()+time.Microsecond)), length)
}

// applySettings puts settings in force if their revision is higher than that of those in force.
func (p *Partition) applySettings(rec *Record, out Output) error {
	s, err := wire.DecodeSettings(rec.Value)
	if err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	if s.Types == nil {
		err = p.applyLength(&s, rec.Offset) // Its earliest start depends on the limits before.
	}
	if err = errors.Join(err, p.applyLimits(&s, rec.Offset, out)); err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	return nil
}

func (p *Partition) applyLength(s *iot.Settings, offset int64) error {
	lengths := p.windows.Lengths()
	if s.Revision <= p.revision {
		return nil
	}
	if err := iot.CheckNextVersion("revision", s.Revision, p.revision); err != nil {
		return err
	}
	p.revision = s.Revision
	defer p.keepLengths(offset + 1)
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

// beginLengths puts the history of window lengths in force, once everything has been restored. If the commit is lost, and the history with
// it, that of what is in force applies.
func (p *Partition) beginLengths() {
	if p.lengthsLost && len(p.inForce.settings) > 0 {
		var lengths iot.Lengths
		for _, s := range p.inForce.settings {
			lengths = append(lengths, iot.LengthFrom{From: s.From, Length: s.Window})
			p.revision = max(p.revision, s.Revision)
		}
		slices.SortFunc(lengths, func(a, b iot.LengthFrom) int { return a.From.Compare(b.From) })
		p.windows.SetLengths(lengths)
	}
	p.keepLengths(0)
}

// keepLengths makes the settings in force those of the history of window lengths. since is the offset from which the new ones hold; of
// several the newest one holds from there.
func (p *Partition) keepLengths(since int64) {
	lengths := p.windows.Lengths()
	kept := make(map[int64]bool, len(lengths))
	since -= int64(len(lengths)) // The keys of what older versions have left in a checkpoint must differ.
	for i, length := range lengths {
		since++
		key, found := since, false
		for other, s := range p.inForce.settings {
			if s.From.Equal(length.From) && s.Window == length.Length {
				key, found = other, true
			}
		}
		for !found && p.inForce.settings[key] != nil {
			key--
		}
		kept[key] = true
		s := p.inForce.settings[key]
		if !found {
			s = &iot.SettingsInForce{Settings: iot.Settings{Window: length.Length, From: length.From}, Since: key}
			p.inForce.settings[key] = s
			p.inForce.changeSettings(key)
		}
		if newest := i == len(lengths)-1; newest && s.Revision != p.revision || !found {
			s.Revision = p.revision
			p.inForce.changeSettings(key)
		}
	}
	for key := range p.inForce.settings {
		if !kept[key] {
			delete(p.inForce.settings, key)
			p.inForce.changeSettings(key)
		}
	}
}
