package embedded

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

var compacted = map[string]string{"cleanup.policy": "compact", "segment.bytes": "20000"}

// stepUntil runs steps of the cleaner until so returns true. It fails the test with what after 100 steps.
func stepUntil(t *testing.T, b *Broker, what string, so func() bool) {
	t.Helper()
	b.cleaner.minSize = 0
	for range 100 {
		b.cleaner.step(t.Context())
		if so() {
			b.cleaner.minSize = compactMinSize
			return
		}
	}
	t.Fatalf("not %s after 100 steps", what)
}

// compact runs one whole pass of compaction, whatever the size of the topics.
func compact(t *testing.T, b *Broker) {
	t.Helper()
	b.cleaner.lastSize = 0
	stepUntil(t, b, "begun", func() bool { return b.cleaner.cuts != nil })
	stepUntil(t, b, "ended", func() bool { return b.cleaner.cuts == nil })
}

// latest reads the last committed value of every key.
func latest(t *testing.T, b *Broker) map[string]string {
	t.Helper()
	end := &kgo.Record{Topic: "states", Key: []byte("end"), Value: []byte("end")}
	produce(t, dial(t, b), end)
	got := make(map[string]string)
	for _, r := range recordsUntil(t, b, end, kgo.FetchIsolationLevel(kgo.ReadCommitted())) {
		if r.Value != nil && string(r.Key) != "end" {
			got[string(r.Key)] = string(r.Value)
		}
	}
	return got
}

func state(key string, value int) *kgo.Record {
	return &kgo.Record{Topic: "states", Key: []byte(key), Value: fmt.Appendf(nil, "%s at %d", key, value)}
}

func TestCompactionKeepsTheLastRecordOfEachKey(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	createTopic(t, b, "states", 1, compacted)
	createTopic(t, b, "readings", 1, nil)
	client := dial(t, b)
	produce(t, client, &kgo.Record{Topic: "readings", Key: []byte("k"), Value: []byte("not compacted")})
	want := map[string]string{"silent": "silent at 0"}
	produce(t, client, state("silent", 0), state("deleted", 0), &kgo.Record{Topic: "states", Key: []byte("deleted")})
	for i := range 2_000 {
		key := fmt.Sprint("device ", i%10)
		produce(t, client, state(key, i))
		want[key] = fmt.Sprintf("%s at %d", key, i)
	}
	before := b.cluster.PartitionInfo("states", 0)
	compact(t, b)
	compact(t, b)
	after := b.cluster.PartitionInfo("states", 0)
	if after.NumBytes > before.NumBytes/10 {
		t.Errorf("bytes: got %d after and %d before", after.NumBytes, before.NumBytes)
	}
	if got := latest(t, b); !maps.Equal(got, want) {
		t.Errorf("states: got %v, want %v", got, want)
	}
	if info := b.cluster.PartitionInfo("readings", 0); info.LogStartOffset != 0 || info.HighWatermark != 1 {
		t.Errorf("topic that is not compacted: got %d to %d", info.LogStartOffset, info.HighWatermark)
	}
	client.Close()
	shut(t, b)
	if got := latest(t, open(t, dir)); !maps.Equal(got, want) {
		t.Errorf("states after a restart: got %v, want %v", got, want)
	}
}

// A restart reads all that is not compacted, so there must not be much more of it than the current records take in the log, however well they
// are compressed there.
func TestCompactionBeginsBeforeALogOfCompressedRecordsIsLong(t *testing.T) {
	b := open(t, t.TempDir())
	createTopic(t, b, "states", 1, compacted)
	client := dial(t, b)
	write := func() {
		var all []*kgo.Record
		for i := range 100 {
			all = append(all, &kgo.Record{Topic: "states", Key: fmt.Append(nil, i), Value: bytes.Repeat([]byte("compressible "), 80)})
		}
		produce(t, client, all...)
	}
	write()
	compact(t, b)
	compact(t, b) // The log has the current records now, once.
	current, _ := b.cleaner.survey()
	b.cleaner.minSize = 0
	times := 0
	for ; b.cleaner.cuts == nil && times < 5*compactFactor; times++ {
		write()
		b.cleaner.step(t.Context())
	}
	if size, _ := b.cleaner.survey(); b.cleaner.cuts == nil || size > 2*compactFactor*current {
		t.Errorf("after %d changes of all records the log has %d bytes, of which %d are current; want that a pass has begun", times, size, current)
	}
}

func TestCompactionIgnoresAbortedRecords(t *testing.T) {
	b := open(t, t.TempDir())
	createTopic(t, b, "states", 1, compacted)
	produce(t, dial(t, b), state("device", 1))
	transaction := dial(t, b, kgo.TransactionalID(uuid.NewString()))
	if err := transaction.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	produce(t, transaction, state("device", 2))
	if err := transaction.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	compact(t, b)
	if got := latest(t, b)["device"]; got != "device at 1" {
		t.Errorf("state: got %q, want the committed one", got)
	}
}

