package feed

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/archive"
	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
)

// offsets stands in for the database: resume returns the offsets that a test has stored.
type offsets struct {
	mu       sync.Mutex
	stored   map[archive.Source]int64
	assigned map[archive.Source]archive.Extent
	// fail is the error of the next resume; nil for none.
	fail  error
	calls int
}

func (o *offsets) resume(_ context.Context, assigned []archive.Extent) (map[archive.Source]int64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls++
	if err := o.fail; err != nil {
		o.fail = nil
		return nil, err
	}
	from := make(map[archive.Source]int64)
	for _, extent := range assigned {
		if o.assigned == nil {
			o.assigned = make(map[archive.Source]archive.Extent)
		}
		o.assigned[extent.Source] = extent
		from[extent.Source] = o.stored[extent.Source]
	}
	return from, nil
}

func (c *cluster) archive(o *offsets) archive.Log {
	c.T.Helper()
	log, err := ArchiveLog(ArchiveOptions{Dial: c.Dial, Topics: c.Topics, Group: "test"})(o.resume, func(archive.Source) {})
	if err != nil {
		c.T.Fatal(err)
	}
	c.T.Cleanup(log.Close)
	return log
}

// polled polls the archive's log until there are n records, and returns them without the markers.
func (c *cluster) polled(log archive.Log, n int) []archive.Record {
	c.T.Helper()
	ctx, cancel := context.WithTimeout(c.T.Context(), 20*time.Second)
	defer cancel()
	var records []archive.Record
	for len(records) < n {
		more, err := log.Poll(ctx)
		if err != nil {
			c.T.Fatal(err)
		}
		if ctx.Err() != nil {
			c.T.Fatalf("got %d of %d records in 20 s", len(records), n)
		}
		for _, r := range more {
			if !r.Marker {
				records = append(records, r)
			}
		}
	}
	return records
}

func (c *cluster) plain(topic string, partition int32, value string) *kgo.Record {
	return &kgo.Record{Topic: topic, Partition: partition, Value: []byte(value)}
}

func TestArchiveReadsFromTheOffsetsOfTheDatabase(t *testing.T) {
	c := startCluster(t)
	client := c.Client()
	for i := range 5 {
		c.Produce(client, c.plain(c.Topics.Readings, 1, string(rune('a'+i))))
	}
	c.Produce(client, c.plain(c.Topics.Aggregates, 0, "summary"), c.plain(c.Topics.Alerts, 2, "alert"))
	c.Produce(client,
		&kgo.Record{Topic: c.Topics.Readings, Partition: 1, Headers: kafka.KindHeaders(iot.KindTick, 1)},
		&kgo.Record{Topic: c.Topics.Readings, Partition: 1, Value: []byte("{}"), Headers: kafka.KindHeaders(iot.KindStatus, 1)})
	source := archive.Source{Topic: c.Topics.Readings, Partition: 1}
	stored := &offsets{stored: map[archive.Source]int64{source: 3}, fail: errors.New("the database is down")}

	records := c.polled(c.archive(stored), 6)
	slices.SortFunc(records, func(a, b archive.Record) int { return int(a.Offset - b.Offset) })
	var readings, others []string
	for _, r := range records {
		switch {
		case r.Source != source:
			others = append(others, r.Topic+" "+string(r.Value))
		case r.Kind != iot.KindReading:
			readings = append(readings, r.Kind.String())
		default:
			readings = append(readings, string(r.Value))
		}
	}
	if want := []string{"d", "e", "tick", "status"}; !slices.Equal(readings, want) {
		t.Errorf("readings: got %q, want %q", readings, want)
	}
	slices.Sort(others)
	if want := []string{"aggregates summary", "alerts alert"}; !slices.Equal(others, want) {
		t.Errorf("others: got %q, want %q", others, want)
	}
	if got, want := stored.assigned[source], (archive.Extent{Source: source, Start: 0, Stable: 7, End: 7, Log: stored.assigned[source].Log}); got != want {
		t.Errorf("extent: got %+v, want %+v", got, want)
	}
	if len(stored.assigned) != 2*kafkatest.Partitions+1 {
		t.Errorf("sources: got %d, want %d", len(stored.assigned), 2*kafkatest.Partitions+1)
	}
}

func TestArchiveReadsOnlyCommittedRecords(t *testing.T) {
	c := startCluster(t)
	transaction := c.Client(kgo.TransactionalID(uuid.NewString()))
	for _, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
		if err := transaction.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		value := "aborted"
		if end == kgo.TryCommit {
			value = "committed"
		}
		c.Produce(transaction, c.plain(c.Topics.Alerts, 0, value))
		if err := transaction.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.polled(c.archive(&offsets{}), 1); string(got[0].Value) != "committed" {
		t.Errorf("first record: got %q, want the committed one", got[0].Value)
	}
}

