package embedded

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// This package reads and repairs files that kfake writes, and kfake does not promise to keep their format. The tests in this file let
// the version in go.mod write every kind of file, and check each byte that this package relies on, without using its code. If a test
// fails after an update of kfake, compare kfake's persist.go with the function that the failure names, and change that function. Logs
// that older versions have written must still be read.

// writtenLog returns the log directory of a broker that has written all kinds of files and was closed, and the names of the files while
// it ran. Partition 0 of readings has several segments, with batches outside of transactions, of a committed transaction, of an aborted
// one, and the markers of both. The last batch is of an open transaction.
func writtenLog(t *testing.T) (logDir string, running []string) {
	t.Helper()
	dir := t.TempDir()
	b := open(t, dir)
	createTopic(t, b, "readings", 1, map[string]string{"segment.bytes": "300"})
	createTopic(t, b, "device-data-dlq", 2, nil)
	plain := dial(t, b)
	transaction := dial(t, b, kgo.TransactionalID(uuid.NewString()))
	reading := func() *kgo.Record { return &kgo.Record{Topic: "readings", Key: []byte("key"), Value: []byte("value")} }
	for _, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		produce(t, plain, reading(), reading())
		if err := transaction.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		produce(t, transaction, reading())
		if err := transaction.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
	if err := transaction.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	produce(t, transaction, reading())
	produce(t, plain, &kgo.Record{Topic: "device-data-dlq", Partition: 1, Value: []byte("rejected")})
	commit(t, plain, 3)
	running = namesIn(t, filepath.Join(dir, "log"))
	transaction.Close()
	plain.Close()
	shut(t, b)
	return filepath.Join(dir, "log"), running
}

func commit(t *testing.T, client *kgo.Client, offset int64) {
	t.Helper()
	offsets := make(kadm.Offsets)
	offsets.Add(kadm.Offset{Topic: "readings", Partition: 0, At: offset, LeaderEpoch: -1, Metadata: "checkpoint"})
	if err := kadm.NewClient(client).CommitAllOffsets(t.Context(), "group", offsets); err != nil {
		t.Fatal(err)
	}
}

// namesIn returns the paths of all files below a directory, relative to it.
func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// Repair, compaction and the limit of batches find files by their names. Tests simulate a kill by removing the files that a clean end
// adds: if these had other names, those tests would pass without testing anything.
func TestKfakeNamesItsFilesAsExpected(t *testing.T) {
	logDir, running := writtenLog(t)
	for _, name := range []string{
		"groups.log", "pids.log", "topics.json",
		"partitions/device-data-dlq-1/0.dat", "partitions/device-data-dlq-1/0.idx", "partitions/readings-0/0.dat", "partitions/readings-0/0.idx",
	} {
		if !slices.Contains(running, name) {
			t.Errorf("while it runs: no %s among %q (repair, cleaner.survey, Broker.segments)", name, running)
		}
	}
	closed := namesIn(t, logDir)
	for _, name := range running {
		if !slices.Contains(closed, name) {
			t.Errorf("after its end: %s is gone", name)
		}
	}
	for _, name := range []string{"session_state.json", "partitions/readings-0/snapshot.json"} {
		if slices.Contains(running, name) || !slices.Contains(closed, name) {
			t.Errorf("%s: want it after a clean end and only then (simulateKill in repair_test.go)", name)
		}
	}
	for _, name := range closed {
		dir, file := filepath.Split(name)
		if strings.HasPrefix(dir, "partitions/") && !strings.HasSuffix(file, ".dat") && !strings.HasSuffix(file, ".idx") && file != "snapshot.json" {
			t.Errorf("%s: want only segments, indexes and a snapshot there (rebuildIndex, partitionSegments)", name)
		}
	}
}