// A reader that reads to the end of the log as it was when the reader began would miss the moved records. So nothing is deleted while
// somebody reads before the cut.
func TestCompactionDeletesNothingThatIsBeingRead(t *testing.T) {
	b := open(t, t.TempDir())
	createTopic(t, b, "states", 1, compacted)
	produce(t, dial(t, b), state("device", 1), state("other", 1))
	stepUntil(t, b, "moved", func() bool { return b.cleaner.readers != nil })

	asks := func(offset int64) {
		t.Helper()
		reader := dial(t, b, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"states": {0: kgo.NewOffset().At(offset)}}))
		defer reader.Close()
		if fetches := reader.PollFetches(t.Context()); fetches.Err() != nil || fetches.NumRecords() == 0 {
			t.Fatalf("read from %d: got %d records, %v", offset, fetches.NumRecords(), fetches.Err())
		}
	}
	for range 3 * stepsToTrim {
		asks(1)
		b.cleaner.step(t.Context())
		if b.cleaner.cuts == nil {
			t.Fatal("records were deleted while a client read them")
		}
	}
	cut, _ := b.cleaner.cuts.Lookup("states", 0)
	for range stepsToTrim + 1 {
		asks(cut.At) // A reader behind the cut does not count.
		b.cleaner.step(t.Context())
	}
	if info := b.cluster.PartitionInfo("states", 0); b.cleaner.cuts != nil || info.LogStartOffset != cut.At {
		t.Errorf("start of the log when nobody reads before the cut: got %d, want %d", info.LogStartOffset, cut.At)
	}
}

