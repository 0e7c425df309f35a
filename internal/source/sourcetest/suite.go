// Package sourcetest has the faults that every source must survive, as a test suite against a real server.
package sourcetest

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
)

// Server is the other side of a source, which can be made to fail: a server, or a device that connects to a source that is a server itself.
type Server interface {
	// Address is where the proxy connects to, host and port.
	Address() string
	// Stop ends it as an operator would, Kill at once; Start starts it again at the same address.
	Stop()
	Kill()
	Start()
	// Pause stops the process without closing its connections, and Resume lets it go on.
	Pause()
	Resume()
}

// Harness is one way of connecting with a server of its own.
type Harness struct {
	Server Server
	// Address is where the source connects to, through the proxy; empty for that of the server.
	Address string
	// Adapter returns an adapter that connects to a host and port, or one that is a server itself, to which the device connects by them. It must find a
	// silent other side within Silence.
	Adapter func(address string) source.Adapter
	// Clients counts the connected devices of a source that is a server itself; nil for others. Without a device the source counts as failed.
	Clients func() int64
	// Decode is that of the protocol; nil if the adapter sends points.
	Decode source.Decode
	// Rules map what Produce makes to readings of the type current_sensor, whose value is the number.
	Rules []mapping.Rule
	// Produce gives a number from 0 to 9,999 to the server, past the proxy. After nil the server has it; after an error it may have it.
	Produce func(ctx context.Context, number int) error
	// Silence is how long the adapter may take to find that the server is silent.
	Silence time.Duration
	// SilenceSays is a part of what the status must say of a server that is paused; empty if it may say anything.
	SilenceSays string
	// Keeps is whether what the server took during a fault must arrive, for the faults of the network and for Pause. KeepsStopped says the same of what
	// was taken before a Stop, and KeepsKilled of what was taken before a Kill.
	Keeps, KeepsStopped, KeepsKilled bool
	// Reset gives the stopped server another state before Start.
	Reset func()
	// SetClock sets the clock of the server, or of what gives it the numbers; offset is how far it is ahead of the truth.
	SetClock func(t testing.TB, offset time.Duration)
	// Revoke makes the server refuse the source's credentials and end its connection, and Allow takes that back.
	Revoke, Allow func()
	// Rotate gives the server and the source other certificates and ends the connection.
	Rotate func()
}

const (
	// recovery is how long after the end of its cause a fault may last on a machine that is busy with other tests. On a quiet one it is seconds, which
	// the suite logs and docs/sources/faults.md shows: no source pauses for longer than eight seconds.
	recovery = 30 * time.Second
	// interval is the time between two numbers.
	interval = 20 * time.Millisecond
	// most is how many faults are tried at the same time: mostly they wait.
	most = 4
	// patience is how long it may take until the first numbers arrive: servers that all start together on a busy machine need it.
	patience = 30 * time.Second
	// step is how far clocks are set forward and back. That is less than a reading may be ahead of the clock.
	step = 30 * time.Minute
)

// Run runs the suite for ways of connecting, by their names in Ways. Each fault has a harness of its own. The faults of a way that are the server's own
// run one after another, so that their harnesses may have one server, and the others at the same time, on servers that are only for LeavesServerAlone.
// The interruptions run before, because they measure what the process uses: so the calling test must not be parallel.
func Run(t *testing.T, harnesses map[string]func(t *testing.T) *Harness) {
	for name := range harnesses {
		if _, ok := find(name); !ok {
			t.Fatalf("%q is not in sourcetest.Ways", name)
		}
	}
	t.Run(interruptions, func(t *testing.T) { interrupt(t, harnesses) })
	tokens := make(chan struct{}, most)
	try := func(name string, f *fault) {
		if way, _ := find(name); way.Without[f.name] != "" {
			return
		}
		tokens <- struct{}{}
		defer func() { <-tokens }()
		t.Run(name+"/"+f.name, func(t *testing.T) { run(t, harnesses[name](t), f) })
	}
	var running sync.WaitGroup
	for name := range harnesses {
		running.Go(func() {
			for _, f := range faults() {
				if f.ofServer {
					try(name, &f)
				}
			}
		})
		for _, f := range faults() {
			if !f.ofServer {
				running.Go(func() { try(name, &f) })
			}
		}
	}
	running.Wait()
}

// LeavesServerAlone reports whether the test is that of a fault that the server does not notice, or only as another client's: then others may use the
// server at the same time.
func LeavesServerAlone(t *testing.T) bool {
	name := path.Base(t.Name())
	return !slices.ContainsFunc(faults(), func(f fault) bool { return f.ofServer && strings.ReplaceAll(f.name, " ", "_") == name })
}

// fault is something that goes wrong, and comes to an end.
type fault struct {
	name string
	// ofServer is whether it stops or changes the server.
	ofServer bool
	// has is whether the harness has the means for it; nil if none is needed.
	has func(h *Harness) bool
	// begin and end cause it, and take it back.
	begin, end func(t *testing.T, r *rig)
	// noticed is whether the source must say that it has failed before the fault ends.
	noticed bool
	// keeps is whether what the server has taken must arrive.
	keeps func(h *Harness) bool
}