// An entry of groups.log and pids.log is its length, a checksum, a version and JSON. truncateTorn relies on it, and would remove all
// entries of another format.
func TestKfakeFramesTheEntriesOfItsLogsAsExpected(t *testing.T) {
	logDir, _ := writtenLog(t)
	for name, want := range map[string]string{"groups.log": "checkpoint", "pids.log": `"pid"`} {
		raw, err := os.ReadFile(filepath.Join(logDir, name))
		if err != nil {
			t.Fatal(err)
		}
		entries := 0
		for rest := raw; len(rest) > 0; entries++ {
			if len(rest) < 10 {
				t.Fatalf("%s: %d bytes are left after %d entries, too few for one (truncateTorn)", name, len(rest), entries)
			}
			length, sum := binary.LittleEndian.Uint32(rest), binary.LittleEndian.Uint32(rest[4:])
			if int(length) > len(rest)-8 {
				t.Fatalf("%s: entry %d says it has %d bytes of the %d that are left (truncateTorn)", name, entries, length, len(rest)-8)
			}
			entry := rest[8 : 8+length]
			if got := crc32.Checksum(entry, crc32.MakeTable(crc32.Castagnoli)); got != sum {
				t.Errorf("%s: the checksum of entry %d is %x, want %x (truncateTorn)", name, entries, sum, got)
			}
			if version := binary.LittleEndian.Uint16(entry); version != 1 {
				t.Errorf("%s: entry %d has version %d, want 1: see whether an older iotmon must still read it", name, entries, version)
			}
			if !json.Valid(entry[2:]) {
				t.Errorf("%s: entry %d is not JSON: %q", name, entries, entry[2:])
			}
			rest = rest[8+length:]
		}
		if entries == 0 || !bytes.Contains(raw, []byte(want)) {
			t.Errorf("%s: got %d entries, none with %s", name, entries, want)
		}
	}
}

// A segment is named after its first offset and is nothing but batches in Kafka's format; its index has 15 bytes for each.
// rebuildIndex writes such an index, and partitionSegments counts batches by its size.
func TestKfakeLaysSegmentsAndIndexesOutAsExpected(t *testing.T) {
	logDir, _ := writtenLog(t)
	dir := filepath.Join(logDir, "partitions", "readings-0")
	var segments []int64
	for _, name := range namesIn(t, dir) {
		var base int64
		if n, err := fmt.Sscanf(name, "%d.dat", &base); n == 1 && err == nil && name == fmt.Sprint(base, ".dat") {
			segments = append(segments, base)
		}
	}
	slices.Sort(segments)
	if len(segments) < 2 {
		t.Fatalf("got segments %v, want several", segments)
	}
	next, flags := int64(0), ""
	for _, base := range segments {
		if base != next {
			t.Errorf("segment %d: want it named after its first offset, %d (lastSegment, partitionSegments)", base, next)
		}
		segment, err := os.ReadFile(filepath.Join(dir, fmt.Sprint(base, ".dat")))
		if err != nil {
			t.Fatal(err)
		}
		index, err := os.ReadFile(filepath.Join(dir, fmt.Sprint(base, ".idx")))
		if err != nil {
			t.Fatal(err)
		}
		batches := 0
		for ; len(segment) > 0; batches++ {
			batch := firstBatch(t, segment)
			if batch.FirstOffset != next {
				t.Errorf("segment %d: batch %d begins at %d, want %d", base, batches, batch.FirstOffset, next)
			}
			if len(index) < 15 {
				t.Fatalf("segment %d: no entry of 15 bytes for batch %d (indexEntry)", base, batches)
			}
			flags += checkEntry(t, index[:15], segment, batch)
			next += int64(batch.LastOffsetDelta) + 1
			segment, index = segment[12+batch.Length:], index[15:]
		}
		if len(index) > 0 {
			t.Errorf("segment %d: %d more bytes in the index than for %d batches (indexEntry)", base, len(index), batches)
		}
	}
	// Twice: outside of a transaction, in a transaction, its marker. Then in a transaction.
	if want := "0100101"; flags != want {
		t.Errorf("batches that belong to transactions: got %s, want %s (appendEntry)", flags, want)
	}
}

