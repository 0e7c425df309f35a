package kafka_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
)

// A transaction that stays open is told of, with its producer's name, and so is its end.
func TestATransactionThatStaysOpenIsToldOf(t *testing.T) {
	l := kafkatest.NewLog(t)
	post, end := l.Transactional()
	type told struct {
		since  time.Duration
		reason string
	}
	heard := make(chan told, 100)
	watch := kafka.NewStallWatch(kafka.StallOptions{
		Dial: l.Dial, Topics: l.Topics, Logger: kafkatest.Quiet(),
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
	post(kafkatest.Reading(0, time.Now(), 20))
	if got := next(); got.since < kafka.StallAfter || !strings.Contains(got.reason, `transactional id "test-writer`) || !strings.Contains(got.reason, "producer id") {
		t.Errorf("got %+v, want the producer's name after %v", got, kafka.StallAfter)
	}
	end(kgo.TryAbort)
	for got := next(); got.since > 0; got = next() { // It may have been told of once more.
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
