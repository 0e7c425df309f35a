package view

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/view/viewtest"
	"iotmon/internal/wire"
)

const windowLength = viewtest.WindowLength

var noon = viewtest.Noon

func script() *viewtest.Script { return new(viewtest.Script) }

func newTestView() *View {
	return New(Options{WindowLength: windowLength, KeepWindows: 4, Now: func() time.Time { return noon }})
}

func TestViewKeepsTheHighestPosition(t *testing.T) {
	p, v := script(), newTestView()
	old := p.Says("device_001", iot.Temperature, "A", 20)
	recent := p.Says("device_001", iot.Temperature, "B", 21)
	recent.Status = iot.Offline
	again := recent
	again.Epoch, again.Offset, again.Latest.Value = 1, 1, 22

	for _, step := range []struct {
		name  string
		state iot.DeviceState
		want  float64
	}{
		{"first", recent, 21},
		{"a zombie's older state", old, 21},
		{"the log began anew", again, 22},
		{"a zombie from before that", recent, 22},
	} {
		v.Apply(Batch{States: []iot.DeviceState{step.state}})
		got, known := v.Device("device_001")
		if !known || got.Latest.Value != step.want {
			t.Errorf("%s: got %v (%v), want %v", step.name, got.Latest.Value, known, step.want)
		}
	}
	want := wire.StatusCounts{Total: 1, Offline: 1}
	if counts := v.Counts(); counts.StatusCounts != want || len(counts.ByType) != 1 {
		t.Errorf("counts: got %+v, want %+v of one type", counts, want)
	}
}

func TestTheTimeDecidesForADeviceThatMovedToAnotherPartition(t *testing.T) {
	p, v := script(), newTestView()
	before := p.Says("device_001", iot.Temperature, "A", 20)
	before.Offset = 1_000_000
	moved := p.Says("device_001", iot.Temperature, "A", 21)
	moved.Partition, moved.Offset = 7, 1
	v.Apply(Batch{States: []iot.DeviceState{before, moved, before}})
	if got, _ := v.Device("device_001"); got.Latest.Value != 21 {
		t.Errorf("got %v, want 21", got.Latest.Value)
	}
}

func TestWindowAddsUpPartitionsAndIsFinalWhenAllAre(t *testing.T) {
	p, v := script(), newTestView()
	first, second := p.Sums(0, iot.Temperature, true, 20, 30), p.Sums(0, iot.Temperature, false, 10)
	second.Partition = 1
	closed := second
	closed.Final = true
	late := p.Sums(0, iot.Temperature, true)
	late.Late = true
	alien := p.Sums(0, iot.Temperature, true, 99)
	alien.Window.Length = time.Minute

	v.Apply(Batch{Summaries: []iot.WindowSummary{first, second, late, alien}})
	data, final := v.windows.get(noon).Merge(nil)
	sum := data[iot.Temperature]
	if sum.Count != 3 || sum.Average() != 20 || sum.Min != 10 || sum.Max != 30 || final {
		t.Errorf("got %+v final %v, want 3 readings from 10 to 30, average 20, not final", sum, final)
	}
	v.Apply(Batch{Summaries: []iot.WindowSummary{closed, second}})
	if _, final = v.windows.get(noon).Merge(nil); !final {
		t.Error("not final although every partition closed it at the same position")
	}
	if sum := first.Summary; sum.Count != 2 {
		t.Errorf("merging changed what was merged: %+v", sum)
	}
}

