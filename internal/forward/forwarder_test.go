package forward_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/forward"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// pass lets time pass, and waits until everything has been done that is to be done by then.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func upTo(n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = float64(i % 80)
	}
	return values
}

func TestReadingsArriveOnceInTheOrderOfEachDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(2)
		s.log.add(0, "a", time.Now(), upTo(6_000)...)
		s.log.add(1, "b", time.Now(), upTo(7)...)
		s.start(t)
		pass(10 * time.Second)
		for device, want := range map[string]int{"a": 6_000, "b": 7} {
			if got := s.centre.values(device); !slices.Equal(got, upTo(want)) {
				t.Errorf("%s: got %d values, want %d in order", device, len(got), want)
			}
		}
		if got := s.running.State(); !got.Connected || got.Lag != 0 || got.Forwarded != 6_007 || got.Waiting != 0 || got.Problem != "" {
			t.Errorf("got %+v", got)
		}
	})
}

func TestThePositionMovesOnlyOverWhatTheCentreHasAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(1)
		s.centre.answer = func(context.Context, int, []iot.Reading) ([]forward.Rejection, error) {
			return nil, errors.New("no route to host")
		}
		s.log.add(0, "a", time.Now(), 1, 2, 3)
		s.start(t)
		pass(time.Hour)
		if got := s.log.stored[0].Next; got != 0 {
			t.Errorf("got position %d without an acknowledgement, want 0", got)
		}
		state := s.running.State()
		if state.Connected || !strings.Contains(state.Problem, "no route") || state.Lag != 3 || state.Waiting < 59*time.Minute || state.Errors < 100 {
			t.Errorf("got %+v", state)
		}
		s.stop()
		s.centre.answer = nil
		s.start(t)
		pass(5 * time.Second)
		if got := s.log.stored[0].Next; got != 3 {
			t.Errorf("got position %d, want 3", got)
		}
		s.stop()
		calls := s.centre.calls
		s.start(t)
		pass(5 * time.Second)
		if s.centre.calls != calls {
			t.Error("what was acknowledged is sent again after a restart")
		}
	})
}

func TestAfterTheCentreIsBackForwardingGoesOnWithinItsLongestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(1)
		var down atomic.Bool
		down.Store(true)
		s.centre.answer = func(ctx context.Context, _ int, _ []iot.Reading) ([]forward.Rejection, error) {
			if down.Load() {
				<-ctx.Done() // It hangs.
				return nil, ctx.Err()
			}
			return nil, nil
		}
		s.log.add(0, "a", time.Now(), upTo(100)...)
		s.start(t)
		pass(6 * time.Hour)
		if state := s.running.State(); !strings.Contains(state.Problem, "no answer within 30s") {
			t.Errorf("got problem %q", state.Problem)
		}
		down.Store(false)
		pass(30*time.Second + 15*time.Second + 10*time.Second)
		if got := s.centre.values("a"); !slices.Equal(got, upTo(100)) {
			t.Errorf("got %d values, want 100 in order", len(got))
		}
	})
}

func TestRetryAfterIsRespectedButNotForEver(t *testing.T) {
	for after, want := range map[time.Duration]time.Duration{40 * time.Second: 40 * time.Second, 1000 * time.Hour: 5 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(1)
			var asked []time.Time
			s.centre.answer = func(context.Context, int, []iot.Reading) ([]forward.Rejection, error) {
				if asked = append(asked, time.Now()); len(asked) == 1 {
					return nil, &forward.RefusedError{Err: errors.New("429"), After: after}
				}
				return nil, nil
			}
			s.log.add(0, "a", time.Now(), 1)
			s.start(t)
			pass(time.Hour)
			s.stop()
			if len(asked) != 2 || asked[1].Sub(asked[0]) != want {
				t.Errorf("asked at %v, want twice with %v between", asked, want)
			}
		})
	}
}

