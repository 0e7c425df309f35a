package processor

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// withLimits returns options with another range of temperatures.
func withLimits(t *testing.T, revision int64, highest float64) *process.Options {
	t.Helper()
	options := testProcess(t)
	options.OfflineAfter, options.Revision = time.Hour, revision
	types := iot.BuiltinTypes()
	types[0].Max = highest
	catalog, err := iot.NewCatalog(types...)
	if err != nil {
		t.Fatal(err)
	}
	admission := *options.Admission
	admission.Catalog = catalog
	options.Admission = &admission
	return options
}

// awaitLimits waits until every partition has as many records with limits as wanted, and compares the highest temperatures in them.
func (l *testLog) awaitLimits(want ...float64) {
	l.T.Helper()
	got := make(map[int32][]float64)
	full := 0
	l.Committed(l.Topics.Readings, func(r *kgo.Record) bool {
		if kafka.KindOf(r).Kind != iot.KindSettings {
			return false
		}
		s, err := wire.DecodeSettings(r.Value)
		if err != nil || s.Limits == nil {
			l.T.Fatalf("got settings %s, %v, want limits", r.Value, err)
		}
		if got[r.Partition] = append(got[r.Partition], s.Limits.Types[0].Max); len(got[r.Partition]) == len(want) {
			full++
		}
		return full == kafkatest.Partitions
	})
	for id, highest := range got {
		if !slices.Equal(highest, want) {
			l.T.Errorf("partition %d: got limits up to %v, want %v", id, highest, want)
		}
	}
}

// safeLog is a log of a service that may be read while it is written.
type safeLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *safeLog) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(text)
}

func (s *safeLog) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// A consumer with newer limits takes over, and after it one with the older limits again.
func TestTheNewestConfiguredLimitsStayInForce(t *testing.T) {
	l := newTestLog(t)
	var log safeLog
	start := func(revision int64, highest float64) (stop func()) {
		return l.startWith(Options{
			CommitInterval: 50 * time.Millisecond, Metrics: &stepMetrics{}, Process: withLimits(t, revision, highest),
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
	}
	now := time.Now()
	refused := 0
	post := func(value float64) {
		t.Helper()
		now = now.Add(time.Millisecond)
		l.Post(kafkatest.Reading(1, now, value))
	}
	awaitRefused := func() {
		t.Helper()
		refused++
		letters := 0
		l.Committed(l.Topics.DeadLetters, func(*kgo.Record) bool { letters++; return letters == refused })
	}
	stop := start(100, 2000)
	l.awaitLimits(2000)
	post(50)
	stop()
	stop = start(200, 40)
	l.awaitLimits(2000, 40)
	post(50)
	awaitRefused()
	stop()
	stop = start(100, 2000)
	post(50)
	awaitRefused()
	time.Sleep(1500 * time.Millisecond) // The settings are compared every second.
	stop()
	l.awaitLimits(2000, 40)
	if got := log.String(); strings.Count(got, "the configured limits on readings are not in force: newer ones are") != 1 ||
		!strings.Contains(got, "device type temperature_sensor: otherwise configured") || strings.Count(got, "limits on readings change") != 1 {
		t.Errorf("got the log\n%s\nwant one line about the change, and one about the older limits", got)
	}
}

// An operator says that the last old consumer is gone. Until then no record has limits.
func TestLimitsWaitForTheEndOfAnUpgrade(t *testing.T) {
	l := newTestLog(t)
	l.commitOffsets(process.Checkpoint{Level: 1, Devices: -1})
	var log safeLog
	start := func(revision int64, highest float64) (stop func()) {
		return l.startWith(Options{
			CommitInterval: 50 * time.Millisecond, Metrics: &stepMetrics{}, Process: withLimits(t, revision, highest),
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
	}
	stop := start(100, 2000)
	l.Post(kafkatest.Reading(1, time.Now(), 50))
	time.Sleep(1500 * time.Millisecond)
	stop()
	start(200, 40)
	waiting := "consumers of an older version may still run"
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(log.String(), waiting); {
		if time.Now().After(deadline) {
			t.Fatalf("got the log\n%s\nwant %q", log.String(), waiting)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if _, err := FinishUpgrade(t.Context(), l.Dial, l.Topics.Readings); err != nil {
		t.Fatal(err)
	}
	l.awaitLimits(40) // The first limits in the log.
}

// Sequence: only one of two consumers gets a new configuration, and not the one that owns the first partition. The newest configuration
// comes into force all the same.
func TestEveryConsumerPutsItsNewerLimitsInForce(t *testing.T) {
	l := newTestLog(t)
	start := func(revision int64, highest float64) {
		l.startWith(Options{CommitInterval: 50 * time.Millisecond, Metrics: &stepMetrics{}, Process: withLimits(t, revision, highest)})
	}
	start(100, 2000)
	l.awaitLimits(2000)
	start(200, 40)
	l.awaitLimits(2000, 40)
}
