package app

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestHeapShare(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{
		{0, 4000},
		{1 << 20, 3900},
		{10 << 20, 300},
		{20 << 20, 100},
		{leastHeap * 2 / 3, 50},
		{leastHeap, gcPercent},
		{1 << 30, gcPercent},
	} {
		if got := heapShare(c.live); got != c.want {
			t.Errorf("with %d bytes living: got %d %%, want %d", c.live, got, c.want)
		}
	}
}

func TestTheHeapFollowsWhatLives(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	setHeap(0)
	large := make([]byte, 4*leastHeap)
	awaitShare(t, "with much living", func(percent uint64) bool { return percent == gcPercent })
	runtime.KeepAlive(large)
	awaitShare(t, "with little living", func(percent uint64) bool { return percent > gcPercent })
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
