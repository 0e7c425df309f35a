package kafka

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/alert"
	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

const testPartitions = 4

// testLog is a broker with the topics, and a plain client to look at them.
type testLog struct {
	t       *testing.T
	cluster *kfake.Cluster
	dial    Dial
	topics  Topics
	client  *kgo.Client
}

func newTestLog(t *testing.T) *testLog {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	l := &testLog{t: t, cluster: cluster, topics: DefaultTopics()}
	l.dial = Dial{Brokers: cluster.ListenAddrs(), ClientID: "test", Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	l.client, err = kgo.NewClient(l.dial.options(kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.client.Close)
	admin := kadm.NewClient(l.client)
	for topic, partitions := range map[string]int32{
		l.topics.Readings: testPartitions, l.topics.Alerts: testPartitions, l.topics.States: testPartitions,
		l.topics.Aggregates: 1, l.topics.DeadLetters: 1,
	} {
		if _, err := admin.CreateTopic(t.Context(), partitions, 1, nil, topic); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func (l *testLog) post(readings ...iot.Reading) {
	l.t.Helper()
	records := make([]*kgo.Record, len(readings))
	for i := range readings {
		records[i] = &kgo.Record{Topic: l.topics.Readings, Key: []byte(readings[i].ID), Value: wire.AppendReading(nil, &readings[i])}
	}
	if err := l.client.ProduceSync(l.t.Context(), records...).FirstErr(); err != nil {
		l.t.Fatal(err)
	}
}

// Tick implements Ticker on the test's own client.
func (l *testLog) Tick(ctx context.Context, partition int32) error {
	client, err := kgo.NewClient(l.dial.options(kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		return err
	}
	defer client.Close()
	return client.ProduceSync(ctx, &kgo.Record{
		Topic: l.topics.Readings, Partition: partition,
		Headers: []kgo.RecordHeader{{Key: wire.TickHeader}},
	}).FirstErr()
}

// committed reads a topic, read committed, until done says so.
func (l *testLog) committed(topic string, done func(*kgo.Record) bool) {
	l.t.Helper()
	reader, err := kgo.NewClient(l.dial.options(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))...)
	if err != nil {
		l.t.Fatal(err)
	}
	defer reader.Close()
	ctx, cancel := context.WithTimeout(l.t.Context(), 30*time.Second)
	defer cancel()
	for finished := false; !finished; {
		fetches := reader.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			l.t.Fatalf("topic %s: the awaited record did not come within 30 s", topic)
		}
		fetches.EachRecord(func(r *kgo.Record) { finished = finished || done(r) })
	}
}

func testProcess(t *testing.T) *process.Options {
	t.Helper()
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := alert.New([]iot.Rule{{Name: "temperature_high", Type: iot.Temperature, Severity: iot.Warning, Threshold: 28}}, catalog)
	if err != nil {
		t.Fatal(err)
	}
	return &process.Options{
		Admission: &iot.Admission{Catalog: catalog, Skew: 10 * time.Second},
		Alerts:    engine, Window: time.Second, Lateness: 500 * time.Millisecond, OfflineAfter: 5 * time.Second,
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

// startProcessor runs a processor and returns what stops it and waits.
func (l *testLog) startProcessor(metrics ProcessorMetrics) (stop func()) {
	return l.startHandingOver(metrics, nil)
}

// startHandingOver is startProcessor that hands over what is restored.
func (l *testLog) startHandingOver(metrics ProcessorMetrics, handover *Handover) (stop func()) {
	return l.startWith(ProcessorOptions{CommitInterval: 100 * time.Millisecond, Metrics: metrics, Handover: handover})
}

// startWith is startProcessor with options of which the rest is filled in.
func (l *testLog) startWith(options ProcessorOptions) (stop func()) {
	options.Dial, options.Topics, options.Group, options.Process = l.dial, l.topics, "test", testProcess(l.t)
	options.Ticker, options.Logger = l, slog.New(slog.NewTextHandler(l.t.Output(), nil))
	ctx, cancel := context.WithCancel(context.Background())
	p := NewProcessor(options)
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			l.t.Error(err)
		}
	})
	l.t.Cleanup(stop)
	return stop
}

func reading(device int, at time.Time, value float64) iot.Reading {
	return iot.Reading{
		Device: iot.Device{ID: iot.DeviceID(fmt.Sprintf("device_%03d", device)), Type: iot.Temperature, Unit: "°C"},
		Time:   iot.CutTime(at), Value: value, Status: iot.Online,
	}
}

// tally adds up the final summaries of a topic.
func (l *testLog) tally(want int64) {
	l.t.Helper()
	got := int64(0)
	final := make(map[string]bool)
	l.committed(l.topics.Aggregates, func(r *kgo.Record) bool {
		s, err := wire.DecodeWindowSummary(r.Value)
		if err != nil {
			l.t.Fatal(err)
		}
		if s.Final {
			key := fmt.Sprint(s.Partition, s.Type, s.Window.Start)
			if final[key] {
				l.t.Errorf("window %s closed twice", key)
			}
			final[key] = true
			got += s.Count
		}
		return got >= want
	})
	if got != want {
		l.t.Errorf("got %d readings in closed windows, want %d", got, want)
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
			batch = append(batch, reading(device, start.Add(time.Duration(round)*10*time.Millisecond), 20))
		}
		l.post(batch...)
	}
	l.tally(devices * rounds)
	stop()
	if metrics.aborted > 0 {
		t.Errorf("got %d aborted steps, want none", metrics.aborted)
	}
}

// Members come and go while readings are posted; every window must close once with all of its readings.
func TestRebalancesLoseAndDoubleNothing(t *testing.T) {
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
			l.post(reading(device, now, 20))
			posted++
		}
	}
	l.tally(posted)
}
