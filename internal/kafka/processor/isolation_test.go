package processor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/wire"
)

// limitBatchSize sets the largest batch that a topic accepts, in bytes; 0 for Kafka's default.
func (l *testLog) limitBatchSize(topic string, bytes int) {
	l.T.Helper()
	limit := strconv.Itoa(cmp.Or(bytes, 1<<20))
	change := kadm.AlterConfig{Name: "max.message.bytes", Value: &limit}
	responses, err := kadm.NewClient(l.Client).AlterTopicConfigs(l.T.Context(), []kadm.AlterConfig{change}, topic)
	if err != nil || responses[0].Err != nil {
		l.T.Fatal(err, responses)
	}
}

// stops counts failures, and records which partitions have stopped with which reason.
type stops struct {
	stepMetrics
	mu      sync.Mutex
	failed  int
	stopped map[int32]string
}

func (s *stops) Failed(int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed++
}

func (s *stops) Stopped(partition int32, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped == nil {
		s.stopped = make(map[int32]string)
	}
	s.stopped[partition] = reason
}

// A partition whose alerts the broker refuses stops after it has failed too often. The others go on. After a restart it is tried
// again, and no reading is lost or counted twice.
func TestAPartitionThatFailsTooOftenStopsAlone(t *testing.T) {
	l := newTestLog(t)
	const bad = 2
	l.limitBatchSize(l.Topics.Alerts, 100)
	partitioner := kgo.StickyKeyPartitioner(nil).ForTopic(l.Topics.Readings)
	metrics := new(stops)
	p := New(Options{
		Dial: l.Dial, Topics: l.Topics, Group: "test", Process: testProcess(t),
		CommitInterval: 50 * time.Millisecond, Ticker: l, Metrics: metrics, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	p.isolation.first, p.isolation.longest = time.Millisecond, 5*time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	const devices = 40
	posted := int64(0)
	post := func() {
		for device := range devices {
			r := kafkatest.Reading(device, time.Now(), 20)
			if partitioner.Partition(&kgo.Record{Key: []byte(r.ID)}, kafkatest.Partitions) == bad {
				r.Value = 40 // It raises an alert, which is too large for the topic.
			}
			l.Post(r)
			posted++
		}
	}
	post()
	kafkatest.Eventually(t, "the partition has stopped", func() bool {
		metrics.mu.Lock()
		defer metrics.mu.Unlock()
		return len(metrics.stopped) > 0
	})
	metrics.mu.Lock()
	if reason := metrics.stopped[bad]; len(metrics.stopped) != 1 || !strings.Contains(reason, l.Topics.Alerts) {
		t.Errorf("got %v stopped, want partition %d because of the topic %s", metrics.stopped, bad, l.Topics.Alerts)
	}
	if metrics.failed != maxFailures+1 {
		t.Errorf("got %d failures, want %d", metrics.failed, maxFailures+1)
	}
	metrics.mu.Unlock()
	post()
	seen := make(map[int32]bool)
	l.Committed(l.Topics.Aggregates, func(r *kgo.Record) bool {
		s, err := wire.DecodeWindowSummary(r.Value)
		if err != nil {
			t.Fatal(err)
		}
		if s.Partition == bad {
			t.Errorf("got a summary of the partition that stopped")
		}
		seen[s.Partition] = seen[s.Partition] || s.Final
		return len(seen) == kafkatest.Partitions-1 && !slices.Contains(values(seen), false)
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	l.limitBatchSize(l.Topics.Alerts, 0)
	l.startProcessor(&stepMetrics{})
	l.awaitReadings(posted)
}

func values(m map[int32]bool) (all []bool) {
	for _, v := range m {
		all = append(all, v)
	}
	return all
}

func TestFailuresAreForgottenAfterAnHour(t *testing.T) {
	i, now := newIsolation(), time.Now()
	for n := range 3 * maxFailures {
		at := now.Add(time.Duration(n) * failureSpan / maxFailures)
		if _, stopped := i.record(7, at, errors.New("x")); stopped {
			t.Fatalf("stopped after failure %d of %d an hour", n+1, maxFailures)
		}
		if h := i.held(7, at); h == (hold{}) || h.stopped {
			t.Errorf("got %+v right after a failure, want a pause", h)
		}
		if h := i.held(7, at.Add(longestHold)); h != (hold{}) {
			t.Errorf("got %+v after the longest hold, want none", h)
		}
	}
	if h := i.held(8, now); h != (hold{}) {
		t.Errorf("got %+v for a partition that has not failed", h)
	}
}

// A panic in the processing of a partition is a failure of that partition only.
func TestAPanicIsAPartitionsFailure(t *testing.T) {
	l := newTestLog(t)
	w, err := newWriter(l.Dial, l.Topics, "test", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	if err := w.begin(); err != nil {
		t.Fatal(err)
	}
	s := &session{Processor: New(Options{Metrics: new(stops), Logger: kafkatest.Quiet()}), writer: w}
	s.guard(3, func() { panic("no number") })
	_, err = w.commit(map[int32]commit{3: {}}, "", 0)
	var failed partitionErrors
	if !errors.As(fmt.Errorf("commit step: %w", err), &failed) || failed[3] == nil || !strings.Contains(failed[3].Error(), "no number") {
		t.Errorf("got %v, want a failure of partition 3", err)
	}
	w.abort()
}

// Every record that a processor writes fits into a topic with Kafka's default limits, however many alerts and long texts it has.
func TestRecordsAreBounded(t *testing.T) {
	long := strings.Repeat("<", 7_800)
	many := func(n int) []iot.Alert {
		alerts := make([]iot.Alert, n)
		for i := range alerts {
			alerts[i] = iot.Alert{
				ID: fmt.Sprint(i), Rule: "r", DeviceID: "d", Message: long, Unit: long, Location: iot.Location{Building: long, Room: long},
				Severity: iot.Warning, Transition: iot.Raised,
			}
		}
		return alerts
	}
	summary := iot.WindowSummary{Type: iot.Temperature, Window: iot.WindowOf(time.Now(), time.Second)}
	summary.AlertCount, summary.Alerts = 10_000, many(iot.MaxSummaryAlerts)
	value := encodeSummary(&summary)
	if len(value) > maxRecordBytes {
		t.Errorf("summary: got %d bytes, want %d at most", len(value), maxRecordBytes)
	}
	back, err := wire.DecodeWindowSummary(value)
	if err != nil || back.AlertCount != 10_000 || len(back.Alerts) == 0 || len(back.Alerts) >= iot.MaxSummaryAlerts || back.Alerts[0].ID != "0" {
		t.Errorf("summary: got %d alerts listed of %d, %v, want the first that fit of all", len(back.Alerts), back.AlertCount, err)
	}
	if len(summary.Alerts) != iot.MaxSummaryAlerts {
		t.Error("the summary itself was changed")
	}
	state := iot.DeviceState{Latest: kafkatest.Reading(0, time.Now(), 1), Status: iot.Online, Position: iot.Position{Offset: 5}}
	state.Latest.Location.Building, state.Latest.Metadata.Firmware = long, long
	raised := many(60)
	for i := range raised {
		state.Alerts = append(state.Alerts, iot.AlertState{Rule: fmt.Sprint(i), Onset: time.Now(), Raised: &raised[i]})
	}
	value = appendState(nil, &state)
	if len(value) > maxRecordBytes {
		t.Errorf("state: got %d bytes, want %d at most", len(value), maxRecordBytes)
	}
	restored, err := wire.DecodeDeviceState(value)
	if err != nil || len(restored.Alerts) != 60 || restored.Position != state.Position || restored.Alerts[59].Raised.ID != "59" {
		t.Errorf("state: got %d alerts, %v, want all of them", len(restored.Alerts), err)
	}
	if raised[0].Message != long {
		t.Error("the state itself was changed")
	}
	huge := iot.Alert{ID: "a", DeviceID: "d", Transition: iot.Raised, Message: strings.Repeat("<", 2*maxRecordBytes)}
	if value := encodeAlert(&huge); len(value) > maxRecordBytes {
		t.Errorf("alert: got %d bytes, want %d at most", len(value), maxRecordBytes)
	} else if a, err := wire.DecodeAlert(value); err != nil || a.ID != "a" {
		t.Errorf("alert: got %+v, %v", a, err)
	}
}