// A transaction that is open when the current records are to be moved may still write a newer record for one of their keys. The moved
// record must not follow the newer one.
func TestCompactionWaitsForOpenTransactionsAndHoldsNewOnesBack(t *testing.T) {
	b := open(t, t.TempDir())
	createTopic(t, b, "states", 1, compacted)
	produce(t, dial(t, b), state("device", 1), state("other", 1))
	_, b.cleaner.cuts = b.cleaner.survey()

	first := dial(t, b, kgo.TransactionalID(uuid.NewString()))
	if err := first.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	m, err := newMover(b.connect(), b.cleaner.cuts)
	if err != nil {
		t.Fatal(err)
	}
	defer m.client.Close()
	produce(t, first, state("device", 2))
	topics := b.cleaner.cuts.TopicsSet()
	b.cleaner.gate.Store(&topics)
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := m.awaitNoTransactions(short, topics); err == nil {
		t.Error("did not wait for the open transaction")
	}

	// The open one may go on and end; a new one may not begin.
	produce(t, first, state("device", 3))
	if err := first.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	second := dial(t, b, kgo.TransactionalID(uuid.NewString()))
	if err := second.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	second.Produce(t.Context(), state("device", 4), func(_ *kgo.Record, err error) { written <- err })
	if err := m.awaitNoTransactions(t.Context(), topics); err != nil {
		t.Fatal(err)
	}
	if err := m.readToEnd(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(m.current) != 1 {
		t.Errorf("current records before the cut: got %d, want only that of the other device", len(m.current))
	}
	select {
	case err := <-written:
		t.Fatalf("a transaction began while the gate was closed (%v)", err)
	default:
	}
	// What is under way when time is up must not come to the log later: the gate is open then.
	late, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.append(late, movedBytes); err != nil {
		t.Fatal(err)
	}
	b.cleaner.gate.Store(nil)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if err := second.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	if got := latest(t, b); got["device"] != "device at 4" || got["other"] != "other at 1" {
		t.Errorf("states: got %v", got)
	}
}

// However much is current, it is moved in parts, between which transactions begin and end.
func TestCompactionMovesSomeAtATime(t *testing.T) {
	b := open(t, t.TempDir())
	createTopic(t, b, "states", 1, compacted)
	const keys, long = 3000, 5000 // 15 MB.
	value := func(key, version int) []byte {
		return append(fmt.Appendf(nil, "%d at %d ", key, version), bytes.Repeat([]byte("x"), long)...)
	}
	record := func(key, version int) *kgo.Record {
		return &kgo.Record{Topic: "states", Key: fmt.Append(nil, key), Value: value(key, version)}
	}
	var all []*kgo.Record
	for key := range keys {
		all = append(all, record(key, 1))
	}
	produce(t, dial(t, b), all...)
	_, b.cleaner.cuts = b.cleaner.survey()
	moved := make(chan error, 1)
	go func() { moved <- b.cleaner.move(t.Context()) }()
	client := dial(t, b, kgo.TransactionalID(uuid.NewString()))
	versions := make(map[int]int)
	holds := 0
	for version, done := 2, false; !done; version++ {
		closed := b.cleaner.gate.Load() != nil
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		key := version * 7919 % keys
		produce(t, client, record(key, version))
		if err := client.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
		versions[key] = version
		if closed {
			holds++ // The transaction has waited until the gate was open.
		}
		select {
		case err := <-moved:
			if err != nil {
				t.Fatal(err)
			}
			done = true
		case <-time.After(10 * time.Millisecond):
		}
	}
	if holds < 2 {
		t.Errorf("got %d transactions that have waited for a part, want several parts", holds)
	}
	for b.cleaner.cuts != nil {
		b.cleaner.readers, b.cleaner.wait = watchReaders(b.cluster, b.cleaner.cuts), 0
		b.cleaner.step(t.Context())
	}
	got := latest(t, b)
	if len(got) != keys {
		t.Errorf("got %d keys, want %d", len(got), keys)
	}
	for key := range keys {
		if want := string(value(key, max(versions[key], 1))); got[fmt.Sprint(key)] != want {
			t.Errorf("key %d: got %.20s, want %.20s", key, got[fmt.Sprint(key)], want)
		}
	}
}

// Device states and their tombstones have positions. A processor that had lost its partition may have written some in the wrong order.
// Compaction keeps the record with the highest position, as all readers do.
func TestCompactionGoesByPositions(t *testing.T) {
	b := open(t, t.TempDir())
	createTopic(t, b, "states", 1, compacted)
	at := func(offset int64) iot.Position { return iot.Position{Offset: offset} }
	device := func(key string, offset int64) *kgo.Record {
		s := iot.DeviceState{Status: iot.Online, Position: at(offset)}
		s.Latest.ID, s.Latest.Type, s.Latest.Time = iot.DeviceID(key), iot.Temperature, time.UnixMicro(offset).UTC()
		return &kgo.Record{Topic: "states", Key: []byte(key), Value: wire.AppendDeviceState(nil, &s)}
	}
	forgotten := func(key string, offset int64) *kgo.Record {
		header := kgo.RecordHeader{Key: wire.PositionHeader, Value: wire.AppendPosition(nil, at(offset))}
		return &kgo.Record{Topic: "states", Key: []byte(key), Headers: []kgo.RecordHeader{header}}
	}
	byAnother := func(key string) *kgo.Record { return &kgo.Record{Topic: "states", Key: []byte(key)} }
	produce(t, dial(t, b),
		device("deleted", 5), forgotten("deleted", 6),
		device("current", 5), forgotten("current", 4),
		device("out of order", 9), device("out of order", 7),
		device("deleted before an older state", 5), forgotten("deleted before an older state", 8), device("deleted before an older state", 7),
		device("back", 5), forgotten("back", 6), device("back", 7),
		device("deleted by another program and back", 5), byAnother("deleted by another program and back"), device("deleted by another program and back", 4),
		device("deleted by another program", 5), byAnother("deleted by another program"),
	)
	compact(t, b)
	got := make(map[string]int64)
	for key, value := range latest(t, b) {
		position, _ := wire.StatePosition([]byte(value))
		got[key] = position.Offset
	}
	want := map[string]int64{"current": 5, "out of order": 9, "back": 7, "deleted by another program and back": 4}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Behind the cut there may be a newer state, followed by an older one.
func TestCompactionMovesNothingThatIsOutdatedBehindTheCut(t *testing.T) {
	b := open(t, t.TempDir())
	createTopic(t, b, "states", 1, compacted)
	device := func(offset int64) *kgo.Record {
		s := iot.DeviceState{Status: iot.Online, Position: iot.Position{Offset: offset}}
		s.Latest.ID, s.Latest.Type, s.Latest.Time = "device", iot.Temperature, time.UnixMicro(offset).UTC()
		return &kgo.Record{Topic: "states", Key: []byte("device"), Value: wire.AppendDeviceState(nil, &s)}
	}
	client := dial(t, b)
	produce(t, client, device(5), device(7))
	_, cuts := b.cleaner.survey()
	for _, behind := range []struct{ offset, current int64 }{{6, 7}, {9, 0}, {8, 0}} {
		produce(t, client, device(behind.offset))
		m, err := newMover(b.connect(), cuts)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.readToEnd(t.Context()); err != nil {
			t.Fatal(err)
		}
		m.client.Close()
		current := int64(0)
		for _, r := range m.current {
			position, _ := wire.StatePosition(r.Value)
			current = position.Offset
		}
		if current != behind.current {
			t.Errorf("with %d behind the cut: got %d current before it, want %d", behind.offset, current, behind.current)
		}
	}
}
