package process

import (
	"fmt"
	"time"

	"iotmon/internal/alert"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

var _ alert.References = (*Partition)(nil)

// applyReference puts the median of peers in force, from which values are judged to deviate. It returns an error if the record is not a valid one.
func (p *Partition) applyReference(rec *Record) error {
	peers, err := wire.DecodePeersKey(rec.Key)
	if err != nil {
		return fmt.Errorf("reference: %w", err)
	}
	next, err := wire.DecodeReference(rec.Value)
	if err != nil {
		return fmt.Errorf("reference: %w", err)
	}
	p.inForce.changeReference(peers) // Also if nothing changes; see processDevice.
	// By the clock of a broker that is ahead it would hold for longer than others.
	next.Newest = earlier(next.Newest, p.clock)
	switch before := p.inForce.references[peers]; {
	case before == nil && len(p.inForce.references) >= iot.MaxReferences:
		p.counts.LeftOut++
		return nil
	case before != nil && next.Newest.Before(before.Newest):
		return nil
	}
	p.inForce.references[peers] = &iot.ReferenceInForce{Reference: next}
	p.endReferenceAt(next.Until())
	return nil
}

// Reference implements alert.References: the median in force by the log's clock.
func (p *Partition) Reference(peers iot.Peers, _ *iot.Reading) (median float64, ok bool) {
	reference := p.inForce.references[peers]
	if reference == nil || !reference.Until().After(p.clock) {
		p.counts.Unreferenced++
		return 0, false
	}
	return reference.Median, true
}

// endReferenceAt has the references looked at when the log's clock has come to a time.
func (p *Partition) endReferenceAt(t time.Time) {
	if p.referencesEnd.IsZero() || t.Before(p.referencesEnd) {
		p.referencesEnd = t
	}
}

// endReferences removes the references that have ended.
func (p *Partition) endReferences() {
	p.referencesEnd = time.Time{}
	for peers, reference := range p.inForce.references {
		if until := reference.Until(); until.After(p.clock) {
			p.endReferenceAt(until)
			continue
		}
		delete(p.inForce.references, peers)
		p.inForce.changeReference(peers)
		if p.engine.Deviates() {
			p.counts.Ended++
		}
	}
}

// setBackReferences moves the references back by as much as the log's clock is set back.
func (p *Partition) setBackReferences(by time.Duration) {
	p.referencesEnd = time.Time{}
	for peers, reference := range p.inForce.references {
		reference.Newest = reference.Newest.Add(-by)
		p.endReferenceAt(reference.Until())
		p.inForce.changeReference(peers)
	}
}
