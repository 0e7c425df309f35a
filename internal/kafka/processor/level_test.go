package processor

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// commitOffsets commits a checkpoint for every partition of the readings.
func (l *testLog) commitOffsets(checkpoint process.Checkpoint) {
	l.T.Helper()
	offsets := make(kadm.Offsets)
	for id := range int32(kafkatest.Partitions) {
		offsets.Add(kadm.Offset{
			Topic: l.Topics.Readings, Partition: id, At: checkpoint.Offset, LeaderEpoch: -1, Metadata: checkpoint.Metadata(),
		})
	}
	if err := kadm.NewClient(l.Client).CommitAllOffsets(l.T.Context(), "test", offsets); err != nil {
		l.T.Fatal(err)
	}
}

// An older processor gets the partitions of a newer one. Taken for another program's, the checkpoint would be set back, and everything
// processed again.
func TestAProcessorLeavesItsGroupBeforeANewerCheckpoint(t *testing.T) {
	l := newTestLog(t)
	l.commitOffsets(process.Checkpoint{Level: process.MaxLevel + 1})
	l.Post(kafkatest.Reading(1, time.Now(), 20))
	metrics := &unsupported{reasons: make(chan string, 1), skipped: make(chan int64, 10)}
	stop := l.startProcessor(metrics)
	if got := <-metrics.reasons; !strings.Contains(got, fmt.Sprintf("the checkpoint is of level %d", process.MaxLevel+1)) || strings.Contains(got, "\n") {
		t.Errorf("got reason %q, want one line about the level", got)
	}
	stop()
	if outputs := l.count(l.Topics.States) + l.count(l.Topics.InForce); outputs > 0 {
		t.Errorf("got %d outputs, want none", outputs)
	}
}

// An operator says that the last old consumer is gone. The changed rules, which have waited for that, are then in force.
func TestChangedRulesWaitForTheEndOfAnUpgrade(t *testing.T) {
	l := newTestLog(t)
	l.commitOffsets(process.Checkpoint{Level: 1, Devices: -1})
	start := func(revision int64, name string, limit float64) (stop func()) {
		return l.startWith(Options{CommitInterval: 50 * time.Millisecond, Metrics: &stepMetrics{}, Process: withRules(t, revision, name, limit)})
	}
	now := time.Now()
	stop := start(100, "temperature_high", 28)
	l.Post(kafkatest.Reading(1, now, 30))
	l.awaitAlerts("temperature_high raised")
	stop()
	start(200, "warm", 25)
	l.Post(kafkatest.Reading(1, now.Add(time.Millisecond), 20), kafkatest.Reading(1, now.Add(2*time.Millisecond), 30))
	events := []string{"temperature_high raised", "temperature_high cleared", "temperature_high raised"}
	l.awaitAlerts(events...)
	if partitions, err := FinishUpgrade(t.Context(), l.Dial, l.Topics.Readings); err != nil || partitions != kafkatest.Partitions {
		t.Fatalf("got %d partitions, %v, want %d", partitions, err, kafkatest.Partitions)
	}
	l.awaitAlerts(append(events, "temperature_high cleared not_selected")...)
}

// The commits of a group are lost, and with them the level of what it has written: it is in the records, too. An older processor would
// take them for another program's, and go on without them.
func TestAProcessorLeavesItsGroupBeforeNewerStates(t *testing.T) {
	for _, topic := range []func(kafka.Topics) string{
		func(t kafka.Topics) string { return t.InForce }, func(t kafka.Topics) string { return t.States },
	} {
		l := newTestLog(t)
		record := &kgo.Record{Topic: topic(l.Topics), Key: []byte("calendar\x1fx"), Value: []byte("{}")}
		record.Headers = []kgo.RecordHeader{{Key: wire.LevelHeader, Value: strconv.AppendInt(nil, process.MaxLevel+1, 10)}}
		if err := l.Client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
		metrics := &unsupported{reasons: make(chan string, 1), skipped: make(chan int64, 10)}
		stop := l.startProcessor(metrics)
		if got := <-metrics.reasons; !strings.Contains(got, fmt.Sprintf("of level %d", process.MaxLevel+1)) || strings.Contains(got, "\n") {
			t.Errorf("%s: got reason %q, want one line about the level", record.Topic, got)
		}
		stop()
	}
}