// A window narrows to areas: a correction replaces all groups of its partition at once, and a summary without groups is of the
// unknown area.
func TestWindowNarrowsToAreas(t *testing.T) {
	p, v := script(), newTestView()
	first := p.Sums(0, iot.Temperature, true, 20, 30, 40)
	viewtest.Divide(&first, map[iot.Area][]float64{"A": {20, 30}, "B": {40}})
	second := p.Sums(0, iot.Temperature, false, 10)
	second.Partition = 1
	viewtest.Divide(&second, map[iot.Area][]float64{"A": {10}})
	old := p.Sums(0, iot.Humidity, true, 5)
	v.Apply(Batch{Summaries: []iot.WindowSummary{first, second, old}})
	counts := func(areas ...iot.Area) string {
		set := make(map[iot.Area]struct{})
		for _, a := range areas {
			set[a] = struct{}{}
		}
		data, _ := v.windows.get(noon).Merge(set)
		var list []string
		for kind, sum := range data {
			list = append(list, fmt.Sprintf("%s %d %g", kind, sum.Count, sum.Average()))
		}
		slices.Sort(list)
		return strings.Join(list, ", ")
	}
	for _, test := range []struct {
		areas []iot.Area
		want  string
	}{
		{[]iot.Area{"A"}, "temperature_sensor 3 20"}, {[]iot.Area{"A", "B"}, "temperature_sensor 4 25"}, {[]iot.Area{"C"}, ""},
		{[]iot.Area{"", "B"}, "humidity_sensor 1 5, temperature_sensor 1 40"},
	} {
		if got := counts(test.areas...); got != test.want {
			t.Errorf("%q: got %q, want %q", test.areas, got, test.want)
		}
	}
	corrected := p.Corrects(0, iot.Temperature, 20, 30, 40, 50)
	viewtest.Divide(&corrected, map[iot.Area][]float64{"A": {20}, "C": {30, 40, 50}})
	v.Apply(Batch{Summaries: []iot.WindowSummary{corrected}})
	if got, want := counts("A")+"; "+counts("B")+"; "+counts("C"), "temperature_sensor 2 15; ; temperature_sensor 3 40"; got != want {
		t.Errorf("after the correction: got %q, want %q", got, want)
	}
}

func TestOnlyTheNewestWindowsAreKept(t *testing.T) {
	p, v := script(), newTestView()
	for _, n := range []int{0, 3, 1, 2, 5, 4, 0} {
		v.Apply(Batch{Summaries: []iot.WindowSummary{p.Sums(n, iot.Humidity, true, 1)}})
	}
	var got []int
	for _, w := range v.windows.sorted {
		got = append(got, int(w.Start.Sub(noon)/windowLength))
	}
	if want := []int{2, 3, 4, 5}; !slices.Equal(got, want) {
		t.Errorf("windows kept: got %v, want %v", got, want)
	}
}