func TestWhatTheCentreRejectsIsKeptWithItsReasonAndStopsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(1)
		s.letters.failures = 3
		s.centre.answer = func(_ context.Context, _ int, readings []iot.Reading) (rejected []forward.Rejection, _ error) {
			for i, r := range readings {
				if r.Value == 13 {
					rejected = append(rejected, forward.Rejection{Index: i, Field: "value", Reason: "unlucky"})
				}
			}
			return rejected, nil
		}
		s.log.append(0, forward.Record{Key: []byte("x"), Value: []byte("not JSON"), Appended: time.Now()})
		s.log.append(0, forward.Record{Kind: iot.RecordKind{Kind: iot.KindTick}, Appended: time.Now()})
		s.log.append(0, forward.Record{Kind: iot.RecordKind{Kind: iot.KindRule}, Value: []byte("{}"), Appended: time.Now()})
		s.log.append(0, forward.Record{Key: []byte("gone"), Appended: time.Now()}) // A request to forget a device.
		s.log.append(0, forward.Record{Marker: true, Value: []byte("1234"), Appended: time.Now()})
		s.log.add(0, "a", time.Now(), 12, 13, 14)
		s.start(t)
		pass(time.Minute)
		if got := s.centre.values("a"); !slices.Equal(got, []float64{12, 14}) {
			t.Errorf("got %v, want 12 and 14", got)
		}
		if len(s.letters.kept) != 1 || s.letters.kept[0].Offset != 6 || s.letters.kept[0].Reason != "unlucky" || s.letters.kept[0].Field != "value" ||
			!strings.Contains(string(s.letters.kept[0].Value), "13") {
			t.Errorf("kept %+v, want the second reading with the centre's reason", s.letters.kept)
		}
		if state := s.running.State(); state.Rejected != 1 || state.LastReason != "unlucky" || state.Skipped != 1 || state.Forwarded != 2 || state.Lag != 0 {
			t.Errorf("got %+v", state)
		}
	})
}

// TestAReadingThatBlocksACallIsFoundAndLeftOut has a centre that refuses a whole call because of one reading, without saying which.
func TestAReadingThatBlocksACallIsFoundAndLeftOut(t *testing.T) {
	for _, final := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(1)
			s.centre.answer = func(_ context.Context, _ int, readings []iot.Reading) ([]forward.Rejection, error) {
				if slices.ContainsFunc(readings, func(r iot.Reading) bool { return r.ID == "poison" }) {
					return nil, &forward.RefusedError{Err: errors.New("400 Bad Request"), Content: true, Final: final}
				}
				return nil, nil
			}
			s.log.add(0, "a", time.Now(), upTo(600)...)
			s.log.add(0, "poison", time.Now(), 1)
			s.log.add(0, "a", time.Now().Add(time.Hour), upTo(600)...)
			s.start(t)
			pass(time.Hour)
			got := len(s.centre.values("a"))
			if final && (got != 1200 || len(s.letters.kept) != 1 || s.letters.kept[0].Offset != 600) {
				t.Errorf("got %d values and %d rejected, want 1200 and the poison", got, len(s.letters.kept))
			}
			// A server in between, such as a proxy with a mistake in its configuration, must not empty the log into the dead letters.
			if !final && (got != 600 || len(s.letters.kept) != 0) {
				t.Errorf("got %d values and %d rejected, want those before the poison, which waits", got, len(s.letters.kept))
			}
		})
	}
}

func TestACallThatTakesTooLongIsMadeSmaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(1)
		s.centre.answer = func(ctx context.Context, _ int, readings []iot.Reading) ([]forward.Rejection, error) {
			// Ten readings a second pass the line.
			select {
			case <-time.After(time.Duration(len(readings)) * 100 * time.Millisecond):
				return nil, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		s.log.add(0, "a", time.Now(), upTo(2000)...)
		s.start(t)
		pass(time.Hour)
		if got := s.centre.values("a"); !slices.Equal(got, upTo(2000)) {
			t.Errorf("got %d values in an hour, want 2000", len(got))
		}
	})
}

func TestWhatHasWaitedIsHistorical(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(1)
		start := time.Now()
		s.log.add(0, "a", start.Add(-48*time.Hour), 1) // A device whose clock is two days behind: that is no backlog.
		report := iot.StatusReport{Status: iot.ReportedOffline, Reason: "last will", Time: iot.CutTime(start), Session: 7}
		status := forward.Record{Key: []byte("a"), Value: wire.AppendStatusReport(nil, &report), Kind: iot.RecordKind{Kind: iot.KindStatus}, Appended: start}
		s.log.append(0, status)
		s.start(t)
		pass(5 * time.Second)
		s.stop()
		s.log.add(0, "a", time.Now(), 2)
		status.Appended = time.Now()
		s.log.append(0, status)
		pass(61 * time.Second)
		s.log.add(0, "a", time.Now(), 3)
		s.start(t)
		pass(5 * time.Second)
		var got []string
		for _, r := range s.centre.all() {
			got = append(got, fmt.Sprint(r.Value, " ", r.Historical))
		}
		if want := []string{"1 false", "2 true", "3 false"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if len(s.centre.reports) != 2 || strings.Contains(s.centre.reports[0], "historical") || !strings.Contains(s.centre.reports[1], `"session":7,"historical":true`) {
			t.Errorf("got reports %q", s.centre.reports)
		}
	})
}

