package iot

import "slices"

// Follow returns the limits that are in force after settings, and the revision of the settings record that they are of. l are those before,
// and inForce is their revision; 0 if no record has put any in force. If nothing changes it returns l. Processor, archiver and every
// replay follow the records after an offset by this function alone: so all of them have the same limits everywhere. The error is an
// *InvalidError about what of the settings cannot be in force; the rest is.
func (l *Limits) Follow(s *Settings, inForce int64) (next *Limits, revision int64, err error) {
	if s.Types != nil {
		next, err := l.withTypes(s.Types)
		return next, inForce, err
	}
	if s.Limits == nil || s.Revision <= inForce {
		return l, inForce, nil
	}
	if err := CheckNextVersion("revision", s.Revision, inForce); err != nil {
		return l, inForce, err
	}
	limits := *s.Limits
	limits.Decided = l.Decided // What people have decided is in no configuration.
	return &limits, s.Revision, nil
}

// withTypes returns the limits with types that people have decided. A type that there is already, decided or configured, stays as it is: its
// values have been counted. What does not fit is left out, and the error names the first of it.
func (l *Limits) withTypes(types []TypeSpec) (*Limits, error) {
	decided := slices.Clip(l.Decided)
	var refused error
	for i := range types {
		if l.Type(types[i].Name) != nil || slices.ContainsFunc(decided, func(t TypeSpec) bool { return t.Name == types[i].Name }) {
			continue
		}
		longer := append(slices.Clone(decided), types[i])
		if err := NormalizeDecided(longer); err != nil {
			if refused == nil {
				refused = err
			}
			continue
		}
		decided = longer
	}
	if len(decided) == len(l.Decided) {
		return l, refused
	}
	next := *l
	next.Decided = decided
	return &next, refused
}

// Type returns a device type that is admitted by the limits, nil if there is none with the name. It must not be changed.
func (l *Limits) Type(name DeviceType) *TypeSpec {
	for _, types := range [][]TypeSpec{l.Types, l.Decided} {
		for i := range types {
			if types[i].Name == name {
				return &types[i]
			}
		}
	}
	return nil
}

// All returns the whole catalog: the types of the configuration and then those that people have decided beside them.
func (l *Limits) All() []TypeSpec {
	all := slices.Clone(l.Types)
	for i := range l.Decided {
		if l.Type(l.Decided[i].Name) == &l.Decided[i] {
			all = append(all, l.Decided[i])
		}
	}
	return all
}
