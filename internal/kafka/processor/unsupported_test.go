package processor

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/process"
)

// unsupported receives the reason for which a processor has left its group.
type unsupported struct {
	stepMetrics
	reasons chan string
	skipped chan int64
}

func (u *unsupported) Unsupported(partition int32, reason string) {
	u.reasons <- fmt.Sprintf("partition %d: %s", partition, reason)
}

func (u *unsupported) Processed(_ int32, counts process.Counts, _ int64) {
	if counts.Skipped > 0 {
		u.skipped <- counts.Skipped
	}
}

// An old processor beside newer ones meets what it does not know. It passes over what decides nothing. Before a rule it commits what
// it has processed, and leaves the partitions to the others.
func TestAProcessorLeavesItsGroupBeforeAnUnknownDecision(t *testing.T) {
	l := newTestLog(t)
	metrics := &unsupported{reasons: make(chan string, 1), skipped: make(chan int64, 10)}
	stop := l.startProcessor(metrics)
	before := kafkatest.Reading(1, time.Now(), 20)
	l.Post(before)
	unknown := func(kind iot.Kind) *kgo.Record {
		// The same key goes to the same partition as the readings of the device.
		r := &kgo.Record{Topic: l.Topics.Readings, Key: []byte(before.ID), Value: []byte("{}"), Headers: kafka.KindHeaders(kind, 9)}
		if err := l.Client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
		return r
	}
	unknown("vibration")
	if got := <-metrics.skipped; got != 1 {
		t.Errorf("got %d records skipped, want 1", got)
	}
	rule := unknown(iot.KindRule)
	l.Post(kafkatest.Reading(1, time.Now(), 20))

	want := fmt.Sprintf(`partition %d: the record at offset %d is of the kind "rule", level 9`, rule.Partition, rule.Offset)
	if got := <-metrics.reasons; !strings.HasPrefix(got, want) {
		t.Errorf("got reason %q, want one that begins with %q", got, want)
	}
	admin := kadm.NewClient(l.Client)
	groups, err := admin.DescribeGroups(t.Context(), "test")
	if err != nil || len(groups["test"].Members) != 0 {
		t.Errorf("got members %v of the group, %v, want none", groups["test"].Members, err)
	}
	offsets, err := admin.FetchOffsets(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	committed, _ := offsets.Lookup(l.Topics.Readings, rule.Partition)
	checkpoint, err := process.ParseCheckpoint(committed.At, strings.TrimSpace(committed.Metadata))
	if err != nil || checkpoint.Position != rule.Offset {
		t.Errorf("got position %d committed, %v, want the offset of the rule, %d", checkpoint.Position, err, rule.Offset)
	}
	stop()
}
