package processor

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// withRules returns options whose configuration has a single rule, a threshold for temperatures.
func withRules(t *testing.T, revision int64, name string, limit float64) *process.Options {
	options := testProcess(t)
	options.OfflineAfter = time.Hour
	options.RuleRevision, options.Rules[0].Name, options.Rules[0].Threshold = revision, name, limit
	return options
}

// awaitAlerts waits until as many alert events are committed as wanted, and compares them.
func (l *testLog) awaitAlerts(want ...string) {
	l.T.Helper()
	var got []string
	l.Committed(l.Topics.Alerts, func(r *kgo.Record) bool {
		a, err := wire.DecodeAlert(r.Value)
		if err != nil {
			l.T.Fatal(err)
		}
		got = append(got, strings.TrimSpace(fmt.Sprint(a.Rule, " ", a.Transition, " ", a.Reason)))
		return len(got) >= len(want)
	})
	if !slices.Equal(got, want) {
		l.T.Fatalf("got %q, want %q", got, want)
	}
}

// A consumer with newer rules takes over, and after it one with the older rules again.
func TestTheNewestConfiguredRulesStayInForce(t *testing.T) {
	l := newTestLog(t)
	start := func(revision int64, name string, limit float64) (stop func()) {
		return l.startWith(Options{CommitInterval: 50 * time.Millisecond, Metrics: &stepMetrics{}, Process: withRules(t, revision, name, limit)})
	}
	first := time.Now()
	post := func(value float64) {
		first = first.Add(time.Millisecond)
		l.Post(kafkatest.Reading(1, first, value))
	}
	stop := start(100, "temperature_high", 28)
	post(30)
	events := []string{"temperature_high raised"}
	l.awaitAlerts(events...)
	stop()

	stop = start(200, "warm", 25)
	events = append(events, "temperature_high cleared not_selected")
	l.awaitAlerts(events...) // Without another reading of the device.
	post(30)
	events = append(events, "warm raised")
	l.awaitAlerts(events...)
	stop()

	start(100, "temperature_high", 28)
	post(20)
	post(31)
	l.awaitAlerts(append(events, "warm cleared", "warm raised")...)
}

// alertsOf is an output that keeps the names of rules that raise alerts.
type alertsOf []string

func (o *alertsOf) Alert(a *iot.Alert)                  { *o = append(*o, a.Rule) }
func (o *alertsOf) Summary(*iot.WindowSummary)          {}
func (o *alertsOf) State(*iot.DeviceState)              {}
func (o *alertsOf) Forget(iot.Identity, iot.Position)   {}
func (o *alertsOf) Areas(*iot.DeviceAreas)              {}
func (o *alertsOf) InForce(_, _ []byte, _ iot.Position) {}
func (o *alertsOf) Reject(*process.Reject)              {}

// The embedded broker was killed within a commit: the rule is in the log, and the offset behind its record is not. The record is read
// again, and until then the rule before it is in force.
func TestARuleOfATornCommitIsNotInForce(t *testing.T) {
	l := newTestLog(t)
	inForce := func(offset int64, limit float64) *kgo.Record {
		rule := iot.RuleInForce{Position: iot.Position{Partition: 0, Offset: offset}, RuleEntry: iot.RuleEntry{Version: offset, Rule: iot.Rule{
			Name: "limit", Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Info, Condition: iot.Condition{Threshold: limit},
		}}}
		return &kgo.Record{Topic: l.Topics.InForce, Key: wire.AppendRuleKey(nil, "limit"), Value: wire.AppendRuleInForce(nil, &rule)}
	}
	client, err := kgo.NewClient(l.Dial.Options(kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for range 9 {
		if err := l.Tick(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.ProduceSync(t.Context(), inForce(5, 25), inForce(9, 50)).FirstErr(); err != nil {
		t.Fatal(err)
	}
	checkpoint := process.Checkpoint{Offset: 8, Position: 8, Clock: time.Now(), Watermark: time.Now()}
	offsets := make(kadm.Offsets)
	offsets.Add(kadm.Offset{Topic: l.Topics.Readings, At: checkpoint.Offset, LeaderEpoch: -1, Metadata: checkpoint.Metadata()})
	if err := kadm.NewClient(client).CommitAllOffsets(t.Context(), "test", offsets); err != nil {
		t.Fatal(err)
	}
	w, err := newWriter(l.Dial, l.Topics, "test", kafka.TransactionTimeout)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	for torn, want := range map[bool][]string{true: {"limit"}, false: nil} {
		options := withRules(t, 1, "configured", 60)
		p := New(Options{Dial: l.Dial, Topics: l.Topics, Group: "test", Process: options, TornCommits: torn, Metrics: &stepMetrics{}, Logger: kafkatest.Quiet()})
		s := &session{Processor: p, writer: w}
		restored, err := s.restore(t.Context(), []int32{0})
		if err != nil {
			t.Fatal(err)
		}
		r := kafkatest.Reading(1, time.Now(), 40)
		var got alertsOf
		part := restored.partitions[0]
		record := process.Record{Offset: part.Next(), Appended: time.Now(), Value: wire.AppendReading(nil, &r)}
		if err := part.Process([]process.Record{record}, &got); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("torn %v: got alerts of %q, want %q", torn, got, want)
		}
	}
}
