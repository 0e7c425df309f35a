package process

import (
	"fmt"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// applyOutage puts in force that the parent of devices of this partition is silent, or not any more. It returns an error if the record is not a
// valid one.
func (p *Partition) applyOutage(rec *Record) error {
	parent, err := wire.DecodeDeviceKey(rec.Key)
	if err != nil {
		return fmt.Errorf("outage: %w", err)
	}
	said, err := wire.DecodeOutage(rec.Value)
	if err != nil {
		return fmt.Errorf("outage: %w", err)
	}
	before := p.inForce.outages[parent]
	p.inForce.change(wire.OutageInForce, parent) // Also if nothing changes; see processDevice.
	same := before != nil && before.Silent == said.Silent
	if before == nil && !said.Silent || same && !said.Silent || !same && before != nil && before.After(said.Evidence) {
		return nil
	}
	next := iot.OutageInForce{Silent: said.Silent, Evidence: said.Evidence, Since: p.clock, Until: p.clock.Add(said.For)}
	switch {
	case same:
		next.Since = before.Since
		if before.After(next.Evidence) { // A state that was published before its transaction failed.
			next.Evidence = before.Evidence
		}
	case !next.Silent:
		next.Until = p.clock.Add(maxReturn)
	}
	p.inForce.outages[parent] = &next
	p.byDesign.judgeBy(next.Until)
	if !same {
		p.byDesign.judgeBy(p.clock)
	}
	return nil
}

// maxReturn is the maximum time that devices have to return after their parent, however seldom they send. An outage that is over is remembered
// for that long.
const maxReturn = 24 * time.Hour

// silencedUntil returns until when an alert about the silence of a device is suppressed by the parent of the device, and has that judged again then;
// zero, or a time that has passed, if it is not. entry is the registry entry of the device, nil if there is none.
func (p *Partition) silencedUntil(entry *iot.DeviceEntry, a *iot.Alert) (until time.Time) {
	if entry == nil || entry.Parent == "" {
		return time.Time{}
	}
	patience, about := p.patienceOf(a)
	if !about {
		return time.Time{}
	}
	outage := p.inForce.outages[iot.Identity{Tenant: a.Tenant, ID: entry.Parent}]
	switch {
	case outage != nil && outage.Silent:
		until = outage.Until
	case outage != nil:
		until = outage.Since.Add(min(max(p.ParentGrace, patience), maxReturn))
	}
	// An onset may be in the future, by the clock of a source or, after the log's clock was set back, for long.
	if from := a.Onset.Add(-p.ParentGrace); from.After(p.clock) {
		p.byDesign.judgeBy(from)
	} else {
		until = later(until, a.Onset.Add(p.ParentGrace))
	}
	if until = wholeSecond(until); until.After(p.clock) {
		p.byDesign.judgeBy(until)
	}
	return until
}

// judgeAgain has an open alert judged again that its rule has updated, if that is needed: the device may be silent again.
func (p *Partition) judgeAgain(a *iot.Alert) {
	if known := p.entryOf(a.Identity()); known != nil && a.Suppressed == "" && p.silencedUntil(&known.DeviceEntry, a).After(p.clock) {
		p.judgeByDesignNext()
	}
}

// patienceOf returns for how long a device may be silent until it violates the rule of an alert; false if the alert is not about silence.
func (p *Partition) patienceOf(a *iot.Alert) (time.Duration, bool) {
	if a.Rule == iot.RuleOffline {
		if device := p.fleet.Device(a.Identity()); device != nil {
			return p.fleet.Timeout(device), true
		}
		return p.OfflineAfter, true
	}
	if rule := p.inForce.rules[a.Rule]; rule != nil && rule.Rule.Kind == iot.NoData {
		return rule.Rule.Within, true
	}
	return 0, false
}

// wholeSecond returns the next whole second, so that all suppressions that end in one second are judged at once: thousands may.
func wholeSecond(t time.Time) time.Time {
	if whole := t.Truncate(time.Second); whole.Before(t) {
		return whole.Add(time.Second)
	}
	return t
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// endOutages removes the outages that have ended, and are no longer remembered.
func (p *Partition) endOutages() {
	for parent, outage := range p.inForce.outages {
		if outage.Until.After(p.clock) {
			p.byDesign.judgeBy(outage.Until)
			continue
		}
		delete(p.inForce.outages, parent)
		p.inForce.change(wire.OutageInForce, parent)
	}
}

// anySilenced reports whether an outage may suppress alerts. The partition then needs ticks, so that a standstill of the system is known from a partition
// in which all devices are silent.
func (p *Partition) anySilenced() bool {
	for _, outage := range p.inForce.outages {
		if outage.Silent {
			return true
		}
	}
	return false
}

// extendOutages is for the end of a standstill of the system, during which nobody could say that a parent is silent: what was so before has to be
// said again within the grace.
func (p *Partition) extendOutages(now time.Time) {
	for parent, outage := range p.inForce.outages {
		if until := now.Add(p.ParentGrace); outage.Silent && until.After(outage.Until) {
			outage.Until = until
			p.inForce.change(wire.OutageInForce, parent)
		}
	}
}

// setBackOutages moves the outages back by as much as the log's clock is set back.
func (p *Partition) setBackOutages(by time.Duration) {
	for parent, outage := range p.inForce.outages {
		outage.Since, outage.Until = outage.Since.Add(-by), outage.Until.Add(-by)
		p.inForce.change(wire.OutageInForce, parent)
	}
}
