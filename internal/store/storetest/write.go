package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/iot"
)

func offsets(t *testing.T, store Store, topic string) map[archive.Source]archive.Offset {
	t.Helper()
	got, err := store.Offsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func offsetsMove(t *testing.T, store Store) {
	write := func(old, next archive.Offset) error {
		return store.Write(t.Context(), &archive.Batch{Moves: []archive.Move{{Source: source(4), Old: old, New: next, Appended: epoch}}})
	}
	for _, step := range []struct {
		name      string
		old, next archive.Offset
		taken     bool
	}{
		{"unknown to the store but for this archiver", archive.Offset{Next: 3}, archive.Offset{Next: 7}, true},
		{"from nothing", archive.Offset{}, archive.Offset{Next: 7}, false},
		{"from nothing once more", archive.Offset{}, archive.Offset{Next: 9}, true},
		{"from where it is", archive.Offset{Next: 7}, archive.Offset{Next: 9}, false},
		{"from where it was", archive.Offset{Next: 7}, archive.Offset{Next: 9}, true},
		{"from another epoch", archive.Offset{Epoch: 1, Next: 9}, archive.Offset{Epoch: 1, Next: 10}, true},
		{"to a new epoch", archive.Offset{Next: 9}, archive.Offset{Epoch: 1}, false},
		{"within the new epoch", archive.Offset{Epoch: 1}, archive.Offset{Epoch: 1, Next: 2}, false},
		{"from nothing, which was long ago", archive.Offset{}, archive.Offset{Next: 2}, true},
		{"by nothing", archive.Offset{Epoch: 1, Next: 2}, archive.Offset{Epoch: 1, Next: 2}, false},
	} {
		err := write(step.old, step.next)
		if taken := errors.Is(err, archive.ErrOffsetsMoved); taken != step.taken || err != nil && !taken {
			t.Errorf("%s: got %v, want taken: %v", step.name, err, step.taken)
		}
	}
	// The topic's id is written and not compared.
	for next := int64(3); next < 5; next++ {
		log := string(rune('a' + next))
		if err := write(archive.Offset{Epoch: 1, Next: next - 1}, archive.Offset{Epoch: 1, Next: next, Log: log}); err != nil {
			t.Errorf("of the topic %s: %v", log, err)
		}
	}
	want := map[archive.Source]archive.Offset{source(4): {Epoch: 1, Next: 4, Log: "e"}}
	if got := offsets(t, store, Topic); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func offsetsByTopic(t *testing.T, store Store) {
	other := archive.Source{Topic: "alerts", Partition: 1}
	err := store.Write(t.Context(), &archive.Batch{Moves: []archive.Move{
		{Source: source(1), New: archive.Offset{Next: 5, Log: "a"}, Appended: epoch},
		{Source: source(2), New: archive.Offset{Next: 6}, Appended: epoch},
		{Source: other, New: archive.Offset{Next: 7}, Appended: epoch},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for topic, want := range map[string]map[archive.Source]archive.Offset{
		Topic:        {source(1): {Next: 5, Log: "a"}, source(2): {Next: 6}},
		"alerts":     {other: {Next: 7}},
		"aggregates": {},
	} {
		if got := offsets(t, store, topic); !maps.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", topic, got, want)
		}
	}
}

// limitsKept stores limits in the transaction that moves the offset, and keeps them until others replace them.
func limitsKept(t *testing.T, store Store) {
	write := func(from, to archive.Offset, taken archive.Offset) error {
		moves := []archive.Move{{Source: source(1), Old: from, New: to, Appended: epoch}}
		if taken != (archive.Offset{}) {
			moves = append(moves, archive.Move{Source: source(2), Old: taken, New: archive.Offset{Next: 99}})
		}
		return store.Write(t.Context(), &archive.Batch{Moves: moves})
	}
	at := archive.Offset{}
	for _, step := range []struct {
		limits string
		epoch  int32
	}{{"", 0}, {`{"one"}`, 0}, {`{"one"}`, 0}, {`{"two, 温度"}`, 0}, {`{"two, 温度"}`, 1}} {
		next := archive.Offset{Epoch: step.epoch, Next: at.Next + 5, Limits: step.limits}
		other := archive.Offset{Epoch: step.epoch, Next: at.Next + 3, Limits: "lost"}
		if err := write(at, other, archive.Offset{Next: 1}); !errors.Is(err, archive.ErrOffsetsMoved) {
			t.Fatalf("got %v, want another archiver's offset refused", err)
		}
		if err := write(at, next, archive.Offset{}); err != nil {
			t.Fatal(err)
		}
		if got := offsets(t, store, Topic)[source(1)]; got != next {
			t.Errorf("got %+v, want %+v", got, next)
		}
		at = next
	}
	if got := offsets(t, store, "alerts"); len(got) != 0 {
		t.Errorf("got %v, want none of another topic", got)
	}
}

func progressFollows(t *testing.T, store Store) {
	later := epoch.Add(time.Minute)
	for _, batch := range [][]archive.Move{
		{
			{Source: source(1), New: archive.Offset{Next: 5}, Appended: epoch},
			{Source: source(2), New: archive.Offset{Next: 6}},
			{Source: archive.Source{Topic: "alerts", Partition: 1}, New: archive.Offset{Next: 7}, Appended: later},
		},
		{{Source: source(1), Old: archive.Offset{Next: 5}, New: archive.Offset{Next: 8}, Appended: later}},
	} {
		if err := store.Write(t.Context(), &archive.Batch{Moves: batch}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := store.Progress(t.Context(), Topic)
	if want := map[int32]archive.Progress{1: {Next: 8, Appended: later}, 2: {Next: 6}}; err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

// fullBatch has a row of every kind. It moves partition 0 by three records and starts partition 1.
func fullBatch(f *feed) archive.Batch {
	return archive.Batch{
		Moves: []archive.Move{
			{Source: source(0), Old: f.next, New: archive.Offset{Next: f.next.Next + 3}, Appended: epoch},
			{Source: source(1), New: archive.Offset{Next: 1}, Appended: epoch},
		},
		Readings:  f.of(reading("b", 2, 20), reading("c", 3, 20)),
		Summaries: []iot.WindowSummary{f.final(0, 1, 20), f.mark(30, 1)},
		Alerts:    []iot.Alert{raised("b", 2, 1)},
	}
}

// holds counts the rows of fullBatch in the store.
func holds(t *testing.T, store Store) (rows int) {
	t.Helper()
	return len(points(t, store, api.ReadingsQuery{Device: "b"})) + len(points(t, store, api.ReadingsQuery{Device: "c"})) +
		len(windows(t, store, api.SummariesQuery{})) + len(alerts(t, store, api.AlertsQuery{})) + len(offsets(t, store, Topic)) - 1
}

// fullRows is the result of holds for the whole batch: two readings, a window, an alert and one more source.
const fullRows = 5

func takenLeavesNothing(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	f.readings(reading("a", 1, 20))
	batch := fullBatch(f)
	batch.Moves[1].Old.Next = 8
	if err := store.Write(t.Context(), &batch); !errors.Is(err, archive.ErrOffsetsMoved) {
		t.Fatalf("got %v, want ErrOffsetsMoved", err)
	}
	if got := offsets(t, store, Topic)[source(0)]; got != f.next {
		t.Errorf("got offset %v, want the one before the batch, %v", got, f.next)
	}
	if got := holds(t, store); got != 0 {
		t.Errorf("got %d rows of a batch that failed", got)
	}
	// The names of the failed batch must not count as stored.
	batch = fullBatch(f)
	if err := store.Write(t.Context(), &batch); err != nil {
		t.Fatal(err)
	}
	if got := holds(t, store); got != fullRows {
		t.Errorf("got %d rows of the next batch, want %d", got, fullRows)
	}
}

// fuse is a context that is cancelled after its Err or Done has been called a number of times, so that each number
// interrupts a write at a different point.
type fuse struct {
	context.Context
	cancel context.CancelFunc
	left   atomic.Int64
}

func newFuse(parent context.Context, looks int64) *fuse {
	f := new(fuse)
	f.Context, f.cancel = context.WithCancel(parent)
	f.left.Store(looks)
	return f
}

func (f *fuse) burn() {
	if f.left.Add(-1) == 0 {
		f.cancel()
	}
}

func (f *fuse) Done() <-chan struct{} {
	f.burn()
	return f.Context.Done()
}

func (f *fuse) Err() error {
	f.burn()
	return f.Context.Err()
}

func interruptedLeavesNothing(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	f.readings(reading("a", 1, 20))
	interrupted := 0
	for looks := int64(1); ; looks++ {
		batch := fullBatch(f)
		ctx := newFuse(t.Context(), looks)
		err := store.Write(ctx, &batch)
		ctx.cancel()
		switch got := holds(t, store); {
		case got == fullRows:
			// A write that is interrupted during its commit may have been stored although it returns an error.
			if interrupted == 0 {
				t.Error("no write was interrupted")
			}
			return
		case got != 0 || err == nil:
			t.Fatalf("interrupted at look %d: got %d rows of %d, error %v", looks, got, fullRows, err)
		}
		interrupted++
	}
}

func emptyAnswers(t *testing.T, store Store) {
	if got := points(t, store, api.ReadingsQuery{Device: "nobody"}); len(got) != 0 {
		t.Errorf("got readings %v", got)
	}
	if got := windows(t, store, api.SummariesQuery{}); len(got) != 0 {
		t.Errorf("got summaries %v", got)
	}
	if got := alerts(t, store, api.AlertsQuery{}); len(got) != 0 {
		t.Errorf("got alerts %v", got)
	}
	if got := offsets(t, store, Topic); len(got) != 0 {
		t.Errorf("got offsets %v", got)
	}
	if removed := prune(t, store, archive.Retention{Readings: 1, Summaries: 1, Alerts: 1}); removed != 0 {
		t.Errorf("pruning removed %d rows", removed)
	}
	if err := store.Write(t.Context(), &archive.Batch{}); err != nil {
		t.Errorf("writing nothing: %v", err)
	}
}

func readersSeeWholeBatches(t *testing.T, store Store) {
	const batches, each = 60, 7
	var reading7 [each]iot.Reading
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for seen := 0; ; {
				got, err := store.Readings(context.Background(), api.ReadingsQuery{Device: "a", From: at(0), To: at(1e6), MaxPoints: 10_000})
				if err != nil || len(got)%each != 0 || len(got) < seen {
					t.Errorf("after %d readings: got %d, %v, want whole batches of %d", seen, len(got), err, each)
					return
				}
				seen = len(got)
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	f := newFeed(t, store, 0)
	for batch := range batches {
		for i := range reading7 {
			reading7[i] = reading("a", float64(each*batch+i), 1)
		}
		f.readings(reading7[:]...)
	}
	close(done)
	readers.Wait()
	got := points(t, store, api.ReadingsQuery{Device: "a"})
	if len(got) != batches*each || !slices.IsSortedFunc(got, func(a, b api.Point) int { return a.Time.Compare(b.Time) }) {
		t.Errorf("got %d readings, want %d in order: %s", len(got), batches*each, fmt.Sprint(got[:min(3, len(got))]))
	}
}