func TestAlertLife(t *testing.T) {
	p := script()
	event := func(transition iot.Transition, offset int64) iot.Alert {
		a := p.Alarm(1, iot.Temperature, "A", iot.Warning, transition)
		a.Position = iot.Position{Offset: offset}
		return a
	}
	anew := event(iot.Raised, 1)
	anew.Epoch = 1
	note := func(offset int64) iot.Alert {
		a := event(iot.Noted, offset)
		return iot.Alert{
			ID: a.ID, DeviceID: a.DeviceID, Transition: iot.Noted, Reason: iot.Waived, Handling: iot.Handling{Actor: "u-1", Comment: "post mortem"}, Position: a.Position,
		}
	}
	past := event(iot.Cleared, 9)
	past.ID, past.Historical = "past", true
	for _, test := range []struct {
		name   string
		events []iot.Alert
		want   []iot.Transition
		open   bool
	}{
		{"raised", []iot.Alert{event(iot.Raised, 5)}, []iot.Transition{iot.Raised}, true},
		{"repeated", []iot.Alert{event(iot.Raised, 5), event(iot.Raised, 5), event(iot.Raised, 4)}, []iot.Transition{iot.Raised}, true},
		{"over at the next position", []iot.Alert{event(iot.Raised, 5), event(iot.Cleared, 6)}, []iot.Transition{iot.Raised, iot.Cleared}, false},
		{"raised again by a zombie", []iot.Alert{event(iot.Raised, 5), event(iot.Cleared, 6), event(iot.Raised, 5)}, []iot.Transition{iot.Raised, iot.Cleared}, false},
		{"acknowledged, then repeated", []iot.Alert{event(iot.Raised, 5), event(iot.Acknowledged, 6), event(iot.Raised, 5), event(iot.Acknowledged, 6)}, []iot.Transition{iot.Raised, iot.Acknowledged}, true},
		// Sequence: a device is forgotten, and a gateway sends the reading again that had raised the alert.
		{"raised again at a later position", []iot.Alert{event(iot.Raised, 5), event(iot.Cleared, 6), event(iot.Raised, 9)}, []iot.Transition{iot.Raised, iot.Cleared, iot.Raised}, true},
		// Sequence: an alert clears, and is acknowledged or commented afterwards. Ordered by stage, nobody would ever see that.
		{"acknowledged after it has cleared", []iot.Alert{event(iot.Raised, 5), event(iot.Cleared, 6), event(iot.Cleared, 8)}, []iot.Transition{iot.Raised, iot.Cleared, iot.Cleared}, false},
		// Sequence: a shelving ends at its planned time, which lies before the time of the last event.
		{"updated by what happened earlier", []iot.Alert{event(iot.Raised, 5), event(iot.Updated, 6), event(iot.Updated, 7)}, []iot.Transition{iot.Raised, iot.Updated, iot.Updated}, true},
		{"in a log that began anew", []iot.Alert{event(iot.Raised, 5), event(iot.Cleared, 6), anew, event(iot.Cleared, 6)}, []iot.Transition{iot.Raised, iot.Cleared, iot.Raised}, true},
		{"historical", []iot.Alert{past}, nil, false},
		// Of an alert that is over the processor knows nothing: what is said of it has the id and the device only.
		{"commented when it was over", []iot.Alert{event(iot.Raised, 5), event(iot.Cleared, 6), note(9), note(9)}, []iot.Transition{iot.Raised, iot.Cleared, iot.Cleared}, false},
		{"noted of an unknown alert", []iot.Alert{note(9)}, nil, false},
		{"noted of an open alert", []iot.Alert{event(iot.Raised, 5), note(9)}, []iot.Transition{iot.Raised}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := newTestView()
			var announced []iot.Transition
			for _, event := range test.events {
				for _, a := range v.Apply(Batch{Alerts: []iot.Alert{event}}).Alerts {
					announced = append(announced, a.Transition)
					if a.Comment != "" && (a.Rule == "" || a.LifeState() != iot.NormalState) {
						t.Errorf("got %+v, want a whole event of an alert that is over", a)
					}
				}
			}
			if !slices.Equal(announced, test.want) {
				t.Errorf("announced: got %v, want %v", announced, test.want)
			}
			if open := len(allOpen(v)) == 1; open != test.open {
				t.Errorf("open: got %v, want %v", open, test.open)
			}
		})
	}
}

func TestStatesOpenAndCloseAlertsWhoseEventsAreGone(t *testing.T) {
	p, v := script(), newTestView()
	alarm := p.Alarm(1, iot.Temperature, "A", iot.Warning, iot.Raised)
	state := p.Says("device_001", iot.Temperature, "A", 28.1)
	state.Alerts = []iot.AlertState{{Rule: alarm.Rule, Raised: &alarm}}
	v.Apply(Batch{States: []iot.DeviceState{state}})
	if open := allOpen(v); len(open) != 1 || open[0].ID != alarm.ID {
		t.Fatalf("after the state: got %v, want the alert it holds", open)
	}
	if events := v.Apply(Batch{Alerts: []iot.Alert{alarm}}).Alerts; len(events) != 1 {
		t.Errorf("the event that came after the state: got %d announced, want 1", len(events))
	}
	v.Apply(Batch{States: []iot.DeviceState{p.Says("device_001", iot.Temperature, "A", 20)}})
	if open := allOpen(v); len(open) != 0 {
		t.Errorf("after a state without it: got %v, want none", open)
	}
	end := p.Alarm(1, iot.Temperature, "A", iot.Warning, iot.Cleared)
	if events := v.Apply(Batch{Alerts: []iot.Alert{end, end}}).Alerts; len(events) != 1 {
		t.Errorf("the event that cleared it: got %d announced, want 1", len(events))
	}
}