func TestArchivePollEndsWithItsContext(t *testing.T) {
	c := startCluster(t)
	log := c.archive(&offsets{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if records, err := log.Poll(ctx); len(records) != 0 || err != nil {
		t.Errorf("poll of empty topics: got %d records and %v, want neither", len(records), err)
	}
}

// Retention may delete records that the archive has not read yet. The poll fails, so that the archiver opens the log again and its
// Resume finds out what is lost.
func TestArchiveFailsWhenItsOffsetHasLeftTheLog(t *testing.T) {
	c := startCluster(t)
	client := c.Client()
	for range 10 {
		c.Produce(client, c.plain(c.Topics.Readings, 0, "x"))
	}
	gone := make(kadm.Offsets)
	gone.Add(kadm.Offset{Topic: c.Topics.Readings, Partition: 0, At: 8})
	if _, err := kadm.NewClient(client).DeleteRecords(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	source := archive.Source{Topic: c.Topics.Readings, Partition: 0}
	stored := &offsets{stored: map[archive.Source]int64{source: 2}}
	log := c.archive(stored)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		records, err := log.Poll(ctx)
		if err != nil {
			return
		}
		if len(records) > 0 {
			t.Fatalf("got record %d, want an error", records[0].Offset)
		}
	}
	t.Errorf("no error in 10 s, extent %+v", stored.assigned[source])
}

func TestTwoArchiversShareTheSources(t *testing.T) {
	c := startCluster(t)
	first, second := &offsets{}, &offsets{}
	logs := []archive.Log{c.archive(first), c.archive(second)}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for shared := false; !shared; {
		for _, log := range logs {
			short, stop := context.WithTimeout(ctx, 50*time.Millisecond)
			if _, err := log.Poll(short); err != nil {
				t.Fatal(err)
			}
			stop()
		}
		if ctx.Err() != nil {
			t.Fatal("the second archiver got no sources in 20 s")
		}
		second.mu.Lock()
		shared = len(second.assigned) > 0
		second.mu.Unlock()
	}
}

// The newest record of a transaction is followed by its marker. Of an aborted transaction the archive sees only the marker.
func TestArchiveLagIsZeroWhenAllIsRead(t *testing.T) {
	c := startCluster(t)
	transaction := c.Client(kgo.TransactionalID(uuid.NewString()))
	if err := transaction.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	c.Produce(transaction, c.plain(c.Topics.Alerts, 0, "alert"))
	if err := transaction.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	if err := transaction.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	c.Produce(transaction, c.plain(c.Topics.Readings, 1, "aborted"))
	if err := transaction.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	c.Produce(c.Client(), c.plain(c.Topics.Readings, 0, "reading"))
	var mu sync.Mutex
	lag := map[archive.Source]int64{}
	log, err := ArchiveLog(ArchiveOptions{
		Dial: c.Dial, Topics: c.Topics, Group: "test",
		Lag: func(s archive.Source, records int64) {
			mu.Lock()
			defer mu.Unlock()
			lag[s] = records
		},
		Released: func(s archive.Source) {
			mu.Lock()
			defer mu.Unlock()
			delete(lag, s)
		},
	})(new(offsets).resume, func(archive.Source) {})
	if err != nil {
		t.Fatal(err)
	}
	kafkatest.Eventually(t, "all is read and the lag of every source 0", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := log.Poll(ctx); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, behind := range lag {
			if behind != 0 {
				return false
			}
		}
		return len(lag) == 2*kafkatest.Partitions+1
	})
	log.Close()
	if len(lag) != 0 {
		t.Errorf("after closing: got %v, want nothing", lag)
	}
}

// A topic that was deleted and created again has another id, and what can be read of it ends before an open transaction.
func TestExtentHasTheTopicsIDAndWhereReadingEnds(t *testing.T) {
	c := startCluster(t)
	source := archive.Source{Topic: c.Topics.Readings, Partition: 1}
	extent := func() archive.Extent {
		t.Helper()
		o := new(offsets)
		log, err := ArchiveLog(ArchiveOptions{Dial: c.Dial, Topics: c.Topics, Group: uuid.NewString()})(o.resume, func(archive.Source) {})
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		kafkatest.Eventually(t, "the source is given", func() bool {
			o.mu.Lock()
			defer o.mu.Unlock()
			_, given := o.assigned[source]
			return given
		})
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.assigned[source]
	}
	c.Produce(c.Client(), c.plain(source.Topic, 1, "a"), c.plain(source.Topic, 1, "b"))
	transaction := c.Client(kgo.TransactionalID("other-" + uuid.NewString()))
	if err := transaction.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	c.Produce(transaction, c.plain(source.Topic, 1, "c"))
	before := extent()
	if before.Log == "" || before.Stable != 2 || before.End != 3 {
		t.Errorf("got %+v, want the topic's id, and two of three records that can be read", before)
	}
	if err := transaction.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	if _, err := kadm.NewClient(c.Client()).DeleteTopic(t.Context(), source.Topic); err != nil {
		t.Fatal(err)
	}
	if err := kafka.EnsureTopics(t.Context(), c.TopicOptions()); err != nil {
		t.Fatal(err)
	}
	if after := extent(); after.Log == "" || after.Log == before.Log {
		t.Errorf("got the topic's id %q after it was created again, was %q", after.Log, before.Log)
	}
}