func TestWhatTheLogHasDeletedIsCountedExactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(2)
		down := s.mayFail("down")
		s.log.add(0, "a", time.Now(), upTo(10)...)
		s.start(t)
		pass(5 * time.Second)
		down.Store(true)
		s.stop()
		s.log.add(0, "a", time.Now(), upTo(100)...)
		s.log.expire(0, 40)
		down.Store(false)
		s.start(t)
		pass(5 * time.Second)
		want := forward.Loss{Records: 30, First: 10, Last: 39}
		if got := s.running.State().Lost[0]; got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		// While the program runs.
		s.log.add(0, "a", time.Now(), upTo(20)...)
		s.log.expire(0, 80) // Up to 120, and 130 is the end.
		pass(5 * time.Second)
		total := s.running.State().Lost[0].Records
		if got := len(s.centre.values("a")); got+int(total) != 130 {
			t.Errorf("got %d accepted and %d lost, want 130 together", got, total)
		}
		s.stop()
		s.start(t)
		pass(5 * time.Second)
		if got := s.running.State().Lost[0]; got.Records != total || got.First != 10 {
			t.Errorf("after a restart got %+v, want the same %d", got, total)
		}
	})
}

func TestALogThatBeganAnewIsForwardedFromItsBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(1)
		s.log.add(0, "a", time.Now(), upTo(50)...)
		s.start(t)
		pass(5 * time.Second)
		s.stop()
		s.log.name, s.log.records = "another", map[int32][]forward.Record{}
		s.log.add(0, "b", time.Now(), upTo(100)...)
		s.start(t)
		pass(5 * time.Second)
		if got := s.centre.values("b"); !slices.Equal(got, upTo(100)) {
			t.Errorf("got %d values, want 100", len(got))
		}
		if lost := s.running.State().Lost; len(lost) > 0 {
			t.Errorf("got %+v, want no loss", lost)
		}
	})
}

// A gateway whose clock is ahead forwards its readings once the centre's clock has come to their time, and says meanwhile what is wrong.
func TestWhatIsAheadOfTheCentresClockWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(2)
		s.centre.behind = 5 * time.Minute
		changed := make(chan string, 1000)
		s.options.Changed = func(problem string) { changed <- problem }
		start := time.Now()
		s.log.add(1, "b", start.Add(-time.Hour), 1, 2, 3) // Of a device whose clock is right.
		s.log.add(0, "a", start, upTo(100)...)
		s.start(t)
		pass(time.Minute)
		state := s.running.State()
		if len(s.centre.values("a")) != 0 || !state.Connected || !strings.Contains(state.Problem, "clock") || state.Early == 0 || state.Rejected != 0 {
			t.Errorf("got %d values and %+v, want all to wait, and why", len(s.centre.values("a")), state)
		}
		if len(s.centre.values("b")) == 0 {
			t.Error("what is not ahead waits, too")
		}
		pass(10 * time.Minute)
		state = s.running.State()
		seen := make(map[float64]bool)
		for _, value := range s.centre.values("a") {
			seen[value] = true
		}
		if len(seen) != 80 || state.Problem != "" || state.Early != 0 || state.Rejected != 0 || state.Lag != 0 || state.Forwarded != 103 {
			t.Errorf("got %d values and %+v, want all, and no problem", len(seen), state)
		}
		s.stop()
		close(changed)
		last := ""
		for problem := range changed {
			last = problem
		}
		if last != "" {
			t.Errorf("the program goes on saying %q", last)
		}
	})
}

