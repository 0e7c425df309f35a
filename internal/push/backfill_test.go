package push

import (
	"fmt"
	"slices"
	"testing"

	"iotmon/internal/iot"
	"iotmon/internal/view"
	"iotmon/internal/wire"
)

// chunkOf returns a function for spend, by which every backfill consists of so many chunks, each as long as so many devices.
func chunkOf(chunks uint64, devices int) func(*viewer, int) *chunk {
	return func(v *viewer, _ int) *chunk {
		made := &chunk{messages: []*message{{seq: v.last + 1, data: make([]byte, (devices-1)*deviceBytes)}}}
		v.backfill.next++
		if v.backfill.next == chunks {
			v.backfill = backfill{}
		}
		return made
	}
}

func TestBackfillsAreSentInTurnWithinTheBudget(t *testing.T) {
	wake := make(chan struct{}, 1)
	bs := &backfills{wake: wake}
	vs := []*viewer{{}, {}, {}}
	gone := vs[1]
	for _, v := range vs {
		bs.start(v, 7)
	}
	bs.start(vs[0], 8) // A viewer that starts again keeps its place.
	if len(wake) != 1 {
		t.Error("no round is asked for")
	}
	connected := func(v *viewer) bool { return v != gone }
	var turns []*viewer
	next := chunkOf(3, 500)
	for rounds := 0; len(bs.waiting) > 0; rounds++ {
		if rounds == 10 {
			t.Fatal("backfills do not end")
		}
		// Room for two turns of one chunk each: the quota of a viewer is what the one before it left.
		for bs.budget = 600; ; {
			v := bs.nextTurn(2, connected)
			if v == nil {
				break
			}
			turns = append(turns, v)
			if v.quota = min(v.quota, 500); len(bs.spend(v, next)) != 1 {
				t.Errorf("turn %d: got more or less than the chunk that the quota is for", len(turns))
			}
		}
	}
	if want := []*viewer{vs[0], vs[2], vs[0], vs[2], vs[0], vs[2]}; !slices.Equal(turns, want) {
		t.Errorf("turns: got %p, want %p", turns, want)
	}
	if v := vs[0]; v.waiting || v.quota != 0 || v.last != 3 {
		t.Errorf("a complete viewer waits: %v, has a quota of %d, and message %d was its last, want 3", v.waiting, v.quota, v.last)
	}
}

func TestQuotaIsAFairShareOrEnoughForAWholeSnapshot(t *testing.T) {
	for _, test := range []struct{ budget, turns, want int }{
		{100, 10, 100},            // There is no more.
		{5000, 10, minQuota},      // Some are complete rather than all halfway.
		{100_000, 10, 10_000},     // Enough for all.
		{100_000, 1000, minQuota}, // Not for all.
		{0, 1, 0},
	} {
		bs := &backfills{wake: make(chan struct{}, 1)}
		bs.enqueue(&viewer{})
		bs.budget = test.budget
		got := 0
		if v := bs.nextTurn(test.turns, func(*viewer) bool { return true }); v != nil {
			got = v.quota
		}
		if got != test.want {
			t.Errorf("budget %d, %d turns: got a quota of %d, want %d", test.budget, test.turns, got, test.want)
		}
	}
}

// An empty chunk ends a turn: it says that many devices were looked at in vain.
func TestATurnEndsWithAnEmptyChunk(t *testing.T) {
	bs := &backfills{wake: make(chan struct{}, 1), budget: 100}
	v := &viewer{}
	bs.start(v, 7)
	bs.nextTurn(1, func(*viewer) bool { return true })
	calls := 0
	bs.spend(v, func(*viewer, int) *chunk { calls++; return &chunk{} })
	if calls != 1 || !v.waiting || len(bs.waiting) != 1 || bs.budget != 100 {
		t.Errorf("got %d calls, waiting %v, a budget of %d, want 1, true, 100", calls, v.waiting, bs.budget)
	}
}

func TestPostponedChangesAreAddedToTheBackfill(t *testing.T) {
	complete := backfill{}
	complete.postpone(10, 20)
	if want := (backfill{section: devicesSection, next: 11, until: 20}); complete != want {
		t.Errorf("complete: got %+v, want %+v", complete, want)
	}
	running := backfill{section: alertsSection, next: 3, until: 8, alertsAfter: 8}
	running.postpone(10, 20)
	if want := (backfill{section: alertsSection, next: 3, until: 20, alertsAfter: 8}); running != want {
		t.Errorf("running: got %+v, want %+v", running, want)
	}
}

func TestViewersGetTheirSnapshotInTurnAsFarAsARoundGoes(t *testing.T) {
	p := newParts(t, func(o *HubOptions) { o.Limits.BytesPerSecond = 1 })
	const states = 300
	var b view.Batch
	for n := range states {
		b.States = append(b.States, p.Says(fmt.Sprint(n), iot.Temperature, "A", 20))
	}
	p.apply(b)
	p.rounds.begin(false)
	vs := []*viewer{p.join(everything()), p.join(everything()), p.join(everything()), p.join(everything())}
	p.dispatcher.leave(vs[3], ClientLeft)
	devices := make(map[*viewer]int)
	var turns []*viewer
	for rounds := 0; len(p.backfills.waiting) > 0; rounds++ {
		if rounds > 100 {
			t.Fatal("a viewer is never served")
		}
		p.rounds.begin(false)
		for {
			v := p.rounds.nextTurn(len(p.backfills.waiting))
			if v == nil {
				break
			}
			turns = append(turns, v)
			batch, _ := p.dispatcher.next(v)
			bytes := 0
			for _, m := range batch.messages {
				if m.kind == wire.TypeDeviceData {
					bytes += len(m.data)
				}
			}
			devices[v] += bytes / deviceBytes
			if bytes > 2*minBackfill*deviceBytes {
				t.Errorf("round %d: %d bytes at once, where there is room for %d", rounds, bytes, minBackfill*deviceBytes)
			}
		}
	}
	for i, v := range turns[:6] {
		if v != vs[i%3] {
			t.Errorf("turn %d is not that of viewer %d", i, i%3)
		}
	}
	for i, v := range vs[:3] {
		if v.backfill.section != noSection || v.resumeFrom == notResumable || devices[v] < states/2 {
			t.Errorf("viewer %d was sent some %d devices of %d, and still waits for section %v", i, devices[v], states, v.backfill.section)
		}
	}
}