func faults() []fault {
	keeps := func(h *Harness) bool { return h.Keeps }
	nothing := func(*testing.T, *rig) {}
	return []fault{
		{name: "cut", begin: func(_ *testing.T, r *rig) { r.proxy.Cut() }, end: nothing, keeps: keeps},
		{name: "network lost without a sign", begin: func(_ *testing.T, r *rig) { r.proxy.Lose() }, end: healAfterAnotherTry, noticed: true, keeps: keeps},
		{name: "stalled", begin: func(_ *testing.T, r *rig) { r.proxy.Hold() }, end: heal, noticed: true, keeps: keeps},
		{name: "slow", begin: func(_ *testing.T, r *rig) { r.proxy.Slow(); time.Sleep(2 * time.Second) }, end: heal, keeps: keeps},
		{name: "another address", begin: func(t *testing.T, r *rig) {
			Name(t, r.host, "127.0.0.2")
			r.proxy.Move("127.0.0.2")
		}, end: nothing, keeps: keeps},
		{name: "paused", ofServer: true, begin: func(_ *testing.T, r *rig) { r.Server.Pause() }, end: func(_ *testing.T, r *rig) { r.Server.Resume() }, noticed: true, keeps: keeps},
		{name: "stopped", ofServer: true, begin: func(_ *testing.T, r *rig) { r.Server.Stop() }, end: start, noticed: true, keeps: func(h *Harness) bool { return h.KeepsStopped }},
		{name: "killed", ofServer: true, begin: func(_ *testing.T, r *rig) { r.Server.Kill() }, end: start, noticed: true, keeps: func(h *Harness) bool { return h.KeepsKilled }},
		{name: "another state", ofServer: true, has: func(h *Harness) bool { return h.Reset != nil }, begin: func(_ *testing.T, r *rig) { r.Server.Stop(); r.Reset() },
			end: start, noticed: true, keeps: func(*Harness) bool { return false }},
		{name: "own clock set", begin: func(t *testing.T, r *rig) {
			r.setClocks(t, func(offset time.Duration) { r.offset.Store(int64(offset)) })
		}, end: nothing, keeps: keeps},
		{name: "clock of the server set", ofServer: true, has: func(h *Harness) bool { return h.SetClock != nil }, begin: func(t *testing.T, r *rig) {
			r.setClocks(t, func(offset time.Duration) { r.SetClock(t, offset) })
		}, end: nothing, keeps: keeps},
		{name: "credentials revoked", ofServer: true, has: func(h *Harness) bool { return h.Revoke != nil }, begin: func(_ *testing.T, r *rig) { r.Revoke(); time.Sleep(time.Second) },
			end: func(_ *testing.T, r *rig) { r.Allow() }, noticed: true, keeps: func(h *Harness) bool { return h.KeepsStopped }},
		{name: "certificates rotated", ofServer: true, has: func(h *Harness) bool { return h.Rotate != nil }, begin: func(_ *testing.T, r *rig) { r.Rotate() },
			end: nothing, keeps: func(h *Harness) bool { return h.KeepsStopped }},
	}
}

func heal(_ *testing.T, r *rig)  { r.proxy.Pass() }
func start(_ *testing.T, r *rig) { r.Server.Start() }

// healAfterAnotherTry ends the fault when a try to connect has begun that it makes fail too, which the source, or the device that connects to it, does
// not notice before its own time limit.
func healAfterAnotherTry(t *testing.T, r *rig) {
	r.within(t, recovery, "another try to connect", func() bool {
		if r.Clients != nil {
			return r.proxy.tried()
		}
		return r.status.Snapshot().State == source.Connecting
	})
	time.Sleep(100 * time.Millisecond)
	r.proxy.Pass()
}

// setClocks sets a clock forward, back to before the truth, and right again. Numbers must arrive by each.
func (r *rig) setClocks(t *testing.T, set func(offset time.Duration)) {
	for _, offset := range []time.Duration{step, -step, 0} {
		set(offset)
		before := r.produced()
		r.within(t, recovery, fmt.Sprintf("a number while the clock is off by %v", offset), func() bool { return r.log.after(before + 10) })
	}
	if skipped := r.status.Snapshot().Skipped; skipped > 1000 {
		t.Errorf("got %d skipped polls, though only a clock was set", skipped)
	}
}

