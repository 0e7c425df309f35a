package sourcetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"iotmon/internal/source"
)

const (
	// interruptions is the name of the test that cuts each connection many times to see that nothing is left of it.
	interruptions = "interruptions"
	// first and last are how many interruptions there have been when what the process uses is compared.
	first, last = 10, 1000
	// aNumber is the time after a number until the next one is tried: there are fewer than 10,000 for all interruptions.
	aNumber = 500 * time.Millisecond
	// ofConnection is how many goroutines a connection has: three of the proxy, and those of its client.
	ofConnection = 6
)

// interrupt cuts the connections of all ways, and compares what the process uses then with what it used after the first times.
func interrupt(t *testing.T, harnesses map[string]func(t *testing.T) *Harness) {
	rigs := make(map[string]*rig)
	for name, harness := range harnesses {
		rigs[name] = newRig(t, harness(t), time.Millisecond, time.Millisecond)
	}
	began := time.Now()
	cutAll(t, rigs, func(Way) (from, to int64) { return 0, first })
	before, openBefore := used(), open(rigs)
	cutAll(t, rigs, func(w Way) (from, to int64) { return first, w.interruptions() })
	after, more := used(), max(0, open(rigs)-openBefore)
	t.Logf("after %d interruptions: %v; after %d: %v; %v for one of each", first, before, last, after, time.Since(began)/last)
	if after.goroutines > before.goroutines+2*len(rigs)+more*ofConnection {
		t.Errorf("got %d goroutines, want %d as after the first interruptions; %d more connections are open", after.goroutines, before.goroutines, more)
	}
	if after.heap > before.heap+1<<20 {
		t.Errorf("got a heap of %d bytes, want %d as after the first interruptions", after.heap, before.heap)
	}
	for name, r := range rigs {
		if open := r.proxy.open(); open > connections(name) {
			t.Errorf("%s: %d connections are open, want %d at most", name, open, connections(name))
		}
		r.receive(t)
	}
}

// open returns how many connections there are. A client that connects by itself has one for each task that it has had lately.
func open(rigs map[string]*rig) (count int) {
	for _, r := range rigs {
		count += r.proxy.open()
	}
	return count
}

// cutAll cuts the connections of all rigs, each as often as it can, until there have been so many interruptions of each. It returns when all are
// connected again.
func cutAll(t *testing.T, rigs map[string]*rig, count func(Way) (from, to int64)) {
	var running sync.WaitGroup
	for name, r := range rigs {
		way, _ := find(name)
		from, to := count(way)
		running.Go(func() {
			t.Run(fmt.Sprintf("%s %d", name, to), func(t *testing.T) {
				for i := from; i < to; i++ {
					if way.Itself {
						r.proxy.Cut()
						r.receive(t)
						continue
					}
					r.connectedFor(t, i+1)
					r.proxy.Cut()
					r.within(t, recovery, "the cut", func() bool {
						s := r.status.Snapshot()
						return s.State != source.Connected || s.Connections > i+1
					})
				}
				if !way.Itself {
					r.connectedFor(t, to+1)
				}
			})
		})
	}
	running.Wait()
}

// connections is how many connections a source has at most: a client that connects by itself has one for each of its tasks.
func connections(way string) int {
	if w, _ := find(way); w.Itself {
		return 4
	}
	return 1
}

// receive gives the server a number and waits until it has arrived.
func (r *rig) receive(t *testing.T) {
	number := r.produced()
	stop := r.produce(t, aNumber)
	r.within(t, recovery, "a number", func() bool { return r.log.after(number) })
	stop()
}

// connectedFor waits for the connection of that number.
func (r *rig) connectedFor(t *testing.T, number int64) {
	r.within(t, recovery, fmt.Sprintf("connection %d", number), func() bool {
		s := r.status.Snapshot()
		return s.State == source.Connected && s.Connections >= number
	})
}
