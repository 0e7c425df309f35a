package kafka

import (
	"math/rand/v2"
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
	client, err := kgo.NewClient(l.dial.options(kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.TransactionalID(uuid.NewString()))...)
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
