package source

import (
	"sync/atomic"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
)

// Mapped is by what values become readings. It does not change.
type Mapped struct {
	Rules *mapping.Rules
	// Admission is the test of the readings. It knows the types of the rules.
	Admission *iot.Admission
	// Refused, if not nil, is why the map cannot be applied: then every message for which there is no rule is a dead letter with this reason.
	Refused error
}

// Mapping is by what the values of a source become readings at the moment. It may be used concurrently. The zero Mapping is none.
type Mapping struct{ current atomic.Pointer[Mapped] }

// Set replaces it. Messages that are converted from now on are converted by m, and those of a batch by the same one.
func (l *Mapping) Set(m *Mapped) { l.current.Store(m) }

// Current returns the one that was set last, nil if none was.
func (l *Mapping) Current() *Mapped { return l.current.Load() }

// follow takes over another mapping.
func (p *Pipeline) follow() {
	if p.o.Follow == nil {
		return
	}
	current := p.o.Follow.Current()
	if current == nil || current == p.mapped {
		return
	}
	p.mapped = current
	p.mapper, p.admission = current.Rules.Mapper(), current.Admission
	clear(p.missing) // What this map has no rule for is a dead letter again.
}
