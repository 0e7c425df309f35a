package archive_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/archive"
)

// endlessPruner is a store with so much to prune that it never ends.
type endlessPruner struct {
	archive.Store
	started atomic.Int64
}

func (s *endlessPruner) Prune(ctx context.Context, _ archive.Retention) (int64, error) {
	s.started.Add(1)
	<-ctx.Done()
	return 0, ctx.Err()
}

func TestPruningDoesNotHoldUpArchiving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, store := onePlant(t)
		defer store.Close()
		p.read(0, "a", began.Add(time.Second), 2)
		pruner := &endlessPruner{Store: store}
		// Before the first batch is written more than the minute has gone after which pruning begins.
		slow := pass{archivers: 1, chunk: 1, writes: make([]failure, 30)}
		for i := range slow.writes {
			slow.writes[i] = beforeCommit
		}
		slow.archiveAll(p.broker, p.admission, pruner, slog.New(slog.DiscardHandler))
		got, err := readRows(store)
		if err != nil || len(got.Readings["a"]) != 2 || pruner.started.Load() != 1 {
			t.Errorf("got %+v, %v and %d times pruned, want both readings while the first pruning lasts", got, err, pruner.started.Load())
		}
	})
}

// idle runs an archiver on a broker, which may hold nothing, until it has been ready for a while.
func idle(t *testing.T, b *broker, store archive.Store, metrics archive.Metrics) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	ready := false
	metrics.Ready = func(now bool) {
		if ready = now; ready {
			time.AfterFunc(10*time.Second, cancel)
		}
	}
	archiver := archive.New(archive.Options{
		Open: b.open(ctx, 1, trouble(nil)), Store: store, Topics: topics, Admission: newAdmission(t), Metrics: metrics,
		Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err := archiver.Run(ctx); err != nil || !ready {
		t.Errorf("got ready %v, %v, want an archiver that is ready", ready, err)
	}
}

func TestAnArchiverWithNothingToDoIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, store := onePlant(t)
		defer store.Close()
		idle(t, newBroker(), store, archive.Metrics{
			Written: func(rows int, _, _ time.Duration) { t.Errorf("wrote %d rows", rows) },
		})
	})
}

// A source that begins anew moves before it has brought a record, so it is not known yet how old that is.
func TestAnEmptyNewLogIsNotBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, store := onePlant(t)
		defer store.Close()
		archiveOf(t, p, store)
		written := 0
		idle(t, newBroker(), store, archive.Metrics{
			Written: func(_ int, _, behind time.Duration) {
				written++
				if behind != 0 {
					t.Errorf("got %v behind, want 0", behind)
				}
			},
		})
		if written != 1 {
			t.Errorf("got %d writes, want one that moves the offset", written)
		}
	})
}

// Windows that were too many for one write are recomputed although no more records arrive.
func TestLeftOverWindowsAreRecomputedWithoutAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, store := onePlant(t)
		defer store.Close()
		counting := &countingStore{Store: store}
		idle(t, newBroker(), counting, archive.Metrics{})
		if counting.count.Load() == 0 {
			t.Error("got no call of Recompute")
		}
	})
}

type countingStore struct {
	archive.Store
	count atomic.Int64
}

func (s *countingStore) Recompute(ctx context.Context) error {
	s.count.Add(1)
	return s.Store.Recompute(ctx)
}
