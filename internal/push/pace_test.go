package push

import (
	"context"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/view"
	"iotmon/internal/wire"
)

func TestPaceFollowsWhatRoundsCost(t *testing.T) {
	var p pace
	for _, test := range []struct {
		clients         int
		each            time.Duration
		pause, maxDelay time.Duration
	}{
		{0, usualEach, minPause, minPause},
		{1, usualEach, minPause, minPause},
		{1000, 4 * time.Microsecond, minPause, 200 * time.Millisecond},
		{1000, 20 * time.Microsecond, 10 * time.Millisecond, time.Second},
		{10_000, 20 * time.Microsecond, 100 * time.Millisecond, time.Second},
		{10_000, time.Minute, 500 * time.Millisecond, time.Second}, // A machine that slept.
	} {
		for range 100 {
			p.note(test.clients, test.each*time.Duration(test.clients))
		}
		const near = 100 * time.Microsecond
		if got := p.pause(test.clients); (got - test.pause).Abs() > near {
			t.Errorf("%d clients at %v: pause: got %v, want %v", test.clients, test.each, got, test.pause)
		}
		if got := p.maxDelay(test.clients); (got - test.maxDelay).Abs() > 50*near {
			t.Errorf("%d clients at %v: maxDelay: got %v, want %v", test.clients, test.each, got, test.maxDelay)
		}
	}
}

// listener is a client of a running hub without a connection. It notes when it is given what, but for the snapshot.
func (p *plant) listener(ctx context.Context, heard func(at time.Time, kinds []string)) {
	near, far := net.Pipe()
	p.t.Cleanup(func() { near.Close(); far.Close() })
	c := &client{hub: p.Hub, link: newLink(near), wake: make(chan struct{}, 1), done: make(chan struct{})}
	p.register(c, opening{filter: newFilter(wire.Filter{})})
	p.running.Add(-2) // It has no goroutines that the hub would wait for.
	c.signal()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		}
		taken, _ := c.nextBatch()
		p.mu.Lock()
		head := p.feed.head
		p.mu.Unlock()
		var kinds []string
		for _, m := range taken.messages {
			if m.seq <= head {
				kinds = append(kinds, m.kind)
			}
		}
		if len(kinds) > 0 && kinds[0] != wire.TypeHello {
			heard(time.Now(), kinds)
		}
	}
}

// What is not urgent goes with what is, or waits as long as a round of so many clients makes worth while; nothing waits longer.
func TestChangesInProgressWaitForOthers(t *testing.T) {
	for _, test := range []struct {
		name string
		// then is what comes 300 ms after a window in progress.
		then  func(*plant) view.Batch
		after time.Duration
		kinds []string
	}{
		{"alone", func(*plant) view.Batch { return view.Batch{} }, time.Second, []string{wire.TypeAggregatedData}},
		{"another in progress", func(p *plant) view.Batch {
			return view.Batch{Summaries: []iot.WindowSummary{p.Sums(0, iot.Humidity, false, 40)}}
		}, time.Second, []string{wire.TypeAggregatedData}},
		{"a reading", func(p *plant) view.Batch {
			return view.Batch{States: []iot.DeviceState{p.Says("device_001", iot.Temperature, "A", 20)}}
		}, 300 * time.Millisecond, []string{wire.TypeAggregatedData, wire.TypeDeviceData}},
		{"an alert", func(p *plant) view.Batch {
			return view.Batch{Alerts: []iot.Alert{p.Alarm(1, iot.Temperature, "A", iot.Warning, iot.Raised)}}
		}, 300 * time.Millisecond, []string{wire.TypeAlert, wire.TypeAggregatedData}},
		{"a closed window", func(p *plant) view.Batch {
			return view.Batch{Summaries: []iot.WindowSummary{p.Sums(0, iot.Temperature, true, 20)}}
		}, 300 * time.Millisecond, []string{wire.TypeAggregatedData}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := prepare(t, nil)
				p.server.Close()
				p.start()
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				type event struct {
					at    time.Time
					kinds []string
				}
				heard := make(chan event, 100)
				go p.listener(ctx, func(at time.Time, kinds []string) { heard <- event{at, kinds} })
				time.Sleep(1500 * time.Millisecond) // By now it has its snapshot.
				// One client is as good as a thousand that cost a thousandth.
				p.mu.Lock()
				p.rounds.pace.each = float64(20 * time.Millisecond)
				p.mu.Unlock()
				began := time.Now()
				p.Apply(view.Batch{Summaries: []iot.WindowSummary{p.Sums(0, iot.Temperature, false, 20)}})
				time.Sleep(300 * time.Millisecond)
				p.Apply(test.then(p))
				got := <-heard
				if after := got.at.Sub(began); after != test.after || !slices.Equal(got.kinds, test.kinds) {
					t.Errorf("got %v after %v, want %v after %v", got.kinds, after, test.kinds, test.after)
				}
			})
		})
	}
}
