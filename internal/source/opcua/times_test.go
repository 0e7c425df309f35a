package opcua_test

import (
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/source"
)

func TestEachReadingHasTheTimeOfItsSource(t *testing.T) {
	t.Parallel()
	for _, p := range products {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			const count = 20
			s := p.shared(t)
			r := run(t, newOptions(t, s.endpoint(), "Stamped"))
			r.within(back, "connected", func() bool { return r.status.Snapshot().State == source.Connected })
			base := time.Now().Add(-time.Hour).Truncate(time.Second)
			for n := 1; n <= count; n++ {
				s.do(t, "stamp Stamped %d %d.5", n, base.Unix()+int64(n))
			}
			var got []iot.Reading
			r.within(back, "every reading", func() bool {
				got = nil
				for _, reading := range r.of("Stamped") {
					if reading.Value > 0 {
						got = append(got, reading)
					}
				}
				return len(got) >= count
			})
			for i, reading := range got {
				at := base.Add(time.Duration(i+1)*time.Second + 500*time.Millisecond)
				if reading.Value != float64(i+1) || !reading.Time.Equal(at) || reading.Quality != "" || reading.ReceivedAt.Before(base.Add(50*time.Minute)) {
					t.Errorf("reading %d: got %v at %v, received at %v, quality %q; want %d at %v", i, reading.Value, reading.Time, reading.ReceivedAt, reading.Quality, i+1, at)
				}
			}
		})
	}
}

// A server whose queue was full keeps the latest changes, and says that others are missing, if it can: asyncua does not by itself.
func TestAFullQueueIsSaid(t *testing.T) {
	t.Parallel()
	for _, p := range products {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			s := p.shared(t)
			o := newOptions(t, s.endpoint(), "Filled")
			o.Queue, o.Publishing = 2, time.Second
			r := run(t, o)
			r.connected("Filled")
			s.do(t, "ramp Filled 1 30 10")
			r.within(back, "the last values", func() bool { return r.has("Filled", 29) && r.has("Filled", 30) })
			if got := len(r.of("Filled")); got > 20 {
				t.Errorf("got %d readings of 31 values with a queue of 2", got)
			}
			if p == asyncua {
				if seen := r.status.Snapshot().Error; seen != "" {
					t.Errorf("got the status %q, which the test must set", seen)
				}
				s.do(t, "overflow Filled 31")
				r.within(back, "the value after those that are missing", func() bool { return r.has("Filled", 31) })
			}
			r.within(back, "the full queue", func() bool {
				return strings.Contains(r.status.Snapshot().Error, "queue of 1 variables was full: changes are missing")
			})
		})
	}
}
