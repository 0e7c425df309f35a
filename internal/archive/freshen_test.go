package archive_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/archive"
)

// noted is a store that notes when it was written to, and how many readings it was given.
type noted struct {
	archive.Store
	began time.Time

	mu     sync.Mutex
	after  []time.Duration
	counts []int
}

func (s *noted) Write(ctx context.Context, batch *archive.Batch) error {
	s.mu.Lock()
	s.after, s.counts = append(s.after, time.Since(s.began).Round(time.Second)), append(s.counts, len(batch.Readings))
	s.mu.Unlock()
	return s.Store.Write(ctx, batch)
}

func (s *noted) writes() (after []time.Duration, counts []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.after), slices.Clone(s.counts)
}

// The rate of written rows over a minute is 0 most of the time. The rows that were read show at once that the archive keeps up, and
// the rows that wait where they are.
func TestRowsThatWaitAreCountedAsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, store := onePlant(t)
		defer store.Close()
		p.read(0, "a", began.Add(time.Second), 2)
		ctx, cancel := context.WithCancel(t.Context())
		var read, waiting, written atomic.Int64
		archiver := archive.New(archive.Options{
			Open: p.broker.open(ctx, 1, trouble(nil)), Store: store, Topics: topics, Admission: p.admission, Patience: time.Minute,
			Metrics: archive.Metrics{
				Read:    func(rows, waits int) { read.Add(int64(rows)); waiting.Store(int64(waits)) },
				Written: func(rows int, _, _ time.Duration) { written.Add(int64(rows)) },
			},
			Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		})
		var running sync.WaitGroup
		running.Go(func() { _ = archiver.Run(ctx) })
		time.Sleep(10 * time.Second)
		if read.Load() != 2 || waiting.Load() != 2 || written.Load() != 0 {
			t.Errorf("after 10 s: got %d rows read, %d waiting, %d written, want 2, 2 and 0", read.Load(), waiting.Load(), written.Load())
		}
		time.Sleep(time.Minute)
		if read.Load() != 2 || waiting.Load() != 0 || written.Load() != 2 {
			t.Errorf("after a minute: got %d rows read, %d waiting, %d written, want 2, 0 and 2", read.Load(), waiting.Load(), written.Load())
		}
		cancel()
		running.Wait()
	})
}

// patiently runs an archiver with patience on what the plant has until use returns. It must run in a synctest bubble.
func patiently(t *testing.T, p *plant, store archive.Store, use func(*archive.Archiver, *noted)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	notes := &noted{Store: store, began: time.Now()}
	archiver := archive.New(archive.Options{
		Open: p.broker.open(ctx, 1, trouble(nil)), Store: notes, Topics: topics, Admission: p.admission, Patience: time.Minute,
		Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	var running sync.WaitGroup
	running.Go(func() { _ = archiver.Run(ctx) })
	use(archiver, notes)
	cancel()
	running.Wait()
}

func TestAFewRowsWaitToBeWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, store := onePlant(t)
		defer store.Close()
		for i := range 4 {
			p.read(0, "a", began.Add(time.Duration(i+1)*time.Second), 2)
		}
		patiently(t, p, store, func(_ *archive.Archiver, notes *noted) {
			time.Sleep(3 * time.Minute)
			after, counts := notes.writes()
			if len(after) != 1 || after[0] < time.Minute || after[0] > time.Minute+2*time.Second || counts[0] != 5 {
				t.Errorf("got writes after %v of %v readings, want one of all 5 after a minute", after, counts)
			}
		})
	})
}

func TestAQueryIsNotKeptWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, store := onePlant(t)
		defer store.Close()
		patiently(t, p, store, func(archiver *archive.Archiver, notes *noted) {
			time.Sleep(10 * time.Second)
			asked := time.Now()
			archiver.Freshen(t.Context())
			if after, counts := notes.writes(); len(after) != 1 || counts[0] != 1 || time.Since(asked) > time.Second {
				t.Errorf("got writes after %v of %v readings, want one at once", after, counts)
			}
			if got, err := readRows(store); err != nil || len(got.Readings["a"]) != 1 {
				t.Errorf("got %+v, %v, want the reading", got, err)
			}
			archiver.Freshen(t.Context()) // There is nothing that it could bring.
		})
	})
}

