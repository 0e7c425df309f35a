package process

import (
	"cmp"
	"slices"

	"iotmon/internal/iot"
)

// outcomes remembers what was done with the last commands.
type outcomes struct {
	byID map[string]*iot.Outcome
	// requests has the requests of the outcomes by their keys.
	requests map[string]*rememberedRequest
	// inOrder holds the outcomes by the position of the command, by id among equals.
	inOrder []*iot.Outcome
}

// rememberedRequest is a request of which so many outcomes are remembered.
type rememberedRequest struct {
	request string
	count   int
}

func newOutcomes() outcomes {
	return outcomes{byID: make(map[string]*iot.Outcome), requests: make(map[string]*rememberedRequest)}
}

func compareOutcomes(a, b *iot.Outcome) int {
	return cmp.Or(a.Position.Compare(b.Position), cmp.Compare(a.ID, b.ID))
}

// find returns the outcome of the command with an id, nil if it is not remembered.
func (o *outcomes) find(id string) *iot.Outcome { return o.byID[id] }

// reused reports whether a key is known as that of another request.
func (o *outcomes) reused(key, request string) bool {
	known := o.requests[key]
	return known != nil && known.request != request
}

// add adds an outcome. That of a command whose key is reused does not say of which request the key is.
func (o *outcomes) add(outcome *iot.Outcome) {
	i, _ := slices.BinarySearchFunc(o.inOrder, outcome, compareOutcomes)
	o.inOrder = slices.Insert(o.inOrder, i, outcome)
	o.byID[outcome.ID] = outcome
	if outcome.Refused == iot.KeyReused {
		return
	}
	known := o.requests[outcome.Key]
	if known == nil {
		known = &rememberedRequest{request: outcome.Request}
		o.requests[outcome.Key] = known
	}
	known.count++
}

// removeOldest removes the oldest outcome and returns it.
func (o *outcomes) removeOldest() *iot.Outcome {
	oldest := o.inOrder[0]
	o.inOrder[0] = nil
	o.inOrder = o.inOrder[1:]
	delete(o.byID, oldest.ID)
	if oldest.Refused == iot.KeyReused {
		return oldest
	}
	if known := o.requests[oldest.Key]; known != nil {
		if known.count--; known.count == 0 {
			delete(o.requests, oldest.Key)
		}
	}
	return oldest
}

// remember keeps what was done with a command, and forgets what is too old or too much.
func (p *Partition) remember(outcome iot.Outcome) {
	outcome.Time, outcome.Position = p.clock, p.position()
	remembered := &p.inForce.outcomes
	for since := p.clock.Add(-iot.OutcomeSpan); len(remembered.inOrder) > 0; {
		if oldest := remembered.inOrder[0]; len(remembered.inOrder) < iot.MaxOutcomes && !oldest.Time.Before(since) {
			break
		}
		p.inForce.changeOutcome(remembered.removeOldest().ID)
	}
	remembered.add(&outcome)
	p.inForce.changeOutcome(outcome.ID)
}
