package api_test

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/iot"
)

// shelf is a cache that records its calls.
type shelf struct {
	mu      sync.Mutex
	answers map[string][]byte
	expiry  time.Duration
}

func (s *shelf) Get(_ context.Context, key string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer, ok := s.answers[key]
	return answer, ok
}

func (s *shelf) Keep(_ context.Context, key string, answer []byte, expiry time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[key], s.expiry = answer, expiry
}

// counted counts the questions to an archive, each of which takes a second.
type counted struct {
	*archive
	mu    sync.Mutex
	asked int
}

func (c *counted) count() {
	time.Sleep(time.Second)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
}

func (c *counted) Readings(ctx context.Context, q api.ReadingsQuery) ([]api.Point, error) {
	c.count()
	return c.archive.Readings(ctx, q)
}

func (c *counted) Summaries(ctx context.Context, q api.SummariesQuery) ([]iot.WindowSummary, error) {
	c.count()
	return c.archive.Summaries(ctx, q)
}

func (c *counted) expect(t *testing.T, asked int) {
	t.Helper()
	if c.asked != asked {
		t.Errorf("the archive was asked %d times, want %d", c.asked, asked)
	}
	c.asked = 0
}

func newCounted() *counted {
	sum := iot.Summary{Count: 3, Min: -1, Max: 0.3}
	sum.Sum.Add(0.1)
	sum.Sum.Add(0.2)
	return &counted{archive: &archive{
		points: []api.Point{{Time: noon.Add(-time.Hour + time.Microsecond), Value: 0.1 + 0.2, Quality: iot.Uncertain}, {Time: noon, Value: -1}},
		summaries: []iot.WindowSummary{
			{Type: iot.Temperature, Window: iot.WindowOf(noon.Add(-time.Hour), 30*time.Second), Final: true, Summary: sum},
			{Type: iot.Humidity, Window: iot.WindowOf(noon.Add(-time.Hour), 30*time.Second), Final: true},
		},
	}}
}

func TestCachedAnswersAreThoseOfTheArchive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, kept := newCounted(), &shelf{answers: make(map[string][]byte)}
		cached := api.Cached(source, kept, func() time.Time { return noon }, uncorrected)
		readings := api.ReadingsQuery{Device: "a", From: noon.Add(-time.Hour), To: noon.Add(-3 * time.Minute), MaxPoints: 100}
		summaries := api.SummariesQuery{From: noon.Add(-2 * time.Hour), To: noon, Limit: 100}
		for range 3 {
			if got, err := cached.Readings(t.Context(), readings); err != nil || !reflect.DeepEqual(got, source.points) {
				t.Errorf("got %v, %v, want %v", got, err, source.points)
			}
		}
		source.expect(t, 1)
		if kept.expiry != 10*time.Second {
			t.Errorf("kept for %v, want 10s", kept.expiry)
		}
		for range 3 {
			got, err := cached.Summaries(t.Context(), summaries)
			if err != nil || !reflect.DeepEqual(got, source.summaries) {
				t.Errorf("got %v, %v, want %v", got, err, source.summaries)
			}
			got[0].Count = 77 // An answer is its asker's own.
		}
		source.expect(t, 1)
		if kept.expiry != time.Second {
			t.Errorf("kept for %v, want 1s as it reaches into the present", kept.expiry)
		}
		for _, change := range []func(*api.ReadingsQuery){
			func(q *api.ReadingsQuery) { q.Tenant = "acme" },
			func(q *api.ReadingsQuery) { q.Device = "b" },
			func(q *api.ReadingsQuery) { q.From = q.From.Add(time.Microsecond) },
			func(q *api.ReadingsQuery) { q.To = q.To.Add(time.Microsecond) },
			func(q *api.ReadingsQuery) { q.Step = time.Second },
			func(q *api.ReadingsQuery) { q.MaxPoints++ },
			func(q *api.ReadingsQuery) { q.Whole++ },
		} {
			other := readings
			change(&other)
			if _, err := cached.Readings(t.Context(), other); err != nil {
				t.Error(err)
			}
			source.expect(t, 1)
		}
		for _, change := range []func(*api.SummariesQuery){
			func(q *api.SummariesQuery) { q.Tenant = "acme" },
			func(q *api.SummariesQuery) { q.Type = iot.Temperature },
			func(q *api.SummariesQuery) { q.AfterType = iot.Temperature },
			func(q *api.SummariesQuery) { q.From = q.From.Add(time.Microsecond) },
			func(q *api.SummariesQuery) { q.To = q.To.Add(time.Microsecond) },
			func(q *api.SummariesQuery) { q.AfterStart = noon.Add(-time.Hour) },
			func(q *api.SummariesQuery) { q.WithoutAlerts = true },
			func(q *api.SummariesQuery) { q.Limit++ },
		} {
			other := summaries
			change(&other)
			if _, err := cached.Summaries(t.Context(), other); err != nil {
				t.Error(err)
			}
			source.expect(t, 1)
		}
	})
}

func uncorrected() string { return "" }

// After a correction, no query is answered from before it.
func TestACorrectionOutdatesKeptAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, kept, correction := newCounted(), &shelf{answers: make(map[string][]byte)}, "a"
		cached := api.Cached(source, kept, func() time.Time { return noon }, func() string { return correction })
		q := api.SummariesQuery{From: noon.Add(-2 * time.Hour), To: noon.Add(-time.Hour), Limit: 100}
		for _, correction = range []string{"a", "a", "b", "b"} {
			if _, err := cached.Summaries(t.Context(), q); err != nil {
				t.Error(err)
			}
		}
		source.expect(t, 2)
	})
}

func TestNothingAndFailuresAndNonsense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, kept := newCounted(), &shelf{answers: make(map[string][]byte)}
		source.points, source.summaries = nil, nil
		cached := api.Cached(source, kept, func() time.Time { return noon }, uncorrected)
		q := api.ReadingsQuery{Device: "a", From: noon.Add(-time.Hour), To: noon, MaxPoints: 100}
		source.err = errors.New("the database is away")
		for range 2 {
			if _, err := cached.Readings(t.Context(), q); !errors.Is(err, source.err) {
				t.Errorf("got %v, want the archive's error", err)
			}
		}
		source.expect(t, 2)
		source.err = nil
		for range 2 {
			if got, err := cached.Readings(t.Context(), q); err != nil || len(got) != 0 {
				t.Errorf("got %v, %v, want nothing", got, err)
			}
		}
		source.expect(t, 1)
		for key := range kept.answers {
			kept.answers[key] = []byte("somebody else's")
		}
		if got, err := cached.Readings(t.Context(), q); err != nil || len(got) != 0 {
			t.Errorf("got %v, %v, want nothing", got, err)
		}
		source.expect(t, 1)
	})
}

// A page that a hundred people open at once asks the archive once; that one of them closes it ends it for none of the others.
func TestEqualQuestionsAreAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newCounted()
		cached := api.Cached(source, &shelf{answers: make(map[string][]byte)}, func() time.Time { return noon }, uncorrected)
		q := api.SummariesQuery{From: noon.Add(-time.Hour), To: noon, Limit: 100}
		impatient, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		begun := time.Now()
		go func() {
			if _, err := cached.Summaries(impatient, q); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v for who did not wait", err)
			}
			if took := time.Since(begun); took != 100*time.Millisecond {
				t.Errorf("it took %v to give up", took)
			}
		}()
		synctest.Wait()
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if got, err := cached.Summaries(t.Context(), q); err != nil || len(got) != 2 {
					t.Errorf("got %v, %v", got, err)
				}
			})
		}
		all.Wait()
		source.expect(t, 1)
	})
}
