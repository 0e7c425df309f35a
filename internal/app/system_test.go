package app

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/kafka"
	"iotmon/internal/observe"
)

// answering takes the place of Kafka and the database. It counts the questions, and answers with err if that is set.
type answering struct {
	partitions []kafka.PartitionProgress
	archived   map[int32]archive.Progress
	err        error
	// silent is whether it answers only when the question is given up.
	silent bool
	asked  int
}

func (a *answering) wait(ctx context.Context) error {
	if a.silent {
		<-ctx.Done()
		return ctx.Err()
	}
	return a.err
}

func (a *answering) Partitions(ctx context.Context) ([]kafka.PartitionProgress, error) {
	a.asked++
	return a.partitions, a.wait(ctx)
}

func (a *answering) DeadLetters(ctx context.Context) (int64, int64, error) { return 2, 5, a.wait(ctx) }

func (a *answering) Members(ctx context.Context) ([]kafka.Member, error) {
	return []kafka.Member{{Role: kafka.RoleProcessor, Client: "consumer-1"}}, a.wait(ctx)
}

func (a *answering) Progress(ctx context.Context, _ string) (map[int32]archive.Progress, error) {
	return a.archived, a.wait(ctx)
}

func newSystem(cluster, store *answering) *system {
	return &system{
		name: "web", readiness: observe.NewReadiness(), figures: newFigures(), cluster: cluster, store: store, viewers: 10, now: time.Now,
	}
}

func TestSystemAddsUpWhatKafkaAndTheDatabaseSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := &answering{partitions: []kafka.PartitionProgress{
			{Partition: 0, Start: 10, End: 100, Position: 90}, {Partition: 1, Start: 10, End: 30, Position: -1}, {Partition: 2, Start: 5, End: 50, Position: 40},
		}}
		store := &answering{archived: map[int32]archive.Progress{0: {Next: 60, Appended: time.Now().Add(-11 * time.Minute)}, 2: {Next: 50, Appended: time.Now().Add(-time.Hour)}}}
		s := newSystem(cluster, store)
		s.patience = 10 * time.Minute
		s.stopped = newFindings(s.readiness.Mention("partitions"))
		s.stopped.set(1, "failed too often")
		s.figures.setLag(2, 3)
		s.figures.setLag(0, 4)
		s.figures.release(0) // Another process has it.
		s.figures.connected.Store(7)
		got := s.State(t.Context())
		var lags, archiveLags []int64
		for _, p := range got.Partitions {
			lags, archiveLags = append(lags, p.Lag), append(archiveLags, p.ArchiveLag)
		}
		if want := []int64{10, 20, 3}; !slices.Equal(lags, want) {
			t.Errorf("lags: got %v, want %v", lags, want)
		}
		if want := []int64{40, 20, 0}; !slices.Equal(archiveLags, want) {
			t.Errorf("lags of the archive: got %v, want %v", archiveLags, want)
		}
		if got.Partitions[1].Stopped != "failed too often" || got.Partitions[1].Processed != nil || *got.Partitions[0].Processed != 90 {
			t.Errorf("got %+v", got.Partitions)
		}
		if a := got.Archive; *a.Lag != 60 || *a.Delay != 60 || a.Patience != 600 || a.Problem != "" {
			t.Errorf("archive: got %d, %v s, want 60 records and 60 s", *a.Lag, *a.Delay)
		}
		if part := got.Parts[0]; part.Name != "partitions" || part.Ready || got.Clients.Connected != 7 || got.DeadLetters.End != 5 || len(got.Members) != 1 {
			t.Errorf("got %+v", got)
		}
	})
}

// Everybody who looks asks Kafka together once in a second, and a server that does not answer holds nobody up for longer than a few.
func TestSystemAsksSeldomAndNotForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, store := &answering{}, &answering{}
		s := newSystem(cluster, store)
		for range 50 {
			s.State(t.Context())
		}
		time.Sleep(systemAge)
		s.State(t.Context())
		if cluster.asked != 2 {
			t.Errorf("asked %d times, want twice", cluster.asked)
		}
		time.Sleep(systemAge)
		cluster.silent, store.silent = true, true
		began := time.Now()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		got := s.State(gone)
		if took := time.Since(began); took != systemTimeout || got.LogProblem == "" || got.Archive.Problem == "" || got.Archive.Lag != nil || got.Partitions != nil {
			t.Errorf("without answers: got %+v after %v", got, took)
		}
		cluster.silent, store.silent = false, false
		store.err = errors.New("down")
		time.Sleep(systemAge)
		if got := s.State(t.Context()); got.LogProblem != "" || got.Archive.Problem == "" {
			t.Errorf("without the database: got %+v", got)
		}
		s.store = nil
		time.Sleep(systemAge)
		if got := s.State(t.Context()); got.Archive != nil {
			t.Errorf("without an archive: got %+v", got.Archive)
		}
	})
}

func TestRecentAgesForget(t *testing.T) {
	var ages recentAges
	now := time.Now()
	if got := ages.quantiles(now); got != nil {
		t.Errorf("without samples: got %v", got)
	}
	for range 2 * latencySamples { // Those before are gone.
		ages.add(now, time.Hour)
	}
	for i := range latencySamples {
		ages.add(now.Add(time.Second), time.Duration(i)*time.Millisecond)
	}
	if got, want := *ages.quantiles(now.Add(2 * time.Second)), (api.SystemLatency{Samples: latencySamples, P50: 500, P95: 949, P99: 989}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := ages.quantiles(now.Add(2 * latencyPeriod)); got != nil {
		t.Errorf("after the period: got %v", got)
	}
}
