package processor

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/kafka/kafkatest"
)

// Other programs may write readings in transactions. The offset of a marker is not a lost record, aborted readings are not counted, and
// a window closes even if the last entry of the log is a marker.
func TestReadingsInTransactionsAreCountedOnceCommitted(t *testing.T) {
	l := newTestLog(t)
	metrics := &stepMetrics{}
	stop := l.startProcessor(metrics)
	post, end := l.Transactional()
	counted := int64(0)
	start := time.Now()
	for round := range 60 {
		at := start.Add(time.Duration(round) * 10 * time.Millisecond)
		commit := rand.IntN(2) == 0
		for device := range 5 {
			r := kafkatest.Reading(device, at, 20)
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
			l.Post(kafkatest.Reading(5+round%5, at, 20)) // Another producer without transactions.
			counted++
		}
	}
	post(kafkatest.Reading(0, time.Now(), 90))
	end(kgo.TryAbort) // The log ends with the markers of this transaction.
	l.awaitReadings(counted)
	stop()
	if metrics.aborted > 0 {
		t.Errorf("got %d aborted steps, want none", metrics.aborted)
	}
	// A restart goes on after the markers, and closes the next windows.
	l.startProcessor(metrics)
	post(kafkatest.Reading(1, time.Now(), 20))
	end(kgo.TryCommit)
	l.awaitReadings(counted + 1)
	if events := l.count(l.Topics.Alerts); events > 0 {
		t.Errorf("got %d alert events, want none of readings that were aborted", events)
	}
}

// count returns the number of committed records of a topic with kafkatest.Partitions partitions.
func (l *testLog) count(topic string) (records int) {
	l.T.Helper()
	client, err := kgo.NewClient(l.Dial.Options(kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		l.T.Fatal(err)
	}
	defer client.Close()
	for id := range int32(kafkatest.Partitions) {
		if err := client.ProduceSync(l.T.Context(), &kgo.Record{Topic: topic, Partition: id, Key: []byte("end")}).FirstErr(); err != nil {
			l.T.Fatal(err)
		}
	}
	ends := 0
	l.Committed(topic, func(r *kgo.Record) bool {
		if string(r.Key) == "end" {
			ends++
		} else {
			records++
		}
		return ends == kafkatest.Partitions
	})
	return records
}

// An open transaction of another program delays the readings after it. They are all counted when it ends.
func TestAnOpenTransactionDelaysReadings(t *testing.T) {
	l := newTestLog(t)
	l.startProcessor(&stepMetrics{})
	l.Post(kafkatest.Reading(0, time.Now(), 20))
	l.awaitReadings(1)
	post, end := l.Transactional()
	post(kafkatest.Reading(0, time.Now(), 20))
	l.Post(kafkatest.Reading(0, time.Now().Add(time.Millisecond), 20))
	end(kgo.TryCommit)
	l.awaitReadings(3)
}

// Offsets of records without outputs, such as ticks and markers, are committed too. Otherwise the records would look lost once
// retention has deleted them.
func TestOffsetsWithoutOutputsAreCommitted(t *testing.T) {
	l := newTestLog(t)
	p := New(Options{
		Dial: l.Dial, Topics: l.Topics, Group: "test", Process: testProcess(t),
		CommitInterval: 50 * time.Millisecond, Ticker: l, Metrics: &stepMetrics{}, Logger: kafkatest.Quiet(),
	})
	p.idleAfter = 100 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	for id := range int32(kafkatest.Partitions) {
		if err := l.Tick(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	post, end := l.Transactional()
	post(kafkatest.Reading(0, time.Now(), 20))
	end(kgo.TryAbort)
	l.awaitCommit()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
