package processor

import (
	"context"
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

// Sequence: the configuration has changed, and a partition has a backlog of hours. What is appended to it is behind the backlog, so it is not
// in force soon. It must not be appended again before the partition has read it, however many sessions that takes.
func TestNothingIsAppendedAgainBeforeItIsRead(t *testing.T) {
	for name, apply := range map[string]func(*session, context.Context, time.Time){
		"settings": (*session).applyConfiguration, "rules": (*session).applyRules,
	} {
		t.Run(name, func(t *testing.T) {
			l := newTestLog(t)
			client, err := kgo.NewClient(l.Dial.Options()...)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			end := func() int64 {
				extents, err := kafka.ListExtents(t.Context(), kadm.NewClient(client), l.Topics.Readings)
				if err != nil {
					t.Fatal(err)
				}
				return extents[0].End
			}
			options := withLimits(t, 100, 40)
			options.RuleRevision = 100
			p := New(Options{Dial: l.Dial, Topics: l.Topics, Group: "test", Process: options, Metrics: &stepMetrics{}, Logger: kafkatest.Quiet()})
			newSession := func(from process.Checkpoint) (*session, *process.Partition) {
				from.Level = process.MaxLevel
				part := process.New(options, 0, from, false)
				part.RestoreInForce(olderRule(t))
				if err := part.Process(nil, new(alertsOf)); err != nil {
					t.Fatal(err)
				}
				return &session{Processor: p, partitions: map[int32]*owned{0: {Partition: part}}}, part
			}
			now := time.Now()
			appends := func(s *session) bool {
				before := end()
				now = now.Add(time.Hour)
				apply(s, t.Context(), now)
				s.settings.running.Wait()
				return end() > before
			}
			s, _ := newSession(process.Checkpoint{})
			if !appends(s) {
				t.Fatal("nothing was appended")
			}
			if appends(s) {
				t.Error("it was appended again, before it was read")
			}
			s, part := newSession(process.Checkpoint{})
			if appends(s) {
				t.Error("it was appended again by the next session, before it was read")
			}
			part.Skip(end())
			if !appends(s) {
				t.Error("it was not appended again, although the partition has passed it and it is not in force")
			}
			if s, _ = newSession(process.Checkpoint{Epoch: 1}); !appends(s) {
				t.Error("it was not appended to the log that has begun anew")
			}
		})
	}
}

// olderRule is a rule of an older configuration.
func olderRule(t *testing.T) process.InForce {
	t.Helper()
	rule := iot.RuleInForce{RuleEntry: iot.RuleEntry{Version: 1, Provisioned: true, Rule: iot.Rule{
		Name: "old", Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Info, Condition: iot.Condition{Threshold: 10},
	}}}
	inForce, err := process.DecodeInForce(wire.AppendRuleKey(nil, "old"), wire.AppendRuleInForce(nil, &rule))
	if err != nil {
		t.Fatal(err)
	}
	return inForce
}
