package processor

import (
	"log/slog"
	"testing"
	"time"

	"iotmon/internal/kafka/kafkatest"
)

// A step lasts longer than its transaction may. The broker aborts it; the same step is committed in a later session, which has more
// time for it.
func TestAStepThatTimesOutGetsMoreTime(t *testing.T) {
	l := newTestLog(t)
	metrics := &stepMetrics{}
	p := New(Options{
		Dial: l.Dial, Topics: l.Topics, Group: "test", Process: testProcess(t), Ticker: l, Metrics: metrics,
		CommitInterval: 2 * time.Second, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	p.timeout, p.defaultTimeout = 200*time.Millisecond, 200*time.Millisecond
	start := time.Now().Add(-20 * time.Second)
	for device := range 20 {
		l.Post(kafkatest.Reading(device, start, 20))
	}
	l.run(p)
	for device := range 20 {
		l.Post(kafkatest.Reading(device, time.Now(), 20))
	}
	l.awaitReadings(40)
	metrics.mu.Lock()
	defer metrics.mu.Unlock()
	if metrics.aborted == 0 {
		t.Error("got no step aborted, so none timed out")
	}
}

func TestTransactionTimeouts(t *testing.T) {
	const standard = 15 * time.Second
	for _, c := range []struct {
		timeout   time.Duration
		committed bool
		took      time.Duration
		want      time.Duration
	}{
		{standard, true, time.Second, standard},
		{standard, false, time.Second, standard},
		{standard, false, 20 * time.Second, 40 * time.Second},
		{40 * time.Second, false, 100 * time.Second, 200 * time.Second},
		{40 * time.Second, true, 30 * time.Second, standard},
		{40 * time.Second, false, time.Second, standard}, // The broker may not allow it.
		{longestTimeout, false, time.Hour, longestTimeout},
	} {
		s := &session{Processor: &Processor{defaultTimeout: standard}, timeout: c.timeout}
		if got := s.nextTimeout(c.committed, c.took); got != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
	}
}