func TestOldClosedAlertsAreForgotten(t *testing.T) {
	p, v := script(), newTestView()
	var batches []Batch
	for n := range 2 * keptClosed {
		batches = append(batches, Batch{Alerts: []iot.Alert{
			p.Alarm(n, iot.Temperature, "A", iot.Info, iot.Raised),
			p.Alarm(n, iot.Temperature, "A", iot.Info, iot.Cleared),
		}})
		v.Apply(batches[n])
	}
	if got := len(v.alerts.byID); got != keptClosed {
		t.Errorf("alerts remembered: got %d, want %d", got, keptClosed)
	}
	if len(v.alerts.byDevice) != 0 || len(v.alerts.open) != 0 {
		t.Errorf("closed alerts still listed as open: %d by device, %d", len(v.alerts.byDevice), len(v.alerts.open))
	}
	// The log is read again, from before the events of forgotten alerts.
	for _, b := range batches {
		if events := v.Apply(b).Alerts; len(events) > 0 {
			t.Fatalf("announced again: %v", events)
		}
	}
	next := p.Alarm(3*keptClosed, iot.Temperature, "A", iot.Info, iot.Raised)
	if events := v.Apply(Batch{Alerts: []iot.Alert{next}}).Alerts; len(events) != 1 {
		t.Errorf("a new alert after that: got %d announced, want 1", len(events))
	}
}

// Whatever batches are repeated or arrive late, the view ends as if each had arrived once and in order.
func TestRepeatedAndLateBatchesChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := script()
		var truth []Batch
		for range rapid.IntRange(1, 30).Draw(t, "batches") {
			n := rapid.IntRange(1, 3).Draw(t, "device")
			var b Batch
			switch rapid.IntRange(0, 2).Draw(t, "what") {
			case 0:
				b.States = []iot.DeviceState{p.Says(fmt.Sprint(n), iot.Temperature, "A", rapid.Float64Range(0, 50).Draw(t, "value"))}
			case 1:
				s := p.Sums(n, iot.Temperature, false, 20)
				s.Partition = int32(rapid.IntRange(0, 2).Draw(t, "partition"))
				b.Summaries = []iot.WindowSummary{s}
			default:
				for _, transition := range []iot.Transition{iot.Raised, iot.Cleared} {
					b.Alerts = append(b.Alerts, p.Alarm(int(p.Offset), iot.Temperature, "A", iot.Info, transition))
				}
			}
			truth = append(truth, b)
		}
		inOrder, disturbed := newTestView(), newTestView()
		for _, b := range truth {
			inOrder.Apply(b)
		}
		seed := rapid.Uint64().Draw(t, "seed")
		random := rand.New(rand.NewPCG(seed, seed))
		for i, b := range truth {
			disturbed.Apply(b)
			disturbed.Apply(truth[random.IntN(i+1)])
		}
		sameView(t, disturbed, inOrder)
	})
}

func sameView(t *rapid.T, got, want *View) {
	t.Helper()
	if g, w := allDevices(got), allDevices(want); !reflect.DeepEqual(g, w) {
		t.Errorf("devices: got %v, want %v", g, w)
	}
	if g, w := allOpen(got), allOpen(want); !reflect.DeepEqual(g, w) {
		t.Errorf("open alerts: got %v, want %v", g, w)
	}
	if g, w := got.Counts(), want.Counts(); !reflect.DeepEqual(g, w) {
		t.Errorf("counts: got %v, want %v", g, w)
	}
	if g, w := len(got.windows.sorted), len(want.windows.sorted); g != w {
		t.Fatalf("windows: got %d, want %d", g, w)
	}
	for i := range got.windows.sorted {
		if g, w := got.windows.sorted[i].parts, want.windows.sorted[i].parts; !reflect.DeepEqual(g, w) {
			t.Errorf("window %d: got %v, want %v", i, g, w)
		}
	}
}

