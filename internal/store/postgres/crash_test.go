package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"iotmon/internal/archive"
	"iotmon/internal/store/postgres"
	"iotmon/internal/store/storetest"
)

// carryOn writes rounds of readings of one partition, as an archiver does: it repeats a failed write, and after an unknown
// outcome reads the offsets. Two of them may write the same partition.
func carryOn(s *postgres.Store, partition int32, rounds int, failed *atomic.Int64) error {
	source := archive.Source{Topic: storetest.Topic, Partition: partition}
	var at archive.Offset
	for int(at.Next) < rounds {
		b := &archive.Batch{Moves: []archive.Move{{Source: source, Old: at, New: archive.Offset{Next: at.Next + 1}, Appended: start.Add(time.Duration(at.Next) * time.Second)}}}
		for device := range 10 {
			seconds := float64(at.Next)
			b.Readings = append(b.Readings, reading(fmt.Sprintf("%d-%d", partition, device), partition, seconds, 1))
			if at.Next%10 == 5 {
				b.Readings = append(b.Readings, reading(fmt.Sprintf("%d-%d", partition, device), partition, seconds-7000, 1))
			}
		}
		err := s.Write(context.Background(), b)
		switch {
		case err == nil:
			at = b.Moves[0].New
		case errors.Is(err, archive.ErrOffsetsMoved):
			offsets, err := s.Offsets(context.Background(), storetest.Topic)
			if err == nil {
				at = offsets[source]
			}
		case !postgres.Transient(err):
			return err
		default:
			failed.Add(1)
			time.Sleep(10 * time.Millisecond)
		}
	}
	return nil
}

// The server crashes again and again while archivers write, two of them to the same partition, and readings are rolled up.
func TestTheServerMayCrashAtAnyMoment(t *testing.T) {
	s := ownServer(t)
	const rounds, crashes = 400, 5
	var failed atomic.Int64
	var writers, pruning sync.WaitGroup
	done := make(chan struct{})
	for i := range 3 {
		store := open(t, s.url("postgres"))
		writers.Go(func() {
			if err := carryOn(store, int32(i/2), rounds, &failed); err != nil {
				t.Error(err)
			}
		})
		pruning.Go(func() {
			for {
				if _, err := store.Prune(context.Background(), archive.Retention{}); err != nil && !postgres.Transient(err) {
					t.Error(err)
				}
				select {
				case <-done:
					return
				case <-time.After(50 * time.Millisecond):
				}
			}
		})
	}
	for crash := range crashes {
		for ask[int64](t, s.url("postgres"), `SELECT coalesce(min(next), 0) FROM offsets`) < int64(crash*rounds/(crashes+1)) {
			time.Sleep(time.Millisecond)
		}
		if err := errors.Join(s.stop("immediate"), s.start()); err != nil {
			t.Fatal(err)
		}
	}
	writers.Wait()
	close(done)
	pruning.Wait()
	if failed.Load() == 0 {
		t.Error("no write met a crash")
	}
	// Ten devices in two partitions send in each round, and in every tenth once more of long ago.
	if got, want := stored(t, s.url("postgres")), int64(2*10*(rounds+rounds/10)); got != want {
		t.Errorf("got %d readings, want %d", got, want)
	}
	store := open(t, s.url("postgres"))
	if _, err := store.Prune(t.Context(), archive.Retention{}); err != nil {
		t.Fatal(err)
	}
	audit(t, s.url("postgres"))
}
