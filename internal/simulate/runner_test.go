package simulate

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"iotmon/internal/iot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a Sink that remembers when each reading came.
type recorder struct {
	lag   time.Duration
	block time.Duration
	err   error
	times []time.Time
	calls int
}

func (r *recorder) Enqueue(ctx context.Context, readings []iot.Reading) error {
	r.calls++
	for _, reading := range readings {
		r.lag = max(r.lag, time.Since(reading.Time))
		r.times = append(r.times, reading.Time)
	}
	if r.block > 0 {
		select {
		case <-time.After(r.block):
			r.block = 0
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return r.err
}

// most is how many readings the fleet of run has in 10 s, and least how many of them have left by then: the last may still wait
// for those that leave with them.
const (
	most  = 2000
	least = most - 2 - int(gather/(5*time.Millisecond))
)

// run runs a fleet of 1,000 devices for d, with the synthetic clock.
func run(t *testing.T, sink Sink, now func() time.Time, d time.Duration) (*Runner, error) {
	t.Helper()
	o := options(t)
	o.Faults, o.Start = FaultRates{}, time.Now().Add(-time.Hour)
	r := NewRunner(newFleet(t, o), sink, now)
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	return r, r.Run(ctx)
}

func TestReadingsLeaveWhenDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sink recorder
		r, err := run(t, &sink, time.Now, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if sink.lag > gather {
			t.Errorf("got a reading %v after its time, want at most %v", sink.lag, gather)
		}
		if got := int(r.Sent()); got < least || got > most || got != len(sink.times) || r.Skipped() != 0 {
			t.Errorf("got %d sent, %d taken and %d skipped in two intervals, want %d to %d, as many, and 0",
				got, len(sink.times), r.Skipped(), least, most)
		}
	})
}

func TestReadingsLeaveTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sink recorder
		if _, err := run(t, &sink, time.Now, 10*time.Second); err != nil {
			t.Fatal(err)
		}
		// A device sends every 5 ms: three more within the time for which the first waits.
		if want := len(sink.times) / 3; sink.calls > want {
			t.Errorf("got %d readings handed on in %d batches, want at most %d", len(sink.times), sink.calls, want)
		}
	})
}

func TestAClockThatJumpsWhileNothingIsDueIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(t)
		o.Devices, o.Interval, o.Faults, o.Start = 1, time.Hour, FaultRates{}, time.Now()
		begin := time.Now()
		now := func() time.Time {
			if time.Since(begin) > time.Minute {
				return time.Now().Add(8 * time.Hour)
			}
			return time.Now()
		}
		var sink recorder
		r := NewRunner(newFleet(t, o), &sink, now)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute+time.Second)
		defer cancel()
		if err := r.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if r.Skipped() < 7 || r.Skipped() > 8 {
			t.Errorf("got %d skipped of a device that sends once an hour, want the 8 hours that the clock jumped", r.Skipped())
		}
	})
}

func TestASinkThatBlocksLongLosesTheStaleReadings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := recorder{block: 5 * time.Second}
		r, err := run(t, &sink, time.Now, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Skipped(); got < 995 || got > 1000 {
			t.Errorf("got %d skipped, want the 1000 of the blocked 5 s", got)
		}
		if got := int(r.Sent() + r.Skipped()); got < least || got > most {
			t.Errorf("got %d sent or skipped, want %d to %d", got, least, most)
		}
		if sink.lag > 2*gather {
			t.Errorf("got a reading %v old, want none sent late", sink.lag)
		}
	})
}

func TestASinkThatBlocksShortlyLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := recorder{block: 900 * time.Millisecond}
		r, err := run(t, &sink, time.Now, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if r.Skipped() != 0 || int(r.Sent()) < least {
			t.Errorf("got %d sent and %d skipped, want at least %d and 0", r.Sent(), r.Skipped(), least)
		}
	})
}

func TestAClockThatJumpsIsFollowed(t *testing.T) {
	for name, jump := range map[string]time.Duration{"suspended": 8 * time.Hour, "set back": -8 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			now := func() time.Time {
				if time.Since(begin) > 5*time.Second {
					return time.Now().Add(jump)
				}
				return time.Now()
			}
			var sink recorder
			r, err := run(t, &sink, now, 10*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Sent(); got < 1990 || got > 2000 {
				t.Errorf("%s: got %d sent, want about 2000", name, got)
			}
			if got, want := sink.times[len(sink.times)-1].Sub(now()).Abs(), 2*gather; got > want {
				t.Errorf("%s: got a last reading %v from the clock, want within %v", name, got, want)
			}
			if skipped := r.Skipped(); (skipped > 0) != (jump > 0) {
				t.Errorf("%s: got %d skipped", name, skipped)
			}
		})
	}
}

func TestAFailingSinkEndsTheRunner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		if _, err := run(t, &recorder{err: broken}, time.Now, time.Minute); !errors.Is(err, broken) {
			t.Errorf("got %v, want the sink's error", err)
		}
	})
}

func TestCancellingABlockedSinkIsSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if _, err := run(t, &recorder{block: time.Hour}, time.Now, time.Second); err != nil {
			t.Errorf("got %v, want nil", err)
		}
	})
}
