package processor

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"iotmon/internal/kafka/feed"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/statecache"
	"iotmon/internal/view"
)

func loaded(t *testing.T, h *Handover, id int32) (values []string, next int64, cached bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	next, cached, err := h.Load(ctx, statecache.Partition{ID: id}, func(value []byte) { values = append(values, string(value)) })
	if err != nil {
		t.Fatal(err)
	}
	return values, next, cached
}

func TestHandoverGivesEachPartitionOnce(t *testing.T) {
	h := NewHandover()
	h.give(3, keptStates{"a": {value: []byte("outdated")}}, 5)
	h.give(3, keptStates{"a": {value: []byte("state")}}, 7)
	if values, next, cached := loaded(t, h, 3); len(values) != 1 || values[0] != "state" || next != 7 || !cached {
		t.Errorf("got %q up to %d (%v), want what was given last", values, next, cached)
	}
	h.give(3, keptStates{"a": {value: []byte("later")}}, 9)
	if values, _, cached := loaded(t, h, 3); len(values) != 0 || cached {
		t.Errorf("the second time: got %q (%v), want nothing", values, cached)
	}
}

func TestHandoverWaitsForARestore(t *testing.T) {
	h := NewHandover()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, cached, err := h.Load(ctx, statecache.Partition{ID: 1}, func([]byte) {}); cached || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with nothing given: got %v, %v", cached, err)
	}
	go h.give(1, keptStates{}, 4)
	if _, next, cached := loaded(t, h, 1); next != 4 || !cached {
		t.Errorf("got up to %d (%v), want 4", next, cached)
	}
}

// What is restored after the tail has caught up, or while it reads the log, is not kept for it; nor does it wait again.
func TestHandoverIsOverAfterItsEnd(t *testing.T) {
	h := NewHandover()
	h.give(0, keptStates{"a": {value: []byte("state")}}, 7)
	h.End()
	h.give(1, keptStates{"a": {value: []byte("state")}}, 7)
	for id, p := range h.partitions {
		if p.states != nil {
			t.Errorf("states of partition %d are kept for nobody", id)
		}
	}
	for id := range int32(3) {
		if values, _, cached := loaded(t, h, id); len(values) > 0 || cached {
			t.Errorf("partition %d is handed over after the end: %q", id, values)
		}
	}
}

// A restart reads the device states once, and the live view has all of them.
func TestTheTailBeginsWithWhatTheProcessorRestores(t *testing.T) {
	l := newTestLog(t)
	const devices = 40
	stop := l.startProcessor(&stepMetrics{})
	for device := range devices {
		l.Post(kafkatest.Reading(device, time.Now(), float64(device%20)))
	}
	l.tally(devices)
	stop()

	handover := NewHandover()
	l.startHandingOver(&stepMetrics{}, handover)
	present := view.New(view.Options{WindowLength: time.Second})
	tail := feed.NewTail(feed.TailOptions{
		Dial: l.Dial, Topics: l.Topics, Cache: handover, Sink: func(b view.Batch) { present.Apply(b) }, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- tail.Run(ctx) }()
	select {
	case <-tail.CaughtUp():
	case <-time.After(10 * time.Second):
		t.Fatal("not caught up after 10 s")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for device := range devices {
		want := kafkatest.Reading(device, time.Time{}, float64(device%20))
		if got, known := present.Device(want.ID); !known || got.Latest.Value != want.Value {
			t.Errorf("%s: got %v (%v), want %v", want.ID, got.Latest.Value, known, want.Value)
		}
	}
	for id := range int32(kafkatest.Partitions) {
		if _, _, cached := loaded(t, handover, id); cached {
			t.Errorf("partition %d was not taken", id)
		}
	}
}
