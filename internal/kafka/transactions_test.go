package kafka

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// transactional returns a client that writes readings in transactions, and what ends the one that it begins with every post.
func (l *testLog) transactional() (post func(iot.Reading), end func(kgo.TransactionEndTry)) {
	l.t.Helper()
	client, err := kgo.NewClient(l.dial.options(kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.TransactionalID("test-writer-"+uuid.NewString()))...)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(client.Close)
	open := false
	post = func(r iot.Reading) {
		l.t.Helper()
		if !open {
			if err := client.BeginTransaction(); err != nil {
				l.t.Fatal(err)
			}
			open = true
		}
		record := &kgo.Record{Topic: l.topics.Readings, Key: []byte(r.ID), Value: wire.AppendReading(nil, &r)}
		if err := client.ProduceSync(l.t.Context(), record).FirstErr(); err != nil {
			l.t.Fatal(err)
		}
	}
	end = func(how kgo.TransactionEndTry) {
		l.t.Helper()
		if open {
			if err := client.EndTransaction(l.t.Context(), how); err != nil {
				l.t.Fatal(err)
			}
		}
		open = false
	}
	return post, end
}

// Other programs may write readings in transactions. Their markers are no lost offsets, what they abort counts nowhere, and
// windows close behind a marker that is the last there is in the log.
func TestReadingsInTransactionsAreCountedOnceCommitted(t *testing.T) {
	l := newTestLog(t)
	metrics := &stepMetrics{}
	stop := l.startProcessor(metrics)
	post, end := l.transactional()
	counted := int64(0)
	start := time.Now()
	for round := range 60 {
		at := start.Add(time.Duration(round) * 10 * time.Millisecond)
		commit := rand.IntN(2) == 0
		for device := range 5 {
			r := reading(device, at, 20)
			if !commit {
				r.Value = 90 // It would raise an alert.
			}
			post(r)
		}
		if commit {
			end(kgo.TryCommit)
			counted += 5
			continue
		}
		end(kgo.TryAbort)
		if rand.IntN(2) == 0 {
			l.post(reading(5+round%5, at, 20)) // Not all who write do it in transactions.
			counted++
		}
	}
	post(reading(0, time.Now(), 90))
	end(kgo.TryAbort) // The markers of this one are the end of the log.
	l.tally(counted)
	stop()
	if metrics.aborted > 0 {
		t.Errorf("got %d aborted steps, want none", metrics.aborted)
	}
	// A restart finds its place behind markers, and closes what comes then.
	l.startProcessor(metrics)
	post(reading(1, time.Now(), 20))
	end(kgo.TryCommit)
	l.tally(counted + 1)
	if events := l.count(l.topics.Alerts); events > 0 {
		t.Errorf("got %d alert events, want none of readings that were aborted", events)
	}
}

// count returns how many records a topic with testPartitions has.
func (l *testLog) count(topic string) (records int) {
	l.t.Helper()
	client, err := kgo.NewClient(l.dial.options(kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		l.t.Fatal(err)
	}
	defer client.Close()
	for id := range int32(testPartitions) {
		if err := client.ProduceSync(l.t.Context(), &kgo.Record{Topic: topic, Partition: id, Key: []byte("end")}).FirstErr(); err != nil {
			l.t.Fatal(err)
		}
	}
	ends := 0
	l.committed(topic, func(r *kgo.Record) bool {
		if string(r.Key) == "end" {
			ends++
		} else {
			records++
		}
		return ends == testPartitions
	})
	return records
}

// A transaction that stays open holds up what lies behind it. When it ends everything goes on, with nothing lost.
func TestAnOpenTransactionOnlyHoldsUp(t *testing.T) {
	l := newTestLog(t)
	l.startProcessor(&stepMetrics{})
	l.post(reading(0, time.Now(), 20))
	l.tally(1)
	post, end := l.transactional()
	post(reading(0, time.Now(), 20))
	l.post(reading(0, time.Now().Add(time.Millisecond), 20))
	end(kgo.TryCommit)
	l.tally(3)
}

// A transaction that stays open is told of, with its producer's name, and so is its end.
func TestATransactionThatStaysOpenIsToldOf(t *testing.T) {
	l := newTestLog(t)
	post, end := l.transactional()
	type told struct {
		since  time.Duration
		reason string
	}
	heard := make(chan told, 100)
	watch := NewStallWatch(StallOptions{
		Dial: l.dial, Topics: l.topics, Logger: quiet(),
		Told: func(_ int32, since time.Duration, reason string) { heard <- told{since, reason} },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- watch.Run(ctx) }()
	next := func() told {
		t.Helper()
		select {
		case n := <-heard:
			return n
		case <-time.After(20 * time.Second):
			t.Fatal("nothing was told within 20 s")
			return told{}
		}
	}
	post(reading(0, time.Now(), 20))
	if got := next(); got.since < stallAfter || !strings.Contains(got.reason, `transactional id "test-writer`) || !strings.Contains(got.reason, "producer id") {
		t.Errorf("got %+v, want the producer's name after %v", got, stallAfter)
	}
	end(kgo.TryAbort)
	for got := next(); got.since > 0; got = next() { // It may have been told of once more.
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAStallIsALastStableOffsetThatDoesNotMove(t *testing.T) {
	var told []time.Duration
	w := NewStallWatch(StallOptions{Logger: quiet(), Told: func(_ int32, since time.Duration, _ string) { told = append(told, since) }})
	start := time.Now()
	for _, step := range []struct {
		seconds     int
		stable, end int64
		want        bool
	}{
		{0, 5, 5, false},  // All is stable.
		{1, 5, 9, false},  // A transaction has begun.
		{2, 8, 12, false}, // It has ended, and another one has begun.
		{3, 8, 14, false}, {4, 8, 20, true}, {5, 8, 20, true},
		{6, 14, 20, false}, // It has ended; the next has not lasted yet.
		{7, 14, 20, false}, {8, 14, 20, true}, {9, 20, 20, false},
	} {
		got := w.compare(3, step.stable, step.end, start.Add(time.Duration(step.seconds)*time.Second))
		if (got != nil) != step.want {
			t.Errorf("after %d s: got %v, want %v", step.seconds, got != nil, step.want)
		}
		if got != nil {
			got.told = start
		}
	}
	if len(told) != 2 || told[0] != 0 {
		t.Errorf("got %v told, want the two ends", told)
	}
}

// What nothing follows from, ticks and markers, is committed all the same: once retention has removed it, it must not look lost.
func TestWhatNothingFollowsFromIsCommittedToo(t *testing.T) {
	l := newTestLog(t)
	p := NewProcessor(ProcessorOptions{
		Dial: l.dial, Topics: l.topics, Group: "test", Process: testProcess(t),
		CommitInterval: 50 * time.Millisecond, Ticker: l, Metrics: &stepMetrics{}, Logger: quiet(),
	})
	p.idleAfter = 100 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	for id := range int32(testPartitions) {
		if err := l.Tick(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	post, end := l.transactional()
	post(reading(0, time.Now(), 20))
	end(kgo.TryAbort)
	l.awaitCommit()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
