package processor

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

func TestMain(m *testing.M) { kafkatest.Main(m) }

// testLog is a log that starts processors.
type testLog struct{ *kafkatest.Log }

func newTestLog(t *testing.T) *testLog {
	t.Helper()
	return &testLog{kafkatest.NewLog(t)}
}

// cluster is the embedded broker.
type cluster struct{ *kafkatest.Cluster }

func startCluster(t testing.TB) *cluster {
	t.Helper()
	return &cluster{kafkatest.StartCluster(t)}
}

func testProcess(t *testing.T) *process.Options {
	t.Helper()
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	return &process.Options{
		Admission: &iot.Admission{Catalog: catalog, Skew: 10 * time.Second},
		Rules: []iot.Rule{{
			Name: "temperature_high", Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Warning, Condition: iot.Condition{Threshold: 28},
		}},
		Window: time.Second, Lateness: 500 * time.Millisecond, OfflineAfter: 5 * time.Second,
	}
}

// stepMetrics records how many steps were committed and aborted.
type stepMetrics struct {
	mu                 sync.Mutex
	committed, aborted int
}

func (m *stepMetrics) Processed(int32, process.Counts, int64) {}
func (m *stepMetrics) Released(int32)                         {}
func (m *stepMetrics) Failed(int32)                           {}
func (m *stepMetrics) Stopped(int32, string)                  {}
func (m *stepMetrics) Unsupported(int32, string)              {}
func (m *stepMetrics) Lost(int64)                             {}
func (m *stepMetrics) Ready(bool)                             {}
func (m *stepMetrics) Step(committed bool, _ time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if committed {
		m.committed++
	} else {
		m.aborted++
	}
}

// startProcessor starts a processor. Stop ends it and waits.
func (l *testLog) startProcessor(metrics Metrics) (stop func()) {
	return l.startWithHandover(metrics, nil)
}

// startWithHandover is startProcessor with a handover.
func (l *testLog) startWithHandover(metrics Metrics, handover *Handover) (stop func()) {
	return l.startWith(Options{CommitInterval: 100 * time.Millisecond, Metrics: metrics, Handover: handover})
}

// startWith is startProcessor with options. It sets those that are the same in all tests.
func (l *testLog) startWith(options Options) (stop func()) {
	options.Dial, options.Topics, options.Group = l.Dial, l.Topics, "test"
	if options.Process == nil {
		options.Process = testProcess(l.T)
	}
	options.Ticker = l
	if options.Logger == nil {
		options.Logger = slog.New(slog.NewTextHandler(l.T.Output(), nil))
	}
	return l.run(New(options))
}

// run runs a processor. Stop ends it and waits.
func (l *testLog) run(p *Processor) (stop func()) {
	l.T.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			l.T.Error(err)
		}
	})
	l.T.Cleanup(stop)
	return stop
}

// awaitReadings waits until the final summaries count at least want readings. The test fails if there are more, or if a window has two
// final summaries.
func (l *testLog) awaitReadings(want int64) {
	l.T.Helper()
	got := int64(0)
	final := make(map[string]bool)
	l.Committed(l.Topics.Aggregates, func(r *kgo.Record) bool {
		s, err := wire.DecodeWindowSummary(r.Value)
		if err != nil {
			l.T.Fatal(err)
		}
		if s.Final {
			key := fmt.Sprint(s.Partition, s.Type, s.Window.Start)
			if final[key] {
				l.T.Errorf("window %s closed twice", key)
			}
			final[key] = true
			got += s.Count
		}
		return got >= want
	})
	if got != want {
		l.T.Errorf("got %d readings in closed windows, want %d", got, want)
	}
}

func TestProcessorCountsEveryReadingOnce(t *testing.T) {
	l := newTestLog(t)
	metrics := &stepMetrics{}
	stop := l.startProcessor(metrics)
	const devices, rounds = 50, 20
	start := time.Now()
	for round := range rounds {
		var batch []iot.Reading
		for device := range devices {
			batch = append(batch, kafkatest.Reading(device, start.Add(time.Duration(round)*10*time.Millisecond), 20))
		}
		l.Post(batch...)
	}
	l.awaitReadings(devices * rounds)
	stop()
	if metrics.aborted > 0 {
		t.Errorf("got %d aborted steps, want none", metrics.aborted)
	}
}

// Processors join and leave the group while readings are posted. Every window closes once, with all of its readings.
func TestRebalancesNeitherLoseNorRepeatReadings(t *testing.T) {
	l := newTestLog(t)
	stop := l.startProcessor(&stepMetrics{})
	posted := int64(0)
	for round := range 60 {
		switch round {
		case 10:
			defer l.startProcessor(&stepMetrics{})()
		case 25:
			stop()
		case 40:
			defer l.startProcessor(&stepMetrics{})()
		}
		now := time.Now()
		for device := range 40 {
			l.Post(kafkatest.Reading(device, now, 20))
			posted++
		}
	}
	l.awaitReadings(posted)
}
