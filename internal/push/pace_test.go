package push

import (
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
		viewers         int
		cost            time.Duration
		pause, maxDelay time.Duration
	}{
		{0, initialCost, minPause, minPause},
		{1, initialCost, minPause, minPause},
		{1000, 4 * time.Microsecond, minPause, 200 * time.Millisecond},
		{1000, 20 * time.Microsecond, 10 * time.Millisecond, time.Second},
		{10_000, 20 * time.Microsecond, 100 * time.Millisecond, time.Second},
		{10_000, time.Minute, 500 * time.Millisecond, time.Second}, // A machine that was suspended.
	} {
		for range 100 {
			p.record(test.viewers, test.cost*time.Duration(test.viewers))
		}
		const near = 100 * time.Microsecond
		if got := p.pause(test.viewers); (got - test.pause).Abs() > near {
			t.Errorf("%d viewers at %v: pause: got %v, want %v", test.viewers, test.cost, got, test.pause)
		}
		if got := p.maxDelay(test.viewers); (got - test.maxDelay).Abs() > 50*near {
			t.Errorf("%d viewers at %v: maxDelay: got %v, want %v", test.viewers, test.cost, got, test.maxDelay)
		}
	}
}

// What is not urgent goes with what is, or waits as long as the cost of a round makes worth while; nothing waits longer.
func TestDeferredChangesWaitForUrgentOnes(t *testing.T) {
	for _, test := range []struct {
		name string
		// then is what comes 300 ms after a window that is not closed.
		then  func(*plant) view.Batch
		after time.Duration
		kinds []string
	}{
		{"nothing", func(*plant) view.Batch { return view.Batch{} }, time.Second, []string{wire.TypeAggregatedData}},
		{"another such window", func(p *plant) view.Batch {
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
				type event struct {
					at    time.Time
					kinds []string
				}
				events := make(chan event, 100)
				v := new(viewer)
				stub := &stub{}
				stub.serving = func() progress {
					batch, _ := p.dispatcher.next(v)
					var kinds []string
					for _, m := range batch.messages {
						if m.seq <= v.seen { // Not of the snapshot.
							kinds = append(kinds, m.kind)
						}
					}
					if len(kinds) > 0 && kinds[0] != wire.TypeHello {
						events <- event{time.Now(), kinds}
					}
					return served
				}
				v.connection = stub
				p.dispatcher.reserve()
				p.dispatcher.join(v, everything())
				time.Sleep(1500 * time.Millisecond) // By now it has its snapshot.
				// One viewer with the cost of a thousand.
				p.shared.mu.Lock()
				p.rounds.pace.cost = float64(20 * time.Millisecond)
				p.shared.mu.Unlock()
				began := time.Now()
				p.Apply(view.Batch{Summaries: []iot.WindowSummary{p.Sums(0, iot.Temperature, false, 20)}})
				time.Sleep(300 * time.Millisecond)
				p.Apply(test.then(p))
				got := <-events
				if after := got.at.Sub(began); after != test.after || !slices.Equal(got.kinds, test.kinds) {
					t.Errorf("got %v after %v, want %v after %v", got.kinds, after, test.kinds, test.after)
				}
				p.dispatcher.leave(v, ClientLeft) // So that the hub does not wait for it.
			})
		})
	}
}
