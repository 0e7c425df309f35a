package trial_test

import (
	"slices"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/trial"
)

// for60 are readings of a device, one a second: as many as seconds, of a value, and then of another one until second 60.
func for60(seconds int, value, then float64) []trial.Reading {
	return values(append(slices.Repeat([]float64{value}, seconds), slices.Repeat([]float64{then}, 60-seconds)...)...)
}

func odd(change func(*iot.Rule)) iot.Rule {
	return high(3, func(r *iot.Rule) {
		r.Condition = iot.Condition{Kind: iot.Deviation, Threshold: 3, Hysteresis: 1}
		if change != nil {
			change(r)
		}
	})
}

func hall() archive {
	return archive{"a": for60(0, 0, 20), "b": for60(0, 0, 20.5), "c": for60(0, 0, 21), "d": for60(0, 0, 20.5), "odd": for60(30, 20, 30)}
}

// The medians are of all peers, also of those that the rule does not watch.
func TestADeviationIsTriedByTheMediansOfThen(t *testing.T) {
	for _, rule := range []iot.Rule{odd(nil), odd(func(r *iot.Rule) { r.Devices = []iot.DeviceID{"odd"} })} {
		got, err := trialOf(t, rule, nil).Run(t.Context(), hall())
		if err != nil {
			t.Fatal(err)
		}
		if got.Tried.Alerts != 1 || got.Tried.Open != 1 || len(got.Alerts) != 1 || got.Alerts[0].ID != "odd" || got.Alerts[0].Raised != at(30) || got.Alerts[0].Value != 30 {
			t.Errorf("got %+v, %+v", got.Tried, got.Alerts)
		}
		if got.Medians == nil || *got.Medians != (trial.Medians{Every: 10 * time.Second, Peers: 1}) {
			t.Errorf("got the medians %+v", got.Medians)
		}
	}
}

// Too few devices have no median, which the result says: that it has raised nothing would be a lie otherwise.
func TestWithoutAMedianNothingIsTried(t *testing.T) {
	few := hall()
	delete(few, "b")
	bad := hall()
	for i := range bad["b"] {
		bad["b"][i].Quality = iot.Bad
	}
	retired := trialOf(t, odd(nil), nil)
	retired.Entry = func(id iot.Identity) *iot.DeviceEntry { return &iot.DeviceEntry{Retired: id.ID == "b"} }
	for name, test := range map[string]struct {
		trial   *trial.Trial
		archive archive
	}{"few": {trialOf(t, odd(nil), nil), few}, "bad": {trialOf(t, odd(nil), nil), bad}, "retired": {retired, hall()}} {
		got, err := test.trial.Run(t.Context(), test.archive)
		if err != nil {
			t.Fatal(err)
		}
		if got.Tried.Alerts != 0 || got.Medians == nil || got.Medians.Without != 1 {
			t.Errorf("%s: got %+v with the medians %+v", name, got.Tried, got.Medians)
		}
	}
}

// A value counts for some minutes, unless its device sends more seldom.
func TestAnOldValueDoesNotCountForAMedian(t *testing.T) {
	a := hall()
	a["odd"] = values(20)
	for _, seconds := range []int{200, 300} {
		a["odd"] = append(a["odd"], trial.Reading{Time: at(seconds), Value: 30, Quality: iot.Good}, trial.Reading{Time: at(seconds + 1), Value: 20, Quality: iot.Good})
	}
	run := trialOf(t, odd(nil), nil)
	got, err := run.Run(t.Context(), a)
	if err != nil || got.Tried.Alerts != 1 || got.Alerts[0].Raised != at(200) {
		t.Errorf("got %+v, %+v, %v", got.Tried, got.Alerts, err)
	}
	run.Entry = func(iot.Identity) *iot.DeviceEntry { return &iot.DeviceEntry{Interval: time.Minute + 30*time.Second} }
	if got, err = run.Run(t.Context(), a); err != nil || got.Tried.Alerts != 2 {
		t.Errorf("got %+v, %+v, %v", got.Tried, got.Alerts, err)
	}
}

// Both versions are compared with the same medians, and one of another kind with none.
func TestADeviationIsComparedWithAnotherVersion(t *testing.T) {
	other := high(25, nil)
	got, err := trialOf(t, odd(nil), &other).Run(t.Context(), hall())
	if err != nil || got.Other == nil || got.Tried.Alerts != 1 || got.Other.Alerts != 1 || got.Tried.Alone != 0 {
		t.Errorf("got %+v and %+v, %v", got.Tried, got.Other, err)
	}
}

func TestTheReadingsForMediansAreBounded(t *testing.T) {
	run := trialOf(t, odd(nil), nil)
	run.MaxReadings = 100
	got, err := run.Run(t.Context(), hall())
	if err != nil || got.Stopped != trial.StoppedByReadings || got.Devices != 0 || got.Selected != 5 || got.Medians != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}
