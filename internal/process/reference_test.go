package process_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
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

// With the median of other peers nobody can say whether an alert is over, and where the device is now there may be too few devices for ever.
func TestAnAlertAboutADeviationEndsWhereItsDeviceLeavesItsPeers(t *testing.T) {
	var j journal
	j.rule(0, deviates(nil))
	hall := iot.Peers{Area: "hall", Type: iot.Temperature}
	for _, device := range []string{"a", "b"} {
		j.entry(0, device, iot.DeviceEntry{Version: 1, Area: "hall"})
	}
	j.write(1, iot.Reading{Device: iot.Device{ID: "c", Location: iot.Location{Building: "hall"}}, Time: at(1), Value: 20})
	j.median(1, hall, 20, 1)
	j.reading(2, "a", 2, 30)
	j.reading(2, "b", 2, 30)
	j.write(2, iot.Reading{Device: iot.Device{ID: "c", Location: iot.Location{Building: "hall"}}, Time: at(2), Value: 30})
	j.entry(3, "a", iot.DeviceEntry{Version: 2, Area: "yard"})
	j.entry(4, "b", iot.DeviceEntry{Version: 2, Area: "hall", Name: "Oven"}) // It stays.
	j.reading(5, "b", 5, 31)
	j.write(6, iot.Reading{Device: iot.Device{ID: "c", Location: iot.Location{Building: "shed"}}, Time: at(6), Value: 30})
	j.reading(7, "a", 7, 30)
	j.median(8, iot.Peers{Area: "yard", Type: iot.Temperature}, 20, 8)
	j.reading(9, "a", 9, 30)
	want := []string{"raised a 30 2", "raised b 30 2", "raised c 30 2", "cleared a 30 3", "cleared c 30 6", "raised a 30 9"}
	for _, out := range []*recorder{onePass(t, j), killedAt(t, options(t), j, 8), killedAt(t, options(t), j, len(j)-1)} {
		events := slices.DeleteFunc(deviations(t, out), func(event string) bool { return strings.HasPrefix(event, "updated") })
		mustEqual(t, events, want...)
	}
}

// If no web service is left, the last median ends by the log's clock, readings or not, and that is counted.
func TestTheEndOfTheLastMedianIsCounted(t *testing.T) {
	for disabled, want := range map[bool]int64{false: 1, true: 0} {
		var j journal
		j.rule(0, deviates(func(r *iot.Rule) { r.Disabled = disabled }))
		j.median(1, inHall, 20, 1)
		j.median(30, inHall, 21, 30) // Another one is no end.
		for s := 31.0; s < 89; s++ {
			j.reading(s, "a", s, 20)
		}
		out, p := owned(t, options(t), j, process.Checkpoint{}, newRecorder())
		if counts := p.ResetCounts(); counts.Ended != 0 || countReferences(out) != 1 {
			t.Errorf("got %d ended too early", counts.Ended)
		}
		j.tick(91)
		out, p = owned(t, options(t), j, p.Checkpoint(), out)
		if counts := p.ResetCounts(); counts.Ended != want || countReferences(out) != 0 {
			t.Errorf("disabled %v: got %d ended and %d left, want %d and none", disabled, counts.Ended, countReferences(out), want)
		}
	}
}

// What is in force of medians outlives the records by which it came into force.
func TestAMedianOutlivesItsRecord(t *testing.T) {
	var j journal
	j.rule(0, deviates(nil))
	j.median(1, inHall, 20, 1)
	j.reading(2, "a", 2, 30)
	out, p := owned(t, options(t), j, process.Checkpoint{}, newRecorder())
	from := p.Checkpoint()
	for s := 3.0; s < 20; s++ {
		j.median(s, inHall, 30, 1) // Lost before they were processed, as is everything before second 20.
	}
	from.Reconcile(int64(len(j)), int64(len(j)))
	j.reading(20, "b", 20, 30)
	j.reading(21, "a", 21, 20)
	out, _ = owned(t, options(t), j, from, out)
	mustEqual(t, deviations(t, out), "raised a 30 2", "raised b 30 20", "cleared a 20 21")
}

// The difference of two numbers may be too great for a number.
func TestTheGreatestValuesDeviate(t *testing.T) {
	catalog, err := iot.NewCatalog(iot.TypeSpec{Name: iot.Temperature, Unit: "°C", Min: -math.MaxFloat64, Max: math.MaxFloat64})
	if err != nil {
		t.Fatal(err)
	}
	opts := *options(t)
	opts.Admission = &iot.Admission{Catalog: catalog, Skew: 10 * time.Second, Retention: time.Hour}
	var j journal
	j.rule(0, deviates(func(r *iot.Rule) { r.Threshold = math.MaxFloat64 }))
	j.median(1, inHall, -math.MaxFloat64, 1)
	j.reading(2, "a", 2, math.MaxFloat64)
	j.reading(3, "a", 3, 0)
	out, _ := owned(t, &opts, j, process.Checkpoint{}, newRecorder())
	mustEqual(t, deviations(t, out), "raised a 1.7976931348623157e+308 2", "cleared a 0 3")
}
