package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/iot"
	"iotmon/internal/store/postgres"
	"iotmon/internal/store/storetest"
)

// stored counts the readings, as another client sees them.
func stored(t testing.TB, url string) int64 {
	t.Helper()
	return ask[int64](t, url, `SELECT count(*) FROM readings`)
}

func TestOfTwoArchiversExactlyOneMovesAnOffset(t *testing.T) {
	url := newURL(t)
	const rounds, archivers = 50, 3
	var stores [archivers]*postgres.Store
	for i := range stores {
		stores[i] = open(t, url)
	}
	f := &feed{}
	for round := range rounds {
		// Each writer has a reading of its own, so that one that is stored by a writer without success would be found.
		var won, lost atomic.Int64
		var all sync.WaitGroup
		for i, s := range stores {
			b := f.batch(float64(round), reading(fmt.Sprint("device ", i), 0, float64(round), 1))
			all.Go(func() {
				switch err := s.Write(context.Background(), b); {
				case err == nil:
					won.Add(1)
				case errors.Is(err, archive.ErrOffsetsMoved):
					lost.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 || lost.Load() != archivers-1 {
			t.Fatalf("round %d: %d wrote and %d lost, want 1 and %d", round, won.Load(), lost.Load(), archivers-1)
		}
		f.moved(f.batch(0, archive.NewReading(new(iot.Reading), 0)))
	}
	if got := stored(t, url); got != rounds {
		t.Errorf("got %d readings, want %d", got, rounds)
	}
	audit(t, url)
}

// Archivers share everything here but their partitions: devices, days, windows and alerts come in any order.
func TestArchiversNeverWaitInACircle(t *testing.T) {
	url := newURL(t)
	var all sync.WaitGroup
	for i := range 4 {
		s := open(t, url)
		f := &feed{partition: int32(i)}
		random := rand.New(rand.NewPCG(1, uint64(i)))
		all.Go(func() {
			for round := range 60 {
				var readings []archive.Reading
				for range 50 {
					r := reading(fmt.Sprint("device ", random.IntN(300)), f.partition, float64(random.IntN(400_000)), 1)
					r.Metadata.Firmware = fmt.Sprint(random.IntN(3))
					readings = append(readings, r)
				}
				b := f.batch(float64(round), readings...)
				for range 20 {
					w := iot.WindowSummary{
						Type: iot.Temperature, Window: iot.Window{Start: at(float64(30 * random.IntN(50))), Length: 30 * time.Second},
						Position: iot.Position{Partition: int32(random.IntN(4)), Offset: random.Int64N(2000)}, Late: random.IntN(2) == 0,
					}
					w.Final = !w.Late
					if w.Late && random.IntN(2) == 0 {
						w.Type = "" // Of all types.
					}
					b.Summaries = append(b.Summaries, w)
				}
				if err := s.Write(context.Background(), b); err != nil {
					t.Error(err)
					return
				}
				f.moved(b)
				if err := s.Recompute(context.Background()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if n := ask[int64](t, url, `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`); n != 0 {
		t.Errorf("%d deadlocks", n)
	}
	audit(t, url)
}

func TestManyMakeTheSamePartitionsAtOnce(t *testing.T) {
	url := newURL(t)
	const archivers, days = 5, 35
	var all sync.WaitGroup
	for i := range archivers {
		s := open(t, url)
		f := &feed{partition: int32(i)}
		all.Go(func() {
			for day := range days {
				f.write(t, s, 0, reading(fmt.Sprint(i), f.partition, float64(day*24*60*60), 1))
			}
		})
	}
	all.Wait()
	if got := stored(t, url); got != archivers*days {
		t.Errorf("got %d readings, want %d", got, archivers*days)
	}
	if got := ask[int64](t, url, `SELECT count(*) FROM pg_inherits WHERE inhparent = 'readings'::regclass`); got != days {
		t.Errorf("got %d partitions, want a day each: %d", got, days)
	}
}

// A recording of half a century, with a reading each day, must not need more locks than a server has.
func TestABatchMayHoldAnyNumberOfDays(t *testing.T) {
	url := newURL(t)
	s := open(t, url)
	f := &feed{}
	f.write(t, s, 0, reading("a", 0, 0, 1))
	var readings []archive.Reading
	for day := -10_000; day < 10_000; day++ {
		readings = append(readings, reading("a", 0, float64(day)*24*60*60, float64(day)))
	}
	readings = append(readings, reading("broken clock", 0, -3e9, 1), reading("broken clock", 0, 9e9, 1))
	f.write(t, s, 0, readings...)
	if got := stored(t, url); got != int64(len(readings)) {
		t.Errorf("got %d readings, want %d", got, len(readings))
	}
	points, err := s.Readings(t.Context(), api.ReadingsQuery{Device: "a", From: at(-1e9), To: at(1e9), MaxPoints: 100_000})
	if err != nil || len(points) != 20_000 {
		t.Errorf("got %d readings, %v, want 20000", len(points), err)
	}
	if _, err := s.Prune(t.Context(), archive.Retention{}); err != nil {
		t.Fatal(err)
	}
	audit(t, url)
	f.pass(t, s, 1e9)
	removed, err := s.Prune(t.Context(), archive.Retention{Readings: time.Hour})
	if err != nil || removed != int64(len(readings))-1 {
		t.Errorf("removed %d, %v, want all but what is of the far future", removed, err)
	}
}

// While one store drops the partition of a day again and again, another writes to that day. The partition is created again, and
// no batch fails.
func TestADayMayBeDroppedUnderAWriter(t *testing.T) {
	url := newURL(t)
	writer, pruner := open(t, url), open(t, url)
	f := &feed{}
	const days = 3 * 24 * 60 * 60
	f.pass(t, writer, days)
	done := make(chan struct{})
	var removed atomic.Int64
	var pruning sync.WaitGroup
	pruning.Go(func() {
		for {
			n, err := pruner.Prune(context.Background(), archive.Retention{Readings: time.Hour})
			if err != nil {
				t.Error(err)
			}
			removed.Add(n)
			select {
			case <-done:
				return
			default:
			}
		}
	})
	// A day is not dropped while a reading in it is still to be rolled up; so the writer lets the pruner have a turn.
	const least, most = 100, 6000
	turn := time.NewTicker(10 * time.Millisecond)
	defer turn.Stop()
	rounds := 0
	for ; rounds < least || removed.Load() == 0 && rounds < most; rounds++ {
		<-turn.C
		f.write(t, writer, days, reading("a", 0, float64(rounds), 1))
	}
	close(done)
	pruning.Wait()
	removals := removed.Load()
	if left := stored(t, url); removals+left != int64(rounds) || removals == 0 {
		t.Errorf("%d removed and %d left, want %d together", removals, left, rounds)
	}
	audit(t, url)
}

// A write that cannot proceed ends with an error after a while, and releases its locks.
func TestAWriteThatHangsEnds(t *testing.T) {
	url := newURL(t)
	another := open(t, url)
	s, err := postgres.Open(postgres.Options{URL: url, ReadingsTopic: storetest.Topic, Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f := &feed{}
	release := lockTable(t, url, "alerts")
	b := f.batch(0, reading("a", 0, 0, 1))
	b.Alerts = []iot.Alert{{ID: "1", Onset: at(0), Time: at(0)}}
	began := time.Now()
	if err := s.Write(t.Context(), b); err == nil || !postgres.Transient(err) {
		t.Errorf("got %v, want an error that is worth a retry", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	release()
	if err := another.Write(t.Context(), b); err != nil {
		t.Error(err)
	}
}

// PostgreSQL refuses NUL characters and invalid UTF-8, both of which a log may have.
func TestAnyTextIsStored(t *testing.T) {
	url := newURL(t)
	s := open(t, url)
	f := &feed{}
	odd := "a\x00b\xff'; DROP TABLE alerts; --"
	r := reading("device '1'", 0, 0, 1)
	r.Unit, r.Location.Room, r.Location.Building, r.Metadata.Firmware = odd, odd, odd, odd
	b := f.batch(0, r)
	alert := iot.Alert{ID: "1", Rule: "rule", Severity: iot.Warning, Transition: iot.Raised, DeviceID: "device '1'", Message: odd, Unit: odd, Onset: at(0), Time: at(0)}
	b.Alerts = []iot.Alert{alert}
	w := iot.WindowSummary{Type: iot.Temperature, Window: iot.Window{Start: start, Length: 30 * time.Second}, Final: true}
	w.Alerts = []iot.Alert{alert}
	b.Summaries = []iot.WindowSummary{w}
	if err := s.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	got, err := s.Alerts(t.Context(), api.AlertsQuery{Limit: 10})
	if want := "a\uFFFDb\uFFFD'; DROP TABLE alerts; --"; err != nil || len(got) != 1 || got[0].Message != want {
		t.Errorf("got %+v, %v, want the message %q", got, err, want)
	}
	if windows, err := s.Summaries(t.Context(), api.SummariesQuery{From: start, To: at(60), Limit: 10}); err != nil || len(windows) != 1 || len(windows[0].Alerts) != 1 {
		t.Errorf("got %+v, %v, want the window with its alert", windows, err)
	}
}
