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
				before := l.end()
				now = now.Add(time.Hour)
				apply(s, t.Context(), now)
				s.settings.running.Wait()
				return l.end() > before
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
			part.Skip(l.end())
			if !appends(s) {
				t.Error("it was not appended again, although the partition has passed it and it is not in force")
			}
			if s, _ = newSession(process.Checkpoint{Epoch: 1}); !appends(s) {
				t.Error("it was not appended to the log that has begun anew")
			}
		})
	}
}

// end returns the end of the first partition of the readings.
func (l *testLog) end() int64 {
	l.T.Helper()
	client, err := kgo.NewClient(l.Dial.Options()...)
	if err != nil {
		l.T.Fatal(err)
	}
	defer client.Close()
	extents, err := kafka.ListExtents(l.T.Context(), kadm.NewClient(client), l.Topics.Readings)
	if err != nil {
		l.T.Fatal(err)
	}
	return extents[0].End
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

// limitsInForce are settings in force from the start of a partition on.
func limitsInForce(t *testing.T, revision int64, highest float64) process.InForce {
	t.Helper()
	options := withLimits(t, revision, highest)
	limits, err := options.Admission.Limits(options.Lateness)
	if err != nil {
		t.Fatal(err)
	}
	inForce, err := process.DecodeInForce(wire.AppendLimitsKey(nil, 0), wire.AppendSettingsInForce(nil, &iot.SettingsInForce{
		Settings: iot.Settings{Revision: revision, Window: options.Window, Limits: limits},
	}))
	if err != nil {
		t.Fatal(err)
	}
	return inForce
}

// settingsSession returns a session of a consumer whose configured limits are up to 40 °C and have the revision 100. It owns partitions,
// from 0 on, in which others are in force.
func settingsSession(t *testing.T, l *testLog, inForce ...process.InForce) *session {
	t.Helper()
	options := withLimits(t, 100, 40)
	p := New(Options{Dial: l.Dial, Topics: l.Topics, Group: "test", Process: options, Metrics: &stepMetrics{}, Logger: kafkatest.Quiet()})
	s := &session{Processor: p, partitions: make(map[int32]*owned)}
	for id, f := range inForce {
		part := process.New(options, int32(id), process.Checkpoint{Level: process.MaxLevel}, false)
		part.RestoreInForce(f)
		if err := part.Process(nil, new(alertsOf)); err != nil {
			t.Fatal(err)
		}
		s.partitions[int32(id)] = &owned{Partition: part}
	}
	return s
}

// Sequence: a partition is added, and begins with the configuration of a consumer that has an older one. Later a consumer with the newer
// configuration, which is in force in the other partitions, owns it too.
func TestAPartitionWithOlderLimitsGetsTheNewer(t *testing.T) {
	l := newTestLog(t)
	s := settingsSession(t, l, limitsInForce(t, 100, 40), limitsInForce(t, 50, 65))
	if _, any := s.partitions[0].Outdated(time.Now()); any {
		t.Fatal("the configured limits are not in force in the first partition")
	}
	s.applyConfiguration(t.Context(), time.Now())
	s.settings.running.Wait()
	l.awaitLimits(40)
}

// Sequence: limits have changed, and one of two partitions has a backlog of hours. The other one has read the newer limits. The slow one
// has not, and does not get them again and again.
func TestASlowPartitionGetsSettingsOnce(t *testing.T) {
	l := newTestLog(t)
	s := settingsSession(t, l, limitsInForce(t, 50, 65), limitsInForce(t, 50, 65))
	now := time.Now()
	apply := func() {
		now = now.Add(time.Hour)
		s.applyConfiguration(t.Context(), now)
		s.settings.running.Wait()
	}
	apply()
	s.partitions[0] = settingsSession(t, l, limitsInForce(t, 100, 40)).partitions[0]
	end := l.end()
	for range 3 {
		apply()
	}
	if end == 0 || l.end() != end {
		t.Errorf("the partition ends at %d after the first time, and at %d after some more; want the same, and not 0", end, l.end())
	}
}

// In one process alone the configuration is newer than anything in force, with a revision that depends on the partition. One record is
// newer in all partitions.
func TestSettingsAreNewerThanThoseOfEveryPartition(t *testing.T) {
	l := newTestLog(t)
	s := settingsSession(t, l, limitsInForce(t, 150, 65), limitsInForce(t, 250, 65), limitsInForce(t, 200, 65))
	s.Process.Alone = true
	s.applyConfiguration(t.Context(), time.Now())
	s.settings.running.Wait()
	l.Committed(l.Topics.Readings, func(r *kgo.Record) bool {
		if kafka.KindOf(r).Kind != iot.KindSettings {
			return false
		}
		if settings, err := wire.DecodeSettings(r.Value); err != nil || settings.Revision != 251 {
			t.Errorf("got the settings %s, %v, want the revision 251", r.Value, err)
		}
		return true
	})
}
