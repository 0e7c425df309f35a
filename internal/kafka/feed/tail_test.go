package feed

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/view"
	"iotmon/internal/wire"
)

func TestMain(m *testing.M) { kafkatest.Main(m) }

// cluster is the embedded broker with helpers to read it.
type cluster struct{ *kafkatest.Cluster }

func startCluster(t testing.TB) *cluster {
	t.Helper()
	return &cluster{kafkatest.StartCluster(t)}
}

// tail runs a Tail until the test ends. It returns the batches that Sink gets, and the count of undecodable records.
func (c *cluster) tail() (*Tail, <-chan view.Batch, *atomic.Int64) {
	c.T.Helper()
	return c.tailWith(TailOptions{})
}

// tailWith is tail with some options set.
func (c *cluster) tailWith(options TailOptions) (*Tail, <-chan view.Batch, *atomic.Int64) {
	c.T.Helper()
	batches := make(chan view.Batch, 100)
	undecodable := new(atomic.Int64)
	options.Dial, options.Topics, options.Logger = c.Dial, c.Topics, slog.New(slog.NewTextHandler(c.T.Output(), nil))
	options.Sink = func(b view.Batch) {
		batches <- view.Batch{
			States: slices.Clone(b.States), Forgotten: slices.Clone(b.Forgotten), Summaries: slices.Clone(b.Summaries),
			Past: slices.Clone(b.Past), Alerts: slices.Clone(b.Alerts),
		}
	}
	options.Undecodable = func(string) { undecodable.Add(1) }
	tail := NewTail(options)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tail.Run(ctx) }()
	c.T.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			c.T.Error(err)
		}
	})
	return tail, batches, undecodable
}

func awaitCaughtUp(t *testing.T, tail *Tail) {
	t.Helper()
	select {
	case <-tail.CaughtUp():
	case <-time.After(10 * time.Second):
		t.Fatal("not caught up after 10 s")
	}
}

// drain returns the batches so far, as one.
func drain(batches <-chan view.Batch) view.Batch {
	var all view.Batch
	for {
		select {
		case b := <-batches:
			all.States = append(all.States, b.States...)
			all.Forgotten = append(all.Forgotten, b.Forgotten...)
			all.Summaries = append(all.Summaries, b.Summaries...)
			all.Past = append(all.Past, b.Past...)
			all.Alerts = append(all.Alerts, b.Alerts...)
		default:
			return all
		}
	}
}

// await returns the next batch.
func await(t *testing.T, batches <-chan view.Batch) view.Batch {
	t.Helper()
	select {
	case b := <-batches:
		return b
	case <-time.After(15 * time.Second):
		t.Fatal("no batch within 15 s")
		return view.Batch{}
	}
}

func (c *cluster) summary(count int64, appended time.Time) *kgo.Record {
	s := iot.WindowSummary{Type: iot.Temperature, Window: iot.WindowOf(appended, 30*time.Second), Summary: iot.Summary{Count: count}}
	return &kgo.Record{Topic: c.Topics.Aggregates, Key: []byte(s.Type), Value: wire.AppendWindowSummary(nil, &s), Timestamp: appended}
}

