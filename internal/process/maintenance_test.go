package process_test

import (
	"testing"

	"iotmon/internal/iot"
)

// maintain appends a rule of the kind Maintenance with one period, in seconds.
func (j *journal) maintain(appended float64, name string, version int64, selector iot.Selector, from, until float64) {
	j.rule(appended, iot.RuleEntry{Version: version, Rule: iot.Rule{
		Name: name, Severity: iot.Info, Selector: selector, Condition: iot.Condition{Kind: iot.Maintenance},
		Schedule: &iot.Schedule{Periods: []iot.Period{{From: at(from), Until: at(until)}}},
	}})
}

func TestMaintenanceSuppressesWhatIsRaisedAndWhatStands(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 40)
	j.reading(1, "b", 1, 40)
	j.maintain(2, "overhaul", 1, iot.Selector{Devices: []iot.DeviceID{"a"}}, 10, 20)
	j.reading(9, "a", 9, 40)
	j.reading(10.5, "b", 10.5, 40) // The period begins. Its event has the time of the record that has brought it.
	j.reading(12, "a", 12, 20)     // The alert clears, suppressed, and is raised again.
	j.reading(13, "a", 13, 40)
	j.reading(25, "b", 25, 40) // The period has ended at 20.
	mustEqual(t, handledEvents(t, onePass(t, j)),
		"raised 0", "raised 1", "updated 10.5   by_design 20", "cleared 12   by_design 20", "raised 13   by_design 20", "updated 20")
}

func TestMaintenanceInForceIsDecidedAgain(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 40)
	j.maintain(1, "overhaul", 1, iot.Selector{}, 0, 100)
	j.reading(2, "b", 2, 20)
	j.maintain(3, "overhaul", 2, iot.Selector{}, 0, 50) // It ends earlier,
	j.reading(4, "b", 4, 20)
	j.maintain(5, "repair", 1, iot.Selector{Type: iot.Temperature}, 0, 70) // another one later,
	j.reading(6, "b", 6, 20)
	j.rule(7, deletion("repair", 2)) // is taken back,
	j.reading(8, "b", 8, 20)
	j.rule(9, deletion("overhaul", 3)) // and the first, too.
	j.reading(10, "b", 10, 20)
	mustEqual(t, handledEvents(t, onePass(t, j)),
		"raised 0", "updated 2   by_design 100", "updated 4   by_design 50", "updated 6   by_design 70", "updated 8   by_design 50", "updated 10")
}

// What a person has decided about an alert is shown before what suppresses it by design, and the one goes on when the other ends.
func TestShelvingComesBeforeMaintenance(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 40)
	j.maintain(1, "overhaul", 1, iot.Selector{}, 5, 30)
	j.command(2, "a", iot.Command{Action: iot.Shelve, Rule: critical, Until: at(20)})
	for s := 6.0; s <= 36; s += 15 {
		j.reading(s, "b", s, 20)
	}
	mustEqual(t, handledEvents(t, onePass(t, j)),
		"raised 0", "updated 2 u-17  shelved 20", "updated 20   by_design 30", "updated 30")
}

// A silent device is maintained, too.
func TestMaintenanceSuppressesSilence(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 20)
	j.maintain(1, "overhaul", 1, iot.Selector{}, 5, 3000)
	for s := 2.0; s <= 60; s += 2 {
		j.tick(s)
	}
	out := onePass(t, j)
	state := stateOf(t, out, "a")
	if got := state.OpenAlerts(); len(got) != 1 || got[0].Rule != iot.RuleOffline || got[0].Suppressed != iot.ByDesign || got[0].SuppressedBy != "overhaul" {
		t.Errorf("got %+v, want the offline alert, suppressed by design", got)
	}
}

// By a clock that was ahead, maintenance was over before it began.
func TestMaintenanceThatWasOverHoldsAgainWhenTheClockIsSetBack(t *testing.T) {
	var j journal
	j.tick(0)
	j.tick(1e6)
	j.maintain(1e6, "overhaul", 1, iot.Selector{}, 60, 200)
	for s := 1.0; s < 65; s++ {
		j.tick(s)
	}
	j.reading(70, "a", 70, 40)
	mustEqual(t, handledEvents(t, onePass(t, j)), "raised 70   by_design 200")
}
