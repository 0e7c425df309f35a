package kafka_test

import (
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/kafka"
)

func TestAClockBehindTheLogIsDetected(t *testing.T) {
	c := startCluster(t)
	client := c.Client()
	now := time.Now()
	check := func(at time.Time, want bool) {
		t.Helper()
		if err := kafka.CheckClock(t.Context(), c.Dial, c.Topics, at); errors.Is(err, kafka.ErrClockBehind) != want || !want && err != nil {
			t.Errorf("at %v: got %v, want ErrClockBehind %v", at.Sub(now), err, want)
		}
	}
	check(now, false) // The topic is empty.
	c.Produce(client,
		&kgo.Record{Topic: c.Topics.Readings, Partition: 1, Value: []byte("x"), Timestamp: now},
		&kgo.Record{Topic: c.Topics.Readings, Partition: 2, Value: []byte("x"), Timestamp: now.Add(-24 * time.Hour)},
	)
	check(now, false)
	check(now.Add(-59*time.Minute), false)
	check(now.Add(-61*time.Minute), true)
	check(now.Add(24*time.Hour), false)

	c.Produce(client, &kgo.Record{Topic: c.Topics.Readings, Partition: 3, Value: []byte("x"), Timestamp: now.Add(4 * 365 * 24 * time.Hour)})
	check(now, true)
	if err := kafka.AppendTicks(t.Context(), c.Dial, c.Topics); err != nil {
		t.Fatal(err)
	}
	check(now, false) // The operator has confirmed the clock once: it is accepted from now on.
}
