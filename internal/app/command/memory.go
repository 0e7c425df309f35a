package command

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// gcPercent trades a little processor time for memory in the program that has everything in one process: 10,000 devices
	// every 5 s came to 145 MB after ten minutes with 50, to 125 MB with this, in different runs.
	gcPercent = 35
	// leastHeap is how large the heap may get however little of it lives, if it fills up that fast. A small one would fill up
	// several times a second, and looking through it took a sixth of what a thousand devices take of the processor.
	leastHeap = 40 << 20
	// gcPause is how long a heap below leastHeap should take to fill up: what a hundred devices leave behind in that time is a
	// few megabytes, and looking through what lives is a thousandth of a core.
	gcPause = 5 * time.Second
	// startRoom is how much the heap may grow by before anything has been measured. From one collection to the next that at most
	// doubles: a burst, or a process that has waited for a core, is not to make the heap large for a moment, and resident.
	startRoom = 8 << 20
)

// saveMemory has garbage collected more often than by default, unless whoever runs the program has said how often.
func saveMemory() {
	if _, said := os.LookupEnv("GOGC"); !said {
		new(heap).set()
	}
}

// heap says how large the heap may get, and says it anew after every collection: what lives has changed then, and a share
// that gives a small heap its least would let it grow without bounds once it is large. The share is as it was last.
type heap struct {
	share int
	// room is how much the heap may grow by.
	room uint64
	// at is when the share was set last, and made what had been allocated by then.
	at   time.Time
	made uint64
}

// heapMark is collected with the garbage, and so tells that there was a collection.
type heapMark struct{ _ [32]byte }

func (h *heap) set() {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(samples)
	now, made, room := time.Now(), samples[1].Value.Uint64(), uint64(startRoom)
	if !h.at.IsZero() {
		room = min(heapRoom(made-h.made, now.Sub(h.at)), max(2*h.room, startRoom))
	}
	share := heapShare(samples[0].Value.Uint64(), room)
	if share != h.share {
		debug.SetGCPercent(share)
	}
	runtime.AddCleanup(new(heapMark), (*heap).set, &heap{share, room, now, made})
}

// heapRoom returns how many bytes are made in gcPause, from how many were made in some time.
func heapRoom(made uint64, in time.Duration) uint64 {
	return uint64(min(float64(made)*float64(gcPause)/float64(max(in, time.Millisecond)), leastHeap))
}

// heapShare returns by how many percent of what lives the heap may grow, to have room bytes to grow by but no more than
// leastHeap in all. A percent more or less is not worth a change.
func heapShare(live, room uint64) int {
	const step = 10
	room = min(room, leastHeap-min(live, leastHeap))
	return max(gcPercent, int(room*100/max(live, 1<<20))/step*step)
}
