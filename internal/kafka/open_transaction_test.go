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

// A transaction that stays open is reported with its producer's name, and so is its end.
func TestATransactionThatStaysOpenIsReported(t *testing.T) {
	l := kafkatest.NewLog(t)
	post, end := l.Transactional()
	type report struct {
		lasted time.Duration
		reason string
	}
	reports := make(chan report, 100)
	watch := kafka.NewStallWatch(kafka.StallOptions{
		Dial: l.Dial, Topics: l.Topics, Logger: kafkatest.Quiet(),
		Stalled: func(_ int32, lasted time.Duration, reason string) { reports <- report{lasted, reason} },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- watch.Run(ctx) }()
	next := func() report {
		t.Helper()
		select {
		case r := <-reports:
			return r
		case <-time.After(20 * time.Second):
			t.Fatal("nothing was reported within 20 s")
			return report{}
		}
	}
	post(kafkatest.Reading(0, time.Now(), 20))
	if got := next(); got.lasted < kafka.StallAfter || !strings.Contains(got.reason, `transactional id "test-writer`) || !strings.Contains(got.reason, "producer id") {
		t.Errorf("got %+v, want the producer's name after %v", got, kafka.StallAfter)
	}
	end(kgo.TryAbort)
	for got := next(); got.lasted > 0; got = next() { // There may be reports from before its end.
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
