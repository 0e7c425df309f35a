package process_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// inHall are the peers of which reading writes values: registered nowhere, and without a location.
var inHall = iot.Peers{Type: iot.Temperature}

// median appends the median of peers, which follows from values that were appended until the given second, for a minute.
func (j *journal) median(appended float64, peers iot.Peers, median, newest float64) {
	r := iot.Reference{Median: median, Devices: iot.MinPeers, Newest: at(newest), For: time.Minute}
	j.decide(appended, iot.KindReference, string(wire.AppendPeersKey(nil, peers)), wire.AppendReference(nil, &r))
}

func drawReference(t *rapid.T, j *journal, now float64) {
	peers := iot.Peers{Area: iot.Area(rapid.SampledFrom([]string{"", "", "A", "B"}).Draw(t, "area of the median")), Type: iot.Temperature}
	back := rapid.SampledFrom([]float64{0, 0, 1, 5, 59, 70, -30}).Draw(t, "age of the median")
	j.median(now, peers, rapid.SampledFrom([]float64{20, 23, 27, 31}).Draw(t, "median"), now-back)
}

// deviates is a rule of the kind Deviation, whose alerts deviations returns.
func deviates(change func(*iot.Rule)) iot.RuleEntry {
	entry := iot.RuleEntry{Version: 1, Rule: iot.Rule{
		Name: "odd", Severity: iot.Warning, Selector: iot.Selector{Type: iot.Temperature},
		Condition: iot.Condition{Kind: iot.Deviation, Threshold: 3, Hysteresis: 1},
	}}
	if change != nil {
		change(&entry.Rule)
	}
	return entry
}

