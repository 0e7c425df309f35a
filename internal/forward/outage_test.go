package forward_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/forward"
	"iotmon/internal/iot"
)

// The centre is away for three days. Back again it gets everything at no more than the rate, what has waited as historical and the latest reading
// of each device first, also if the gateway is killed in the middle; and its sums are those of what the gateway has received.
func TestAfterAnOutageOfDaysTheSumsAtTheCentreAreExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const devices, rate = 3, 500
		s := newStage(devices)
		s.options.MaxRate, s.options.NewestFirst = rate, true
		var away atomic.Bool
		away.Store(true)
		var back time.Time
		sent, calls := 0, []int(nil) // Of the catch-up since the program has begun.
		s.centre.answer = func(_ context.Context, _ int, readings []iot.Reading) ([]forward.Rejection, error) {
			if away.Load() {
				return nil, errors.New("no route to host")
			}
			sent += len(readings)
			calls = append(calls, len(readings))
			// A call may have as many readings as are due in half a second, and the first of them are sent at once.
			if most := int(time.Since(back).Seconds()*rate) + rate; sent > most {
				t.Errorf("%d readings within %v, want at most %d", sent, time.Since(back), most)
			}
			return nil, nil
		}
		want, total := make(map[string]float64), 0
		measure := func(value float64) {
			for i := range int32(devices) {
				device := fmt.Sprint("device-", i)
				s.log.add(i, device, time.Now(), value+float64(i))
				want[device] += value + float64(i)
				total++
			}
		}
		s.start(t)
		for minute := range 3 * 24 * 60 {
			measure(float64(minute % 50))
			pass(time.Minute)
		}
		if state := s.running.State(); state.Connected || state.Lag != int64(total) || state.Waiting < 71*time.Hour || len(s.centre.all()) != 0 {
			t.Fatalf("at the end of the outage: got %+v", state)
		}
		measure(60)
		s.stop()
		away.Store(false)
		back = time.Now()
		s.start(t)
		pass(10 * time.Second)
		if first := s.centre.all()[:devices]; first[0].Historical || first[1].Historical || first[2].Historical || first[0].Value < 60 {
			t.Errorf("got %+v first, want the latest readings", first)
		}
		// Killed: the last position is not stored.
		s.log.mu.Lock()
		s.log.broken = errors.New("killed")
		s.log.mu.Unlock()
		pass(2 * time.Second)
		s.stop()
		got := len(s.centre.all())
		s.log.broken = nil
		if got == 0 || got >= total {
			t.Fatalf("killed after %d of %d readings, want it in the middle", got, total)
		}
		measure(61)
		sent, back = 0, time.Now()
		s.start(t)
		pass(2 * time.Minute)
		sums, known := make(map[string]float64), make(map[string]bool)
		for _, r := range s.centre.all() {
			if old := time.Since(r.Time) > time.Hour; old && !r.Historical {
				t.Fatalf("got %v of %v as a live one", r.Value, r.Time)
			}
			if identity := fmt.Sprint(r.ID, r.Time); !known[identity] {
				known[identity] = true
				sums[string(r.ID)] += r.Value
			}
		}
		if len(known) != total {
			t.Errorf("got %d different readings, want %d", len(known), total)
		}
		if fmt.Sprint(sums) != fmt.Sprint(want) {
			t.Errorf("got the sums %v, want %v", sums, want)
		}
		if state := s.running.State(); state.Lag != 0 || len(state.Lost) != 0 || state.Rejected != 0 || state.Problem != "" {
			t.Errorf("at the end: got %+v", state)
		}
	})
}

// What the log deletes while the centre is away is said at once, and not only when the centre is back.
func TestWhatTheLogDeletesDuringAnOutageIsSaidAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(1)
		away := s.mayFail("no route to host")
		away.Store(true)
		s.log.add(0, "a", time.Now(), upTo(20_000)...)
		s.start(t)
		pass(5 * time.Minute)
		if problem := s.running.State().Problem; problem != "no route to host" {
			t.Errorf("got the problem %q before anything is deleted", problem)
		}
		s.log.expire(0, 12_000)
		pass(time.Minute)
		// 5,000 have been read and wait in memory: they are not lost while the program runs.
		if problem := s.running.State().Problem; !strings.Contains(problem, "no route to host") || !strings.Contains(problem, "7000 messages") {
			t.Errorf("got the problem %q, want how many were deleted", problem)
		}
		away.Store(false)
		pass(5 * time.Minute)
		state := s.running.State()
		if got, want := state.Lost[0], (forward.Loss{Records: 7_000, First: 5_000, Last: 11_999}); got != want || state.Problem != "" || state.Lag != 0 {
			t.Errorf("got %+v and %+v, want %+v", got, state, want)
		}
		if got := len(s.centre.values("a")); got != 13_000 {
			t.Errorf("got %d readings at the centre, want 13,000", got)
		}
	})
}
