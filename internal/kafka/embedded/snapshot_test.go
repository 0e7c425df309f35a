package embedded

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// copyFiles copies a snapshot to a new directory for a broker, as a backup does.
func copyFiles(t *testing.T, files []File) string {
	t.Helper()
	dir := t.TempDir()
	for _, file := range files {
		from, err := os.Open(file.Path)
		if err != nil {
			t.Fatal(err)
		}
		target := filepath.Join(dir, filepath.FromSlash(file.Name))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		to, err := os.Create(target)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(to, from, file.Size); err != nil {
			t.Fatalf("%s: %v", file.Name, err)
		}
		if err := errors.Join(from.Close(), to.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A snapshot of a broker that is being written to has all transactions that were committed before, and all partitions as they were at
// one moment.
func TestSnapshotsHoldOneMoment(t *testing.T) {
	b := open(t, t.TempDir())
	createTopic(t, b, "one", 1, nil)
	createTopic(t, b, "other", 1, nil)
	writer := dial(t, b, kgo.TransactionalID("writer"))
	var running sync.WaitGroup
	quit := make(chan struct{})
	var mu sync.Mutex
	committed := 0
	running.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-quit:
				return
			default:
			}
			if err := writer.BeginTransaction(); err != nil {
				t.Error(err)
				return
			}
			value := []byte(fmt.Sprint(i))
			produced := writer.ProduceSync(t.Context(), &kgo.Record{Topic: "one", Value: value}, &kgo.Record{Topic: "other", Value: value})
			if err := errors.Join(produced.FirstErr(), writer.EndTransaction(t.Context(), kgo.TryCommit)); err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			committed = i + 1
			mu.Unlock()
		}
	})
	for range 10 {
		mu.Lock()
		before := committed
		mu.Unlock()
		into := t.TempDir()
		files, err := b.Snapshot(t.Context(), into)
		if err != nil {
			t.Fatal(err)
		}
		again := open(t, copyFiles(t, files))
		one := values(t, again, "one", kgo.FetchIsolationLevel(kgo.ReadCommitted()))
		other := values(t, again, "other", kgo.FetchIsolationLevel(kgo.ReadCommitted()))
		// The last transaction may be whole in one partition only, as after a kill -9: its markers come one after the other.
		if len(one) < before || len(other) < before || max(len(one), len(other)) > min(len(one), len(other))+1 {
			t.Errorf("got %d and %d records, want the %d that were committed before, and the same of both", len(one), len(other), before)
		}
		for i, value := range one {
			if value != fmt.Sprint(i) {
				t.Fatalf("record %d is %s", i, value)
			}
		}
		shut(t, again)
	}
	close(quit)
	running.Wait()
}

func TestSnapshotOfAStoppedBroker(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	createTopic(t, b, "readings", 1, nil)
	produce(t, dial(t, b), &kgo.Record{Topic: "readings", Value: []byte("one")})
	if _, _, err := SnapshotStopped(dir, t.TempDir()); !errors.Is(err, ErrInUse) {
		t.Errorf("while it runs: got %v, want %v", err, ErrInUse)
	}
	shut(t, b)
	files, release, err := SnapshotStopped(dir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Dir: dir}); !errors.Is(err, ErrInUse) {
		t.Errorf("a start meanwhile: got %v, want %v", err, ErrInUse)
	}
	if got := values(t, open(t, copyFiles(t, files)), "readings"); len(got) != 1 || got[0] != "one" {
		t.Errorf("got %v", got)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}