// deviations returns the events of that rule as words: transition, device, value, and the second of the event.
func deviations(t *testing.T, out *recorder) (events []string) {
	t.Helper()
	for _, text := range out.alerts {
		a, err := wire.DecodeAlert([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if a.Rule == "odd" {
			events = append(events, fmt.Sprint(a.Transition, " ", a.DeviceID, " ", a.Value, " ", a.Time.Sub(epoch).Seconds()))
		}
	}
	return events
}

func TestAValueThatDeviatesFromTheMedianRaisesAnAlert(t *testing.T) {
	var j journal
	j.rule(0, deviates(nil))
	j.reading(1, "a", 1, 36) // No median is known yet.
	j.median(2, inHall, 20, 2)
	j.reading(3, "a", 3, 23)
	j.reading(4, "a", 4, 23.5)
	j.reading(5, "a", 5, 22.5) // Within the deadband.
	j.reading(6, "a", 6, 22)
	j.reading(7, "b", 7, 16) // On the other side.
	j.median(8, inHall, 16, 8)
	j.reading(9, "b", 9, 16)
	mustEqual(t, deviations(t, onePass(t, j)), "raised a 23.5 4", "cleared a 22 6", "raised b 16 7", "cleared b 16 9")
}

// Without a median nobody knows, so nothing changes: an alert stays open, and a delay runs on.
func TestWithoutAMedianEverythingStaysAsItWas(t *testing.T) {
	var j journal
	j.rule(0, deviates(func(r *iot.Rule) { r.For = 80 * time.Second }))
	j.median(1, inHall, 20, 1)
	j.reading(2, "a", 2, 30)
	j.reading(3, "b", 3, 30)
	for s := 12.0; s < 120; s += 10 { // From second 61 on there is no median.
		j.reading(s, "a", s, 30)
		j.reading(s+1, "b", s+1, 20)
		if s < 60 {
			j.reading(s+2, "b", s+2, 30)
		}
	}
	j.median(120, inHall, 20, 120)
	j.reading(121, "a", 121, 30)
	for s := 130.0; s < 240; s += 10 { // From second 180 on there is none again.
		j.reading(s, "a", s, map[bool]float64{true: 30, false: 20}[s < 180])
	}
	j.median(240, inHall, 20, 240)
	j.reading(241, "a", 241, 20)
	out, p := owned(t, options(t), j, process.Checkpoint{}, newRecorder())
	mustEqual(t, deviations(t, out), "raised a 30 121", "cleared a 20 241")
	if counts := p.ResetCounts(); counts.Unreferenced == 0 {
		t.Error("that readings were not judged is not counted")
	}
}

// Of two web services one may be behind. What it appends changes nothing, so the alert does not flap.
func TestAMedianOfOlderStatesChangesNothing(t *testing.T) {
	var j journal
	j.rule(0, deviates(nil))
	for s := 1.0; s < 50; s++ {
		j.median(s, inHall, 20, s)
		j.median(s, inHall, 30, s-1)
		j.reading(s, "a", s, 30)
	}
	mustEqual(t, deviations(t, onePass(t, j)), "raised a 30 1")
}

// A median that was appended long after its values holds no longer for that, and one from the future holds as long as any other.
func TestAMedianHoldsFromItsNewestValueOn(t *testing.T) {
	var j journal
	j.rule(0, deviates(nil))
	j.tick(100)
	j.median(101, inHall, 20, 30)
	j.reading(102, "a", 102, 30)
	j.median(103, inHall, 30, 1000)
	j.reading(104, "a", 104, 20)
	j.median(105, inHall, 20, 105)
	j.reading(106, "a", 106, 20)
	mustEqual(t, deviations(t, onePass(t, j)), "raised a 20 104", "cleared a 20 106")
}

func TestOnlyTheMedianOfItsPeersIsADevicesReference(t *testing.T) {
	var j journal
	j.rule(0, deviates(nil))
	j.entry(0, "a", iot.DeviceEntry{Version: 1, Area: "hall/line 1"})
	j.entry(0, "b", iot.DeviceEntry{Version: 1, Area: "hall/line 2"})
	j.median(1, inHall, 20, 1)
	j.median(1, iot.Peers{Area: "hall", Type: iot.Temperature}, 20, 1)
	j.median(1, iot.Peers{Area: "hall/line 2", Type: iot.Temperature}, 20, 1)
	j.median(1, iot.Peers{Area: "hall/line 1", Type: iot.Humidity}, 20, 1)
	j.median(1, iot.Peers{Tenant: "acme", Area: "hall/line 1", Type: iot.Temperature}, 20, 1)
	for _, device := range []string{"a", "b", "c"} {
		j.reading(2, device, 2, 30)
	}
	j.entry(3, "a", iot.DeviceEntry{Version: 2, Area: "hall/line 2"}) // It moves.
	j.reading(4, "a", 4, 30)
	mustEqual(t, deviations(t, onePass(t, j)), "raised b 30 2", "raised c 30 2", "raised a 30 4")
}

// What came late is not judged by the median of now: nobody knows that of then.
func TestReadingsOfThePastAreNotJudgedByAMedian(t *testing.T) {
	var j journal
	j.rule(0, deviates(nil))
	j.reading(99, "a", 99, 20)
	j.median(100, inHall, 20, 100)
	j.reading(100, "a", 100, 20)
	for s := 10.0; s < 60; s++ {
		j.write(101, iot.Reading{Device: iot.Device{ID: "a"}, Time: at(s), Value: 36, Historical: true})
	}
	j.reading(102, "a", 102, 20)
	j.tick(130)
	j.median(130, inHall, 20, 130)
	j.reading(131, "a", 131, 30)
	out, p := owned(t, options(t), j, process.Checkpoint{}, newRecorder())
	mustEqual(t, deviations(t, out), "raised a 30 131")
	if counts := p.ResetCounts(); counts.Failures > 0 {
		t.Errorf("a rule failed %d times", counts.Failures)
	}
}

// However many groups there are, a partition keeps a limited number of medians, and forgets those that have ended.
func TestMediansAreBounded(t *testing.T) {
	var j journal
	for i := range iot.MaxReferences + 10 {
		j.median(1, iot.Peers{Area: iot.Area(fmt.Sprint("hall ", i)), Type: iot.Temperature}, 20, 1)
	}
	out, p := owned(t, options(t), j, process.Checkpoint{}, newRecorder())
	if got := countReferences(out); got != iot.MaxReferences {
		t.Errorf("got %d medians in force, want %d", got, iot.MaxReferences)
	}
	if counts := p.ResetCounts(); counts.LeftOut != 10 {
		t.Errorf("got %d left out, want 10", counts.LeftOut)
	}
	j.tick(70)
	if got := countReferences(onePass(t, j)); got != 0 {
		t.Errorf("got %d medians in force after they have ended, want none", got)
	}
}

func countReferences(out *recorder) (n int) {
	for key, value := range out.inForce {
		if of, _, ok := wire.SplitInForceKey([]byte(key)); ok && of == wire.ReferenceInForce && value != nil {
			n++
		}
	}
	return n
}
