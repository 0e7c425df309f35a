package kafka

import (
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestAClockBehindTheLogIsFound(t *testing.T) {
	c := startCluster(t)
	client := c.client()
	now := time.Now()
	check := func(at time.Time, want bool) {
		t.Helper()
		if err := CheckClock(t.Context(), c.dial, c.topics, at); errors.Is(err, ErrClockBehind) != want || !want && err != nil {
			t.Errorf("at %v: got %v, want refused %v", at.Sub(now), err, want)
		}
	}
	check(now, false) // Nothing is there.
	c.produce(client,
		&kgo.Record{Topic: c.topics.Readings, Partition: 1, Value: []byte("x"), Timestamp: now},
		&kgo.Record{Topic: c.topics.Readings, Partition: 2, Value: []byte("x"), Timestamp: now.Add(-24 * time.Hour)},
	)
	check(now, false)
	check(now.Add(-59*time.Minute), false)
	check(now.Add(-61*time.Minute), true)
	check(now.Add(24*time.Hour), false)

	c.produce(client, &kgo.Record{Topic: c.topics.Readings, Partition: 3, Value: []byte("x"), Timestamp: now.Add(4 * 365 * 24 * time.Hour)})
	check(now, true)
	if err := StampAll(t.Context(), c.dial, c.topics); err != nil {
		t.Fatal(err)
	}
	check(now, false) // Who was told that the log's clock was wrong is not asked again.
}