// What was measured while the clock was ahead has a wrong time for good once the clock has been set: it must not hold up what follows.
func TestWhatWasMeasuredByAWrongClockIsADeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(1)
		s.centre.behind = 8 * time.Hour
		s.log.add(0, "a", time.Now(), upTo(100)...)
		s.start(t)
		pass(time.Minute)
		if got := s.running.State(); got.Rejected != 0 || got.Lag == 0 {
			t.Errorf("got %+v, want everything to wait", got)
		}
		// The clock is set: what was now is now in eight hours.
		back := 8 * time.Hour
		s.stop()
		s.options.Now = func() time.Time { return time.Now().Add(-back) }
		s.log.add(0, "a", time.Now().Add(-back), 1000)
		s.start(t)
		pass(time.Minute)
		if got := s.running.State(); got.Rejected != 100 || got.Problem != "" || !slices.Equal(s.centre.values("a"), []float64{1000}) {
			t.Errorf("got %+v and the values %v, want 100 dead letters and the new one", got, s.centre.values("a"))
		}
		if reason := s.letters.kept[0].Reason; !strings.Contains(reason, "set back") {
			t.Errorf("got the reason %q", reason)
		}
	})
}

func TestTheRateIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(1)
		s.options.MaxRate = 1000
		s.log.add(0, "a", time.Now(), upTo(15_000)...)
		s.start(t)
		pass(10 * time.Second)
		if got := len(s.centre.values("a")); got < 9_500 || got > 10_500 {
			t.Errorf("got %d values in 10 s, want about 10,000", got)
		}
	})
}

func TestTheLatestReadingsGoAheadOfABacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(2)
		s.options.MaxRate, s.options.NewestFirst = 500, true
		start := time.Now()
		s.log.add(0, "a", start, upTo(5_000)...)
		s.log.add(1, "b", start, upTo(5_000)...)
		pass(24 * time.Hour)
		s.log.add(0, "a", time.Now(), 97)
		s.start(t)
		pass(3 * time.Second)
		if got := s.centre.values("a"); len(got) == 0 || got[0] != 97 {
			t.Errorf("got %v first, want the latest value", got[:min(len(got), 3)])
		}
		if first := s.centre.all()[0]; first.Historical != (first.ID == "b") {
			t.Errorf("got historical %v for the latest reading of %s", first.Historical, first.ID)
		}
		s.log.add(1, "b", time.Now(), 98)
		pass(5 * time.Second)
		if got := s.centre.values("b"); !slices.Contains(got, 98) {
			t.Error("a new reading waits behind the backlog")
		}
		pass(time.Minute)
		distinct := make(map[string]bool)
		for _, r := range s.centre.all() {
			distinct[fmt.Sprint(r.ID, r.Time)] = true
		}
		if state := s.running.State(); len(distinct) != 10_002 || state.Forwarded != 10_002 || state.Repeated == 0 || state.Repeated > 100 {
			t.Errorf("got %d different readings and %+v, want 10,002 with a few sent ahead", len(distinct), state)
		}
	})
}

// TestWhateverFailsNothingIsLostOrGivenUp has calls fail in every way, the local log lose readings, and the program restart, at random.
func TestWhateverFailsNothingIsLostOrGivenUp(t *testing.T) {
	for seed := range uint64(6) {
		synctest.Test(t, func(t *testing.T) {
			random, chance := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
			s := newStage(3)
			s.options.NewestFirst = seed%2 == 0
			arrived := make(map[string]bool)
			s.centre.answer = func(ctx context.Context, _ int, readings []iot.Reading) ([]forward.Rejection, error) {
				arrive := func() {
					for _, r := range readings {
						arrived[fmt.Sprint(r.ID, r.Time)] = true
					}
				}
				switch chance.IntN(10) {
				case 0:
					return nil, &forward.RefusedError{Err: errors.New("503"), After: time.Duration(chance.IntN(10)) * time.Second}
				case 1:
					arrive()
					return nil, errors.New("connection reset")
				case 2:
					<-ctx.Done()
					return nil, ctx.Err()
				case 3:
					if len(readings) > 1 {
						return nil, &forward.RefusedError{Err: errors.New("413"), Content: true}
					}
				case 4:
					return nil, errors.New("refused")
				}
				arrive()
				return nil, nil
			}
			total := 0
			for range 10 {
				s.start(t)
				for partition := range int32(3) {
					n := random.IntN(400)
					s.log.add(partition, fmt.Sprint("device-", partition), time.Now().Add(time.Duration(total)*time.Hour), upTo(n)...)
					total += n
				}
				pass(time.Duration(random.IntN(200)) * time.Second)
				s.stop()
			}
			s.start(t)
			pass(2 * time.Hour)
			s.stop()
			if state := s.running.State(); len(arrived) != total || state.Lag != 0 || len(state.Lost) != 0 || state.Rejected != 0 {
				t.Errorf("seed %d: %d of %d readings have arrived: %+v", seed, len(arrived), total, state)
			}
		})
	}
}
