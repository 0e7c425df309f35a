package control

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// batchEdits is the maximum number of edits that one transaction makes, batchBytes about that of the bytes of their entries. Other
	// changes wait until the transaction ends.
	batchEdits = 1000
	batchBytes = 1 << 20
	// maxTurnWait is how long one of several calls of ChangeMany waits until it may make its next batch. Each makes one in turn.
	maxTurnWait = 30 * time.Second
)

// PartialError means that ChangeMany has ended early.
type PartialError struct {
	// Made is how many edits, the first ones, are made, or change nothing. Further ones may be, up to batchEdits, if Err is an
	// ErrUnavailable and no ErrBusy. No other is made.
	Made int
	// Err is why: an ErrUnavailable, a *RefusedError of entries that were changed meanwhile, or that of the context.
	Err error
}

// Error says how many edits are made, and why no more.
func (e *PartialError) Error() string {
	return fmt.Sprintf("only the first %d edits are made: %v", e.Made, e.Err)
}

// Unwrap returns why.
func (e *PartialError) Unwrap() error { return e.Err }

// ChangeMany makes any number of edits, in their order, and calls made with what each has done that changes an entry.
//
// It first checks all of them, and makes none if one is refused. Then it makes them in batches, each in a transaction of its own, so that
// other changes are made meanwhile. An edit that is refused only then, because its entry was changed meanwhile, ends the call, as does an
// outage. To make the same edits again completes them: an edit whose Condition names a version is not refused if it changes nothing.
//
// The error is one of Change, or a *PartialError.
func (r *Registry) ChangeMany(ctx context.Context, edits []Edit, by By, made func(*Outcome)) error {
	if len(edits) <= batchEdits {
		outcomes, err := r.inTurn(ctx, edits, by)
		visitChanged(outcomes, made)
		return err
	}
	batches, err := r.check(ctx, edits, func(*Outcome) {})
	if err != nil {
		return err
	}
	for i, batch := range batches {
		outcomes, err := r.inTurn(ctx, batch.edits, by)
		switch {
		case err != nil && i == 0:
			return err
		case err != nil:
			return &PartialError{batch.first, err}
		}
		visitChanged(outcomes, made)
	}
	return nil
}

// Plan calls visit with what each edit would do that changes an entry, and changes nothing. The error is one of Change.
func (r *Registry) Plan(ctx context.Context, edits []Edit, visit func(*Outcome)) error {
	_, err := r.check(ctx, edits, visit)
	return err
}

// inTurn makes a batch of edits when it is its turn among those of other calls: a change of one device waits for one of them at most.
func (r *Registry) inTurn(ctx context.Context, edits []Edit, by By) ([]Outcome, error) {
	timer := time.NewTimer(maxTurnWait)
	defer timer.Stop()
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
		return r.Change(ctx, edits, by)
	case <-timer.C:
		return nil, unavailable(ErrBusy)
	case <-ctx.Done():
		return nil, unavailable(ctx.Err())
	}
}

// batch are edits that one transaction makes, in their order.
type batch struct {
	edits []Edit
	// first is how many edits of the call are before them.
	first int
}

// check calls visit with what each edit would do that changes an entry, and returns these edits in batches. The error is one of Change.
func (r *Registry) check(ctx context.Context, edits []Edit, visit func(*Outcome)) ([]batch, error) {
	refs, err := refsOf(edits)
	if err != nil {
		return nil, err
	}
	var batches []batch
	var all RefusedError
	bytes := batchBytes
	for from := 0; from < len(edits); from += batchEdits {
		to := min(from+batchEdits, len(edits))
		current, err := r.Store.Objects(ctx, refs[from:to])
		if err != nil {
			return nil, unavailable(err)
		}
		outcomes, changes, err := r.plan(current, edits[from:to], By{})
		var refused *RefusedError
		if errors.As(err, &refused) {
			all.Edits = append(all.Edits, refused.Edits[:min(len(refused.Edits), maxRefusals-len(all.Edits))]...)
			if len(all.Edits) == maxRefusals {
				break
			}
			continue
		} else if err != nil {
			return nil, err
		}
		for i := range outcomes {
			if !outcomes[i].Changed() {
				continue
			}
			visit(&outcomes[i])
			if last := len(batches) - 1; bytes >= batchBytes || len(batches[last].edits) == batchEdits {
				batches, bytes = append(batches, batch{first: from + i}), 0
			}
			last := &batches[len(batches)-1]
			last.edits = append(last.edits, edits[from+i])
			bytes += len(changes[0].Body)
			changes = changes[1:]
		}
	}
	if len(all.Edits) > 0 {
		return nil, &all
	}
	return batches, nil
}

// visitChanged calls visit with the outcomes that change an entry.
func visitChanged(outcomes []Outcome, visit func(*Outcome)) {
	for i := range outcomes {
		if outcomes[i].Changed() {
			visit(&outcomes[i])
		}
	}
}
