package process_test

import (
	"fmt"
	"strings"
	"testing"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
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

// whys returns for each event of temperature_critical what has suppressed the alert, why, and who has decided so.
func whys(t *testing.T, out *recorder) (events []string) {
	t.Helper()
	for _, text := range out.alerts {
		a, err := wire.DecodeAlert([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if a.Rule == critical {
			events = append(events, fmt.Sprintf("%s %g %s: %s, %s", a.Transition, a.Time.Sub(epoch).Seconds(), a.SuppressedBy, a.SuppressedReason, a.SuppressedActor))
		}
	}
	return events
}

// overhaul appends maintenance of all devices from 0 until 100, with its reason and who has decided it.
func (j *journal) overhaul(appended float64, version int64, reason, actor string) {
	j.rule(appended, iot.RuleEntry{Version: version, Rule: iot.Rule{
		Name: "overhaul", Severity: iot.Info, Text: reason, DecidedBy: actor, Condition: iot.Condition{Kind: iot.Maintenance},
		Schedule: &iot.Schedule{Periods: []iot.Period{{From: at(0), Until: at(100)}}},
	}})
}

// Every event says what suppresses the alert, why, and who has decided so: also one that is raised while it is suppressed, and when somebody has decided
// something else about it.
func TestEventsSayWhatSuppressesAndWhy(t *testing.T) {
	var j journal
	j.overhaul(0, 1, "belt", "u-1")
	j.reading(1, "a", 1, 40)
	j.overhaul(2, 2, "belt and motor", "u-2")
	j.reading(3, "b", 3, 20)
	j.command(4, "a", iot.Command{Action: iot.Shelve, Rule: critical, Until: at(20), Reason: strings.Repeat("长", 300), Actor: "u-3"})
	j.reading(5, "a", 5, 20) // It clears, and is raised again while it is shelved.
	j.reading(6, "a", 6, 40)
	j.reading(21, "b", 21, 20)
	j.rule(22, deletion("overhaul", 3))
	j.reading(23, "b", 23, 20)
	cut := strings.Repeat("长", (iot.MaxSuppressedReason-3)/3) + "…"
	mustEqual(t, whys(t, onePass(t, j)),
		"raised 1 overhaul: belt, u-1", "updated 3 overhaul: belt and motor, u-2", "updated 4 u-3: "+cut+", ", "cleared 5 u-3: "+cut+", ", "raised 6 u-3: "+cut+", ",
		"updated 20 overhaul: belt and motor, u-2", "updated 23 : , ")
}

// What an older version has stored of maintenance does not say who has decided it.
func TestMaintenanceOfAnOlderVersionHasNoActor(t *testing.T) {
	var j journal
	j.maintain(0, "overhaul", 1, iot.Selector{}, 0, 100)
	j.reading(1, "a", 1, 40)
	mustEqual(t, whys(t, onePass(t, j)), "raised 1 overhaul: , ")
}

// A processor of an older version forgets why an alert is suppressed and who has decided so, of which the name and the time stay. The next one that knows them
// says so once, in an event of its own.
func TestAnOlderProcessorForgetsWhy(t *testing.T) {
	var j journal
	j.overhaul(0, 1, "belt", "u-1")
	j.reading(1, "a", 1, 40)
	first := len(j)
	for s := 2.0; s < 6; s++ {
		j.reading(s, "b", s, 20)
	}
	opts := options(t)
	p, out := process.New(opts, 3, process.Checkpoint{}, false), newRecorder()
	p.Process(j[:first], out)
	p.PublishStates(out)
	for key, text := range out.states {
		state, err := wire.DecodeDeviceState(text)
		if err != nil {
			t.Fatal(err)
		}
		for i := range state.Alerts {
			if raised := state.Alerts[i].Raised; raised != nil {
				raised.SuppressedReason, raised.SuppressedActor = "", ""
			}
		}
		out.states[key] = wire.AppendDeviceState(nil, &state)
	}
	p = restore(t, opts, p.Checkpoint(), out)
	p.Process(j[p.Next():], out)
	mustEqual(t, whys(t, out), "raised 1 overhaul: belt, u-1", "updated 2 overhaul: belt, u-1")
}
