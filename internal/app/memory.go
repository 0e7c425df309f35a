package app

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// gcPercent trades a little processor time for memory in the program that has everything in one process: 10,000 devices
	// every 5 s came to 145 MB after ten minutes with 50, to 125 MB with this, in different runs.
	gcPercent = 35
	// leastHeap is how large the heap may get however little of it lives. A small one fills up several times a second, and
	// looking through it took a sixth of what a thousand devices take of the processor.
	leastHeap = 40 << 20
)

// saveMemory has garbage collected more often than by default, unless whoever runs the program has said how often.
func saveMemory() {
	if _, said := os.LookupEnv("GOGC"); !said {
		setHeap(0)
	}
}

// heapMark is collected with the garbage, and so tells that there was a collection.
type heapMark struct{ _ [32]byte }

// setHeap says how large the heap may get, and says it anew after every collection: what lives has changed then, and a
// share that gives a small heap its least would let it grow without bounds once it is large. The share is as it was last.
func setHeap(last int) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	share := heapShare(live[0].Value.Uint64())
	if share != last {
		debug.SetGCPercent(share)
	}
	runtime.AddCleanup(new(heapMark), setHeap, share)
}

// heapShare returns by how many percent of what lives the heap may grow. A percent more or less is not worth a change.
func heapShare(live uint64) int {
	const step = 10
	room := max(int64(leastHeap)-int64(live), 0)
	return max(gcPercent, int(room*100/max(int64(live), 1<<20))/step*step)
}
