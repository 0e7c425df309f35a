package command

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestHeapShare(t *testing.T) {
	for _, c := range []struct {
		live, room uint64
		want       int
	}{
		{0, leastHeap, 4000},
		{1 << 20, leastHeap, 3900},
		{10 << 20, leastHeap, 300},
		{20 << 20, leastHeap, 100},
		{leastHeap * 2 / 3, leastHeap, 50},
		{leastHeap, leastHeap, gcPercent},
		{1 << 30, leastHeap, gcPercent},
		{10 << 20, 8 << 20, 80},
		{10 << 20, 1 << 20, gcPercent},
		{35 << 20, 20 << 20, gcPercent},
	} {
		if got := heapShare(c.live, c.room); got != c.want {
			t.Errorf("with %d bytes living and room for %d: got %d %%, want %d", c.live, c.room, got, c.want)
		}
	}
}

func TestTheHeapHasRoomForWhatIsMadeMeanwhile(t *testing.T) {
	for _, c := range []struct {
		made uint64
		in   time.Duration
		want uint64
	}{
		{10 << 20, gcPause, 10 << 20},
		{1 << 20, gcPause / 5, 5 << 20},
		{10 << 20, 10 * gcPause, 1 << 20},
		{1 << 20, 0, leastHeap},
		{1 << 40, gcPause, leastHeap},
		{0, gcPause, 0},
	} {
		if got := heapRoom(c.made, c.in); got != c.want {
			t.Errorf("with %d bytes made in %v: got room for %d, want %d", c.made, c.in, got, c.want)
		}
	}
}

func TestTheHeapFollowsWhatLives(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	new(heap).set()
	large := make([]byte, 4*leastHeap)
	awaitShare(t, "with much living", func(percent uint64) bool { return percent == gcPercent })
	runtime.KeepAlive(large)
	awaitShare(t, "with little living", func(percent uint64) bool {
		makeGarbage()
		return percent > gcPercent
	})
}

// What is made in little time gives the heap room.
func TestTheHeapFollowsWhatIsMade(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	new(heap).set()
	awaitShare(t, "while much is made", func(percent uint64) bool {
		makeGarbage()
		return percent > 100
	})
}

var garbage []byte

func makeGarbage() {
	garbage = make([]byte, leastHeap)
	garbage = nil
}

func awaitShare(t *testing.T, when string, wanted func(percent uint64) bool) {
	t.Helper()
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	for deadline := time.Now().Add(10 * time.Second); ; {
		runtime.GC()
		metrics.Read(sample)
		percent := sample[0].Value.Uint64()
		if wanted(percent) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: the heap may grow by %d %%", when, percent)
		}
		time.Sleep(time.Millisecond)
	}
}
