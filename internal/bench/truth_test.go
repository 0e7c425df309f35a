package bench

import (
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
)

const length = 5 * time.Second

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func reading(at time.Duration, value float64) iot.Reading {
	return iot.Reading{Device: iot.Device{ID: "a", Type: iot.Temperature}, Time: noon.Add(at), Value: value}
}

func summary(partition int32, position int64, final bool, values ...float64) iot.WindowSummary {
	s := iot.WindowSummary{
		Type: iot.Temperature, Window: iot.WindowOf(noon, length), Final: final,
		Position: iot.Position{Partition: partition, Offset: position},
	}
	for _, value := range values {
		s.Add(value)
	}
	return s
}

// A benchmark of the registry must notice that entries are not in force: it would measure readings without them.
func TestReadingsOfRegisteredDevicesMustBeInTheirAreas(t *testing.T) {
	truth := NewTruth(length)
	sent := []iot.Reading{reading(0, 1), reading(time.Second, 2), reading(2*time.Second, 4)}
	truth.add(sent)
	truth.addRegistered(sent, func(i int) bool { return i > 0 })
	inArea := func(area iot.Area, values ...float64) iot.GroupSummary {
		g := iot.GroupSummary{Group: iot.Group{Area: area, Type: iot.Temperature}}
		for _, value := range values {
			g.Add(value)
		}
		return g
	}
	for want, groups := range map[string][]iot.GroupSummary{
		"":        {inArea("A", 1), inArea("plant 1", 2), inArea("plant 2", 4)},
		"count 1": {inArea("A", 1, 2), inArea("plant 2", 4)},
		"count 0": nil,
	} {
		s := summary(0, 5, true, 1, 2, 4)
		s.Groups = groups
		ledger := NewLedger()
		ledger.Add([]iot.WindowSummary{s})
		wrong := ledger.Verify(truth)
		if want == "" && len(wrong) > 0 || want != "" && (len(wrong) != 1 || !strings.Contains(wrong[0], want+" in the areas of the registry; sent were 2")) {
			t.Errorf("got %q, want %q", wrong, want)
		}
	}
}

func TestEveryReadingMustBeInOneSummary(t *testing.T) {
	truth := NewTruth(length)
	truth.add([]iot.Reading{reading(0, 1), reading(time.Second, 0.1), reading(2*time.Second, 0.2)})
	for name, test := range map[string]struct {
		said []iot.WindowSummary
		want string
	}{
		"all":                          {[]iot.WindowSummary{summary(0, 5, false, 1, 0.1, 0.2)}, ""},
		"over partitions":              {[]iot.WindowSummary{summary(0, 5, true, 0.2), summary(1, 5, true, 0.1, 1)}, ""},
		"newer replaces older":         {[]iot.WindowSummary{summary(0, 5, false, 1, 0.1), summary(0, 6, true, 1, 0.1, 0.2)}, ""},
		"older does not replace newer": {[]iot.WindowSummary{summary(0, 6, true, 1, 0.1, 0.2), summary(0, 5, false, 1, 0.1)}, ""},
		"nothing":                      {nil, "count 0, sum 0, min 0, max 0; sent were 3, 1.3, 0.1, 1"},
		"one lost":                     {[]iot.WindowSummary{summary(0, 5, true, 1, 0.2)}, "count 2"},
		"one twice":                    {[]iot.WindowSummary{summary(0, 5, true, 1, 0.1, 0.2, 0.2)}, "count 4"},
		"another value":                {[]iot.WindowSummary{summary(0, 5, true, 1, 0.1, 0.3)}, "sum 1.4"},
		"in two partitions":            {[]iot.WindowSummary{summary(0, 5, true, 1, 0.1, 0.2), summary(1, 5, true, 0.2)}, "count 4"},
	} {
		t.Run(name, func(t *testing.T) {
			ledger := NewLedger()
			ledger.Add(test.said)
			wrong := ledger.Verify(truth)
			if test.want == "" && len(wrong) > 0 || test.want != "" && (len(wrong) != 1 || !strings.Contains(wrong[0], test.want)) {
				t.Errorf("got %q, want %q", wrong, test.want)
			}
		})
	}
	ledger := NewLedger()
	other := summary(0, 5, true, 7)
	other.Window = iot.WindowOf(noon.Add(time.Hour), length)
	ledger.Add([]iot.WindowSummary{summary(0, 5, true, 1, 0.1, 0.2), other})
	if wrong := ledger.Verify(truth); len(wrong) != 1 || !strings.Contains(wrong[0], "of which none was sent") {
		t.Errorf("got %q, want a window that was not sent", wrong)
	}
	if ledger.Windows() != 2 {
		t.Errorf("got %d windows, want 2", ledger.Windows())
	}
}

func TestLoadSaysNothingTwice(t *testing.T) {
	for _, devices := range []int{1, 3, 10_000} {
		l := NewLoad(devices)
		seen := make(map[iot.DeviceID][]time.Time)
		for range 20 {
			l.fill(readingsAtOnce)
			for _, r := range l.batch {
				seen[r.ID] = append(seen[r.ID], r.Time)
			}
		}
		for id, times := range seen {
			if !slices.IsSortedFunc(times, time.Time.Compare) || len(slices.Compact(slices.Clone(times))) != len(times) {
				t.Fatalf("%d devices: %s says something twice, or earlier than before", devices, id)
			}
		}
	}
}

func TestLoadIsOfReadingsThatAreAccepted(t *testing.T) {
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	l := NewLoad(1000)
	l.fill(readingsAtOnce)
	for i := range l.batch {
		if err := catalog.Normalize(&l.batch[i]); err != nil {
			t.Fatalf("%+v: %v", l.batch[i], err)
		}
	}
}