// run runs one fault: numbers arrive, the fault begins, the source says so, the fault ends, and numbers arrive again; none is missing.
func run(t *testing.T, h *Harness, f *fault) {
	if f.has != nil && !f.has(h) {
		t.Fatal("the harness has no means for this fault, and the table does not say why")
	}
	r := newRig(t, h, 100*time.Millisecond, 500*time.Millisecond)
	// What is produced before the source has subscribed need not be kept for it. A device connects when it has something to send.
	r.within(t, patience, "connected", func() bool { return h.Clients != nil || r.connected() })
	stop := r.produce(t, interval)
	r.within(t, patience, "the first numbers", func() bool { return r.log.count() >= 10 })

	f.begin(t, r)
	if f.noticed {
		r.within(t, h.Silence+recovery, "the source says that it has failed", func() bool { return r.failed() })
		if seen := r.status.Snapshot().Error; f.name == "paused" && !strings.Contains(seen, h.SilenceSays) {
			t.Errorf("got the status %q, want %q", seen, h.SilenceSays)
		}
		if h.Clients == nil {
			t.Logf("meanwhile the status says: %s", r.status.Snapshot().Error)
		}
	}
	f.end(t, r)
	ended, before := time.Now(), r.produced()
	r.within(t, recovery, "connected again and a number of after the fault", func() bool {
		return r.connected() && r.log.after(before)
	})
	t.Logf("back after %v", time.Since(ended).Round(time.Millisecond))
	stop()
	if f.keeps(h) {
		r.within(t, recovery, "every number that the server has taken", func() bool { return r.complete() })
		return
	}
	last := r.produced()
	r.within(t, recovery, "the last number", func() bool { return r.log.after(last - 1) })
	t.Logf("of %d numbers %d are lost, as the protocol allows", last, len(r.missing()))
}

// rig is a running source behind a proxy.
type rig struct {
	*Harness
	host   string
	proxy  *Proxy
	status *source.Status
	log    *memory
	// offset is how far the source's clock is off, in nanoseconds.
	offset atomic.Int64

	mu sync.Mutex
	// taken are the numbers that the server has, next is the next one.
	taken map[int]bool
	next  int
}

var rigs atomic.Int64

func newRig(t *testing.T, h *Harness, firstPause, longestPause time.Duration) *rig {
	t.Helper()
	r := &rig{Harness: h, host: fmt.Sprintf("server-%d.test", rigs.Add(1)), taken: make(map[int]bool), log: newMemory()}
	Name(t, r.host, "127.0.0.1")
	r.proxy = NewProxy(t, cmp.Or(h.Address, h.Server.Address()))
	_, port, _ := net.SplitHostPort(r.proxy.Address())
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := mapping.New(h.Rules, catalog)
	if err != nil {
		t.Fatal(err)
	}
	r.status = source.NewStatus("test", "test", time.Now)
	if h.Clients != nil {
		r.status.CountClients(h.Clients)
	}
	runner := &source.Runner{
		Name: "test", Adapter: h.Adapter(net.JoinHostPort(r.host, port)), Owner: source.Alone{}, Logger: slog.New(slog.DiscardHandler),
		Pipeline: source.PipelineOptions{
			Name: "test", Log: r.log, Decode: h.Decode, Mapping: rules, Status: r.status, Logger: slog.New(slog.DiscardHandler),
			Admission: &iot.Admission{Catalog: catalog, Skew: 2 * step}, Now: r.now,
		},
		FirstPause: firstPause, LongestPause: longestPause,
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(recovery):
			t.Error("the source does not end")
		}
	})
	return r
}

// now is the source's clock. Its times have no monotonic part, which would go on when the clock is set: what holds with them holds with it.
func (r *rig) now() time.Time { return time.Now().Add(time.Duration(r.offset.Load())).Round(0) }

// connected reports whether the source receives from the other side, as far as its status says.
func (r *rig) connected() bool {
	s := r.status.Snapshot()
	return s.State == source.Connected && (s.Clients == nil || *s.Clients > 0)
}

// failed reports whether the source says that the other side is away.
func (r *rig) failed() bool {
	s := r.status.Snapshot()
	if s.Clients != nil {
		return *s.Clients == 0
	}
	return s.State != source.Connected && s.Error != ""
}

// within waits until the condition holds.
func (r *rig) within(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s := r.status.Snapshot()
			missing := r.missing()
			t.Fatalf("not within %v: %s; the source is %s (%s), %d numbers are in the log, %d are missing (%v), the last rejects are %+v",
				limit, what, s.State, s.Error, r.log.count(), len(missing), missing[:min(len(missing), 10)], s.Rejects[:min(len(s.Rejects), 1)])
		}
	}
}

// produce gives numbers to the server, each so long after the last one that it has taken, until stop is called, which waits for the last one.
func (r *rig) produce(t *testing.T, every time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			r.mu.Lock()
			number := r.next
			r.next++
			r.mu.Unlock()
			// A call that is cut off in the middle would not say whether the server has the number.
			trying, done := context.WithTimeout(context.Background(), recovery)
			err := r.Produce(trying, number)
			done()
			pause := interval
			if err == nil {
				pause = every
				r.mu.Lock()
				r.taken[number] = true
				r.mu.Unlock()
			}
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	})
	stopped := func() { cancel(); running.Wait() }
	t.Cleanup(stopped)
	return stopped
}

// produced returns the number that comes next.
func (r *rig) produced() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.next
}

// complete reports whether the log has all numbers that the server has.
func (r *rig) complete() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for number := range r.taken {
		if !r.log.has(number) {
			return false
		}
	}
	return true
}

// missing returns the numbers that the server has and the log has not.
func (r *rig) missing() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	var missing []int
	for _, number := range slices.Sorted(maps.Keys(r.taken)) {
		if !r.log.has(number) {
			missing = append(missing, number)
		}
	}
	return missing
}
