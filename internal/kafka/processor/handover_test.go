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

func load(t *testing.T, h *Handover, id int32) (values []string, next int64, cached bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	next, cached, err := h.Load(ctx, statecache.Partition{ID: id}, func(value []byte) { values = append(values, string(value)) })
	if err != nil {
		t.Fatal(err)
	}
	return values, next, cached
}

func TestHandoverReturnsEachPartitionOnce(t *testing.T) {
	h := NewHandover()
	h.offer(3, keptStates{"a": {value: []byte("outdated")}}, 5)
	h.offer(3, keptStates{"a": {value: []byte("state")}}, 7)
	if values, next, cached := load(t, h, 3); len(values) != 1 || values[0] != "state" || next != 7 || !cached {
		t.Errorf("got %q up to %d (%v), want the last states", values, next, cached)
	}
	h.offer(3, keptStates{"a": {value: []byte("later")}}, 9)
	if values, _, cached := load(t, h, 3); len(values) != 0 || cached {
		t.Errorf("the second time: got %q (%v), want nothing", values, cached)
	}
}

func TestHandoverWaitsForARestore(t *testing.T) {
	h := NewHandover()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, cached, err := h.Load(ctx, statecache.Partition{ID: 1}, func([]byte) {}); cached || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("before a restore: got %v, %v, want that the context ended", cached, err)
	}
	go h.offer(1, keptStates{}, 4)
	if _, next, cached := load(t, h, 1); next != 4 || !cached {
		t.Errorf("got up to %d (%v), want 4", next, cached)
	}
}

// States that are restored after End are not kept, and Load does not wait for them.
func TestHandoverIsOverAfterItsEnd(t *testing.T) {
	h := NewHandover()
	h.offer(0, keptStates{"a": {value: []byte("state")}}, 7)
	h.End()
	h.offer(1, keptStates{"a": {value: []byte("state")}}, 7)
	for id, p := range h.partitions {
		if p.states != nil {
			t.Errorf("got states of partition %d, want none", id)
		}
	}
	for id := range int32(3) {
		if values, _, cached := load(t, h, id); len(values) > 0 || cached {
			t.Errorf("partition %d after the end: got %q, want nothing", id, values)
		}
	}
}

// After a restart the live view has all device states from the handover.
func TestTheTailBeginsWithTheRestoredStates(t *testing.T) {
	l := newTestLog(t)
	const devices = 40
	stop := l.startProcessor(&stepMetrics{})
	for device := range devices {
		l.Post(kafkatest.Reading(device, time.Now(), float64(device%20)))
	}
	l.awaitReadings(devices)
	stop()

	handover := NewHandover()
	l.startWithHandover(&stepMetrics{}, handover)
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
		if _, _, cached := load(t, handover, id); cached {
			t.Errorf("the tail did not load partition %d", id)
		}
	}
}