// firstBatch decodes the first batch of a segment, and checks the fields that indexOf and appendEntry read.
func firstBatch(t *testing.T, segment []byte) *kmsg.RecordBatch {
	t.Helper()
	length := int32(binary.BigEndian.Uint32(segment[8:]))
	if int(length)+12 > len(segment) {
		t.Fatalf("a batch says it has %d bytes of the %d that are left (indexOf)", length+12, len(segment))
	}
	batch := new(kmsg.RecordBatch)
	if err := batch.ReadFrom(segment[:12+length]); err != nil {
		t.Fatalf("no batch in Kafka's format: %v", err)
	}
	if batch.Magic != 2 {
		t.Errorf("got a batch of format %d, want 2", batch.Magic)
	}
	got := []int64{int64(binary.BigEndian.Uint32(segment[12:])), int64(binary.BigEndian.Uint16(segment[21:])), int64(binary.BigEndian.Uint64(segment[35:]))}
	if want := []int64{int64(batch.PartitionLeaderEpoch), int64(batch.Attributes), batch.MaxTimestamp}; !slices.Equal(got, want) {
		t.Errorf("epoch, attributes and newest timestamp: got %v, want %v (appendEntry)", got, want)
	}
	return batch
}

// checkEntry compares the entry of an index with its batch, and returns its flag.
func checkEntry(t *testing.T, entry, segment []byte, batch *kmsg.RecordBatch) string {
	t.Helper()
	if entry[0] != 1 {
		t.Errorf("an entry has version %d, want 1: see whether an older iotmon must still read it (appendEntry)", entry[0])
	}
	if sum := byte(crc32.Checksum(entry[2:], crc32.MakeTable(crc32.Castagnoli))); entry[1] != sum {
		t.Errorf("the checksum of an entry is %x, want %x (appendEntry, sameIndex)", entry[1], sum)
	}
	if epoch := int32(binary.LittleEndian.Uint32(entry[2:])); epoch != batch.PartitionLeaderEpoch {
		t.Errorf("the epoch of an entry is %d, want %d (appendEntry, sameIndex)", epoch, batch.PartitionLeaderEpoch)
	}
	if own := indexOf(segment[:12+batch.Length]); !sameIndex(entry, own) {
		t.Errorf("an entry is %v, and rebuildIndex would write %v", entry, own)
	}
	return fmt.Sprint(entry[14])
}

// A snapshot links files whose first bytes are read later, so kfake must only append to a file, or replace it.
func TestKfakeChangesNoFileButAtItsEnd(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	createTopic(t, b, "readings", 1, map[string]string{"segment.bytes": "300", "retention.bytes": "600"})
	client := dial(t, b, kgo.TransactionalID(uuid.NewString()))
	use := func(from int) {
		t.Helper()
		for i := range 10 {
			if err := client.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			produce(t, client, &kgo.Record{Topic: "readings", Value: fmt.Appendf(nil, "%d", from+i)})
			if err := client.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
				t.Fatal(err)
			}
			commit(t, client, int64(from+i))
		}
	}
	use(0)
	files, err := b.Snapshot(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	held := make(map[string][]byte)
	for _, file := range files {
		if held[file.Name], err = os.ReadFile(file.Path); err != nil {
			t.Fatal(err)
		}
	}
	use(10)
	createTopic(t, b, "another", 1, nil)
	b.maintain(t.Context())
	client.Close()
	shut(t, b)
	shut(t, open(t, dir))
	for _, file := range files {
		now, err := os.ReadFile(file.Path)
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(now)) < file.Size || !bytes.Equal(now[:file.Size], held[file.Name]) {
			t.Errorf("%s was changed, not only at its end, after a snapshot had linked it (linkLog)", file.Name)
		}
	}
}

// A kill may leave a temporary file that was to replace an index or another file.
func TestKfakeIgnoresTemporaryFiles(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	createTopic(t, b, "readings", 1, nil)
	produce(t, dial(t, b), &kgo.Record{Topic: "readings", Value: []byte("one")})
	shut(t, b)
	simulateKill(t, dir)
	for _, name := range []string{"groups.log.tmp", "partitions/readings-0/0.idx.tmp"} {
		if err := os.WriteFile(filepath.Join(dir, "log", name), []byte("half of what was to be written"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := values(t, open(t, dir), "readings"); !slices.Equal(got, []string{"one"}) {
		t.Errorf("got %q, want what was there", got)
	}
}