// After a kill the log holds rows that waited to be written. A query at the start is answered only with them, and the archive is not
// ready before it has read them.
func TestTheArchiveIsReadyOnceItHasCaughtUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, store := onePlant(t)
		defer store.Close()
		const waited = 3 // And one that onePlant has appended; the broker hands over one every half second.
		for i := range waited {
			p.read(0, "a", began.Add(time.Duration(i+1)*time.Second), 2)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var ready atomic.Bool
		archiver := archive.New(archive.Options{
			Open: p.broker.open(ctx, 1, trouble(nil)), Store: store, Topics: topics, Admission: p.admission, Patience: time.Minute,
			Metrics: archive.Metrics{Ready: ready.Store}, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		})
		var running sync.WaitGroup
		running.Go(func() { _ = archiver.Run(ctx) })
		time.Sleep(time.Second)
		if ready.Load() {
			t.Error("the archive is ready after a second, in which it cannot have read everything")
		}
		impatient, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
		archiver.Freshen(impatient) // It is not kept waiting for longer than it wants.
		stop()
		archiver.Freshen(t.Context())
		if got, err := readRows(store); err != nil || len(got.Readings["a"]) != waited+1 {
			t.Errorf("got %d readings, %v, want %d", len(got.Readings["a"]), err, waited+1)
		}
		time.Sleep(time.Second)
		if !ready.Load() {
			t.Error("the archive is not ready though it has read everything")
		}
		cancel()
		running.Wait()
	})
}

// A log whose records were all archived is caught up with at once; one that is long to read, as after an outage of the database, does not
// keep the archive from being ready, nor history from being answered.
func TestReadinessWaitsForNoBacklog(t *testing.T) {
	for name, tc := range map[string]struct {
		waiting int // The broker hands over one every half second.
		within  time.Duration
	}{
		"nothing to read": {0, 10 * time.Millisecond},
		"a minute":        {120, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, store := onePlant(t)
				defer store.Close()
				archiveOf(t, p, store)
				for i := range tc.waiting {
					p.read(0, "a", began.Add(time.Duration(i+1)*time.Second), 2)
				}
				ctx, cancel := context.WithCancel(t.Context())
				var ready atomic.Bool
				archiver := archive.New(archive.Options{
					Open: p.broker.open(ctx, 1, trouble(nil)), Store: store, Topics: topics, Admission: p.admission, Patience: time.Minute,
					Metrics: archive.Metrics{Ready: ready.Store}, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
				})
				var running sync.WaitGroup
				running.Go(func() { _ = archiver.Run(ctx) })
				time.Sleep(tc.within)
				if !ready.Load() {
					t.Errorf("the archive is not ready after %v", tc.within)
				}
				asked := time.Now()
				archiver.Freshen(t.Context())
				if took := time.Since(asked); took > time.Second {
					t.Errorf("asking for the past took %v", took)
				}
				cancel()
				running.Wait()
			})
		})
	}
}

func TestWhatWaitsIsWrittenBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, store := onePlant(t)
		defer store.Close()
		patiently(t, p, store, func(_ *archive.Archiver, notes *noted) {
			time.Sleep(10 * time.Second)
			if after, _ := notes.writes(); len(after) > 0 {
				t.Errorf("got writes after %v already", after)
			}
		})
		if got, err := readRows(store); err != nil || len(got.Readings["a"]) != 1 {
			t.Errorf("got %+v, %v, want the reading", got, err)
		}
	})
}

func TestAskingOfAnArchiveThatIsStuckEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, store := onePlant(t)
		defer store.Close()
		patiently(t, p, stuckStore{store}, func(archiver *archive.Archiver, _ *noted) {
			time.Sleep(10 * time.Second)
			for range 3 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				asked := time.Now()
				archiver.Freshen(ctx)
				cancel()
				if took := time.Since(asked); took != time.Second {
					t.Errorf("got an answer after %v, want one when the time was up", took)
				}
			}
		})
	})
}

// stuckStore is a store that cannot be written to.
type stuckStore struct{ archive.Store }

func (stuckStore) Write(ctx context.Context, _ *archive.Batch) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestManyRowsDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, store := onePlant(t)
		defer store.Close()
		const many = 12_600
		for i := range many {
			p.read(0, "a", began.Add(time.Duration(i+1)*100*time.Microsecond), 2)
		}
		ctx, cancel := context.WithCancel(t.Context())
		notes := &noted{Store: store, began: time.Now()}
		archiver := archive.New(archive.Options{
			Open: p.broker.open(ctx, many, trouble(nil)), Store: notes, Topics: topics, Admission: p.admission, Patience: time.Hour,
			Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		})
		var running sync.WaitGroup
		running.Go(func() { _ = archiver.Run(ctx) })
		time.Sleep(5 * time.Second)
		if after, counts := notes.writes(); len(after) == 0 || counts[0] < 12_500 {
			t.Errorf("got writes after %v of %v readings, want one of thousands at once", after, counts)
		}
		cancel()
		running.Wait()
	})
}
