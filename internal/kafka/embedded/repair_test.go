package embedded

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// simulateKill removes the files that only a clean end writes, so that the directory looks as after a kill.
func simulateKill(t *testing.T, dir string) {
	t.Helper()
	snapshots, err := filepath.Glob(filepath.Join(dir, "log", "partitions", "*", "snapshot.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(snapshots, filepath.Join(dir, "log", "session_state.json")) {
		if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
}

func TestIndexThatLacksTheEndShiftsNothing(t *testing.T) {
	for name, left := range map[string]int64{"a whole entry": indexEntry, "half an entry": 2*indexEntry - 7} {
		t.Run(name, func(t *testing.T) { testShortIndex(t, left) })
	}
}

// testShortIndex cuts the index of two batches, the second of an open transaction, as a kill or a full disk may.
func testShortIndex(t *testing.T, left int64) {
	dir := t.TempDir()
	b := open(t, dir)
	createTopic(t, b, "readings", 1, nil)
	first := dial(t, b)
	produce(t, first, &kgo.Record{Topic: "readings", Value: []byte("one")})
	transaction := dial(t, b, kgo.TransactionalID(uuid.NewString()))
	if err := transaction.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	produce(t, transaction, &kgo.Record{Topic: "readings", Value: []byte("never committed")})
	transaction.Close()
	first.Close()
	shut(t, b)
	simulateKill(t, dir)
	index := filepath.Join(dir, "log", "partitions", "readings-0", "0.idx")
	if err := os.Truncate(index, left); err != nil {
		t.Fatal(err)
	}

	b = open(t, dir)
	second := dial(t, b)
	produce(t, second, &kgo.Record{Topic: "readings", Value: []byte("two")})
	second.Close()
	shut(t, b)
	simulateKill(t, dir)
	b = open(t, dir)
	got := values(t, b, "readings", kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if want := []string{"one", "two"}; !slices.Equal(got, want) {
		t.Errorf("committed records: got %q, want %q", got, want)
	}
}

func TestTornCommitIsCutOff(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	createTopic(t, b, "readings", 1, nil)
	commit := make(kadm.Offsets)
	commit.Add(kadm.Offset{Topic: "readings", Partition: 0, At: 7, LeaderEpoch: -1})
	if err := kadm.NewClient(dial(t, b)).CommitAllOffsets(t.Context(), "group", commit); err != nil {
		t.Fatal(err)
	}
	shut(t, b)
	path := filepath.Join(dir, "log", "groups.log")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, torn := range [][]byte{whole[:5], whole[:20], {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, append(slices.Clone(whole[:12]), whole...)} {
		if err := os.WriteFile(path, append(slices.Clone(whole), torn...), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := repair(filepath.Join(dir, "log")); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || !slices.Equal(got, whole) {
			t.Errorf("log with %d torn bytes: got %d bytes (%v), want the %d whole ones", len(torn), len(got), err, len(whole))
		}
	}
}

func TestRepairDoesNotChangeIntactFiles(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	createTopic(t, b, "readings", 1, nil)
	transaction := dial(t, b, kgo.TransactionalID(uuid.NewString()))
	plain := dial(t, b)
	for range 3 {
		produce(t, plain, &kgo.Record{Topic: "readings", Value: []byte("plain")})
		if err := transaction.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		produce(t, transaction, &kgo.Record{Topic: "readings", Value: []byte("committed")})
		if err := transaction.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
	}
	transaction.Close()
	plain.Close()
	shut(t, b)
	path := filepath.Join(dir, "log", "partitions", "readings-0", "0.idx")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := repair(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(path); err != nil || len(before) != 9*indexEntry || !slices.Equal(after, before) {
		t.Errorf("index: got %v (%v), want it as kfake wrote it, %v", after, err, before)
	}
}