// Of many versions of a window only the one with the highest position is decoded. An older one may come later in the log: a processor
// that had lost its partition and did not know it yet has written it.
func TestTailSkipsOutdatedSummaries(t *testing.T) {
	c := startCluster(t)
	client := c.Client()
	now := time.Now()
	var records []*kgo.Record
	for _, version := range []iot.WindowSummary{
		{Position: iot.Position{Offset: 5}}, {Position: iot.Position{Offset: 9}}, {Position: iot.Position{Offset: 9}, Final: true},
		{Position: iot.Position{Offset: 7}}, {Position: iot.Position{Partition: 1, Offset: 3}}, {Position: iot.Position{Offset: 9}, Final: true, Late: true},
	} {
		version.Type, version.Window = iot.Temperature, iot.WindowOf(now, 30*time.Second)
		records = append(records, &kgo.Record{Topic: c.Topics.Aggregates, Value: wire.AppendWindowSummary(nil, &version)})
	}
	c.Produce(client, records...)
	tail, batches, _ := c.tail()
	awaitCaughtUp(t, tail)
	var got []string
	for _, s := range await(t, batches).Summaries {
		got = append(got, fmt.Sprint(s.Partition, s.Offset, s.Final, s.Late))
	}
	if want := []string{"0 9 true false", "1 3 false false", "0 9 true true"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// At the start, of the states of a device that are not compacted yet, only the one with the highest position is delivered.
func TestTailSkipsOutdatedStates(t *testing.T) {
	c := startCluster(t)
	client := c.Client()
	var records []*kgo.Record
	for _, offset := range []int64{3, 9, 7, 9, 5} {
		for _, id := range []iot.DeviceID{"a", "b"} {
			s := iot.DeviceState{Status: iot.Online, Position: iot.Position{Offset: offset}}
			s.Latest = kafkatest.Reading(1, time.Now(), float64(len(records)))
			s.Latest.ID = id
			records = append(records, &kgo.Record{Topic: c.Topics.States, Key: []byte(id), Value: wire.AppendDeviceState(nil, &s)})
		}
	}
	c.Produce(client, records...)
	tail, batches, _ := c.tail()
	awaitCaughtUp(t, tail)
	var got []string
	for _, s := range await(t, batches).States {
		got = append(got, fmt.Sprintf("%s %d %v", s.Latest.ID, s.Offset, s.Latest.Value))
	}
	if want := []string{"a 9 2", "b 9 3"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTailDeliversAllStatesAndTheRecentHistory(t *testing.T) {
	c := startCluster(t)
	client := c.Client()
	for device := range 10 {
		c.Produce(client, c.State(device, 1), c.State(device, 2))
	}
	c.Produce(client, &kgo.Record{Topic: c.Topics.States, Key: []byte("\x00mark")})
	c.Produce(client, &kgo.Record{Topic: c.Topics.States, Key: []byte("x"), Value: []byte("no state")})
	c.Produce(client, c.summary(1, time.Now().Add(-2*time.Hour)))
	c.Produce(client, c.summary(2, time.Now().Add(-time.Hour)))

	tail, batches, undecodable := c.tail()
	awaitCaughtUp(t, tail)
	got := drain(batches)
	latest := make(map[iot.DeviceID]float64)
	for _, s := range got.States {
		latest[s.Latest.ID] = s.Latest.Value
	}
	for device := range 10 {
		if id := kafkatest.Reading(device, time.Time{}, 0).ID; latest[id] != 2 {
			t.Errorf("state of %s: got %v, want 2", id, latest[id])
		}
	}
	summaries := got.Summaries
	for len(summaries) == 0 {
		summaries = await(t, batches).Summaries
	}
	if summaries[0].Count != 2 {
		t.Errorf("first summary: got that of two hours ago, want that of an hour ago")
	}
	if undecodable.Load() != 1 {
		t.Errorf("undecodable: got %d, want 1", undecodable.Load())
	}
	alert := iot.Alert{ID: "a", DeviceID: "device_001", Transition: iot.Raised}
	c.Produce(client, &kgo.Record{Topic: c.Topics.Alerts, Value: wire.AppendAlert(nil, &alert)})
	if b := await(t, batches); len(b.Alerts) != 1 || b.Alerts[0].ID != "a" {
		t.Errorf("after a new alert: got %+v", b)
	}
}

func TestTailCatchesUpWithEmptyTopicsAndWithAMarkerAtTheEnd(t *testing.T) {
	c := startCluster(t)
	tail, _, _ := c.tail()
	awaitCaughtUp(t, tail)

	transaction := c.Client(kgo.TransactionalID(uuid.NewString()))
	if err := transaction.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	c.Produce(transaction, c.State(1, 1))
	if err := transaction.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	second, batches, _ := c.tail()
	awaitCaughtUp(t, second)
	if took := time.Since(started); took >= tailQuiet {
		t.Errorf("caught up only after tailQuiet: %v", took)
	}
	if got := drain(batches); len(got.States) != 1 {
		t.Errorf("states: got %d, want 1", len(got.States))
	}
}

func TestTailDoesNotWaitForTransactions(t *testing.T) {
	c := startCluster(t)
	tail, batches, _ := c.tail()
	awaitCaughtUp(t, tail)
	transaction := c.Client(kgo.TransactionalID(uuid.NewString()))
	if err := transaction.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	c.Produce(transaction, c.State(1, 7))
	if b := await(t, batches); len(b.States) != 1 || b.States[0].Latest.Value != 7 {
		t.Errorf("state of an open transaction: got %+v", b)
	}
	if err := transaction.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
}

func TestTailGoesOnAfterARestartOfTheBroker(t *testing.T) {
	c := startCluster(t)
	tail, batches, _ := c.tail()
	awaitCaughtUp(t, tail)
	port := c.Port()
	for i := range 2 {
		c.Close()
		c.Open(port)
		c.Produce(c.Client(), c.State(i, float64(i)))
		if b := await(t, batches); len(b.States) != 1 || b.States[0].Latest.Value != float64(i) {
			t.Errorf("after restart %d: got %+v", i+1, b)
		}
	}
}

func TestTailStartsBeforeTheBroker(t *testing.T) {
	c := startCluster(t)
	port := c.Port()
	c.Produce(c.Client(), c.State(1, 1))
	c.Close()
	tail, batches, _ := c.tail()
	c.Open(port)
	awaitCaughtUp(t, tail)
	if got := drain(batches); len(got.States) != 1 {
		t.Errorf("states: got %d, want 1", len(got.States))
	}
}

func TestTailDeliversEachRecordOnce(t *testing.T) {
	c := startCluster(t)
	client := c.Client()
	for device := range 50 {
		c.Produce(client, c.State(device, 1))
	}
	tail, batches, _ := c.tail()
	awaitCaughtUp(t, tail)
	seen := make(map[string]int)
	for _, s := range drain(batches).States {
		seen[fmt.Sprint(s.Latest.ID)]++
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s: delivered %d times", id, n)
		}
	}
}

func TestTailLeavesOutStatesThatTheLocalProcessorDelivers(t *testing.T) {
	c := startCluster(t)
	producer := c.Client()
	c.Produce(producer, c.State(1, 20))
	tail, batches, _ := c.tailWith(TailOptions{LocalProcessor: true})
	awaitCaughtUp(t, tail)
	if got := await(t, batches); len(got.States) != 1 {
		t.Fatalf("at the start: got %+v, want the state that was there", got)
	}
	raised := c.State(2, 30)
	state, err := wire.DecodeDeviceState(raised.Value)
	if err != nil {
		t.Fatal(err)
	}
	state.Alerts = []iot.AlertState{{Rule: "temperature_high", Onset: state.Latest.Time}}
	raised.Value = wire.AppendDeviceState(nil, &state)
	c.Produce(producer, c.State(6, 21), raised, c.Tombstone(2, 31)) // All in one partition.
	for {
		got := await(t, batches)
		if len(got.States) > 0 {
			t.Errorf("got %+v, want no state", got.States)
		}
		if len(got.Forgotten) > 0 {
			return
		}
	}
}

func TestADeletedDeviceIsGoneFromTheLiveView(t *testing.T) {
	c := startCluster(t)
	want, _ := c.Deletions()
	tail, batches, _ := c.tail()
	awaitCaughtUp(t, tail)
	if got := positionsIn(drain(batches)); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// positionsIn returns the position of each device after the states and tombstones of a batch, as the live view must apply them.
func positionsIn(batch view.Batch) map[iot.DeviceID]int64 {
	got := make(map[iot.DeviceID]int64)
	gone := make(map[iot.DeviceID]int64)
	for _, f := range batch.Forgotten {
		gone[f.ID] = max(gone[f.ID], f.Offset)
	}
	for i := range batch.States {
		if s := &batch.States[i]; s.Offset > gone[s.Latest.ID] {
			got[s.Latest.ID] = max(got[s.Latest.ID], s.Offset)
		}
	}
	return got
}
