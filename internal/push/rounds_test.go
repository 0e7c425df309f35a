package push

import (
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/view"
)

// stub is a connection that does what serve says.
type stub struct {
	serving func() progress
	ended   Reason
}

func (s *stub) serve() progress { return s.serving() }

func (s *stub) end(r Reason) { s.ended = r }

func (s *stub) cut() {}

// seat adds a viewer whose connection accepts everything at once, and counts in served how often it is served.
func (p *parts) seat(o opening, served *int) *viewer {
	v := p.join(o)
	v.connection = &stub{serving: func() progress {
		*served++
		p.dispatcher.next(v)
		return 0
	}}
	return v
}

func TestARoundServesEveryViewerIfSomethingHasChanged(t *testing.T) {
	p := newParts(t, nil)
	usual, batched := 0, 0
	p.seat(everything(), &usual)
	o := everything()
	o.batched = true
	p.seat(o, &batched)
	for p.rounds.run(false).again { // Both get their snapshot.
	}
	usual, batched = 0, 0
	if next := p.rounds.run(false); usual != 0 || batched != 0 || next.again || next.batch >= 0 {
		t.Errorf("without changes: served %d and %d, then %+v", usual, batched, next)
	}
	say := func() { p.apply(view.Batch{States: []iot.DeviceState{p.Says("1", iot.Temperature, "A", 1)}}) }
	say()
	p.rounds.run(false)
	say()
	next := p.rounds.run(false)
	if usual != 2 || batched != 1 {
		t.Errorf("two changes: served %d times, and %d with batches, want 2, 1", usual, batched)
	}
	if next.batch <= 0 || next.batch > batchInterval {
		t.Errorf("the viewer with batches is served in %v, want within %v", next.batch, batchInterval)
	}
	p.rounds.batched.served = time.Time{} // Long ago.
	p.rounds.run(false)
	if usual != 2 || batched != 2 {
		t.Errorf("after the interval: served %d times, and %d with batches, want 2, 2", usual, batched)
	}
}

func TestStatusHasChangedUntilItIsNumbered(t *testing.T) {
	p := newParts(t, nil)
	if p.rounds.statusChanged() {
		t.Error("changed without devices")
	}
	p.apply(view.Batch{States: []iot.DeviceState{p.Says("1", iot.Temperature, "A", 1)}})
	if !p.rounds.statusChanged() || !p.rounds.statusChanged() {
		t.Error("a new device changes nothing")
	}
	p.rounds.run(true)
	if p.rounds.statusChanged() {
		t.Error("changed after a round with status")
	}
}

func TestHandshakesWaitOnlyForRoundsOfManyViewers(t *testing.T) {
	for _, viewers := range []int{longSweep - 1, longSweep} {
		p := newParts(t, nil)
		var during <-chan struct{}
		for range viewers {
			p.join(everything()).connection = &stub{serving: func() progress {
				during = p.rounds.sweeping()
				return served
			}}
		}
		p.apply(view.Batch{States: []iot.DeviceState{p.Says("1", iot.Temperature, "A", 1)}})
		p.rounds.sweep(p.rounds.begin(false))
		if long := during != nil; long != (viewers >= longSweep) {
			t.Errorf("%d viewers: handshakes wait: %v", viewers, long)
		}
		if during != nil {
			<-during
		}
		if p.rounds.sweeping() != nil {
			t.Errorf("%d viewers: handshakes wait after the round", viewers)
		}
	}
}

// A round ends with its backfills when its time is used up, however many viewers wait.
func TestBackfillsLeaveARoundInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParts(t, nil)
		turns := 0
		for range 10 {
			p.join(everything()).connection = &stub{serving: func() progress {
				turns++
				time.Sleep(minPause / 2)
				return served
			}}
		}
		p.rounds.begin(false)
		p.rounds.runBackfills()
		if turns != 3 { // Half the time, all of it, and the one that ends beyond.
			t.Errorf("got %d turns, want 3", turns)
		}
	})
}

func TestMoreChangesThanTheAllowanceArePostponed(t *testing.T) {
	postponed := 0
	p := newParts(t, func(o *HubOptions) {
		o.Limits.BytesPerSecond = 1
		o.Metrics.Postponed = func(n int) { postponed += n }
	})
	times := 0
	v := p.seat(everything(), &times)
	for p.rounds.run(false).again {
	}
	var b view.Batch
	for n := range 3 * minAllowance {
		b.States = append(b.States, p.Says(string(rune('a'+n)), iot.Temperature, "A", 1))
	}
	p.apply(b)
	p.rounds.sweep(p.rounds.begin(false))
	if postponed != 2*minAllowance || v.backfill.section != devicesSection || v.resumeFrom != notResumable || v.seen != p.feed.head {
		t.Errorf("postponed %d, want %d; then the viewer is %+v", postponed, 2*minAllowance, *v)
	}
	for p.rounds.run(false).again {
	}
	if v.backfill != (backfill{}) || v.resumeFrom == notResumable {
		t.Errorf("after further rounds the viewer is %+v", *v)
	}
}