func TestReadingsPerSecond(t *testing.T) {
	p := script()
	now := noon
	v := New(Options{WindowLength: windowLength, Now: func() time.Time { return now }})
	grow := func(window int, readings ...float64) {
		v.Apply(Batch{Summaries: []iot.WindowSummary{p.Sums(window, iot.Temperature, false, readings...)}})
	}
	// The summaries of the half hour before the start of this view arrive within its first second.
	for n := range 60 {
		grow(n, make([]float64, 1000)...)
	}
	readings := 0
	for second := 1; second <= 30; second++ {
		now = noon.Add(time.Duration(second) * time.Second)
		readings += 20
		grow(60, make([]float64, readings)...)
		grow(60, make([]float64, readings)...)
	}
	if got := v.ReadingsPerSecond(now); got != 20 {
		t.Errorf("at 20 readings a second, each reported twice: got %v, want 20", got)
	}
	if got := v.ReadingsPerSecond(now.Add(5 * time.Second)); got >= 20 || got <= 0 {
		t.Errorf("five seconds after the last: got %v, want less than 20 and not 0", got)
	}
	if got := v.ReadingsPerSecond(now.Add(time.Minute)); got != 0 {
		t.Errorf("a minute after the last: got %v, want 0", got)
	}
}

// After a restart with another window length, windows have the old length for a while and then the new one. Both are shown, each
// with its own length.
func TestWindowsOfTheLengthInForceAreShown(t *testing.T) {
	p, v := script(), newTestView()
	half := p.Sums(0, iot.Temperature, true, 1)
	half.Window.Length = windowLength / 2
	v.Apply(Batch{Summaries: []iot.WindowSummary{half}})
	if got, _ := counted(v, 0); got != 1 || lengthInForce(v) != windowLength/2 {
		t.Errorf("got %d readings in windows of %v, want the one that is in force, of %v", got, lengthInForce(v), windowLength/2)
	}
	v.Apply(Batch{Summaries: []iot.WindowSummary{p.Sums(1, iot.Temperature, false, 1, 2)}})
	if got, _ := counted(v, 1); got != 2 || lengthInForce(v) != windowLength {
		t.Errorf("got %d readings in windows of %v, want two of %v", got, lengthInForce(v), windowLength)
	}
	if got, _ := counted(v, 0); got != 1 {
		t.Errorf("got %d readings in the window before, want it kept", got)
	}
}

func lengthInForce(v *View) time.Duration {
	held := v.Hold()
	defer held.Release()
	return held.WindowLength()
}

// What asks for somebody is counted: not what is acknowledged, suppressed or over. What has been open for a day is, whatever people have done about it.
func TestAlertsThatWaitAreCounted(t *testing.T) {
	p, v := script(), newTestView()
	alarm := func(n int, change func(*iot.Alert)) {
		a := p.Alarm(n, iot.Temperature, "A", iot.Warning, iot.Raised)
		a.ID, a.Position = fmt.Sprint(n), iot.Position{Offset: int64(n)}
		a.Onset = noon.Add(-time.Hour)
		change(&a)
		v.Apply(Batch{Alerts: []iot.Alert{a}})
	}
	alarm(1, func(*iot.Alert) {})
	alarm(2, func(a *iot.Alert) { a.AckedAt = noon })
	alarm(3, func(a *iot.Alert) { a.Suppressed = iot.ByDesign })
	alarm(4, func(a *iot.Alert) { a.Onset = noon.Add(-iot.StaleSpan) })
	alarm(5, func(a *iot.Alert) { a.AckedAt, a.Onset = noon, noon.Add(-2*iot.StaleSpan) })
	alarm(6, func(a *iot.Alert) { a.Transition, a.Onset = iot.Cleared, noon.Add(-2*iot.StaleSpan) })
	if unacknowledged, stale := v.Waiting(); unacknowledged != 2 || stale != 2 {
		t.Errorf("got %d unacknowledged and %d stale, want 2 and 2", unacknowledged, stale)
	}
}
