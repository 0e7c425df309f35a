package view

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"iotmon/internal/iot"
)

// happened says in short which events are announced.
func happened(events []iot.Alert) []string {
	var short []string
	for i := range events {
		short = append(short, fmt.Sprintf("%s %s", events[i].DeviceID, events[i].Transition))
	}
	return short
}

// Viewers may have a snapshot before the past of the alerts has been read. They are sent what makes it wrong, and nothing else.
func TestThePastAnnouncesOnlyWhatChangesWhichAlertsAreOpen(t *testing.T) {
	p, v := script(), newTestView()
	alarm := func(n int, transition iot.Transition) iot.Alert {
		return p.Alarm(n, iot.Temperature, "A", iot.Warning, transition)
	}
	listing := func(raised iot.Alert) iot.DeviceState {
		s := p.Says(string(raised.DeviceID), iot.Temperature, "A", 40)
		s.Position, s.Alerts = raised.Position, []iot.AlertState{{Rule: raised.Rule, Raised: &raised}}
		return s
	}
	shown, cleared, acknowledged := alarm(1, iot.Raised), alarm(2, iot.Raised), alarm(3, iot.Raised)
	over, missing := alarm(4, iot.Raised), alarm(5, iot.Raised)
	v.Apply(Batch{States: []iot.DeviceState{
		listing(shown), listing(cleared), listing(acknowledged), p.Says("device_004", iot.Temperature, "A", 20),
	}})
	past := []iot.Alert{
		alarm(2, iot.Cleared), alarm(6, iot.Cleared), // Of the sixth nobody knows.
		shown, alarm(3, iot.Acknowledged), over, missing,
	}
	want := []string{"device_002 cleared", "device_003 acknowledged", "device_005 raised"}
	if got := happened(v.Apply(Batch{Past: past}).Alerts); !slices.Equal(got, want) {
		t.Errorf("announced: got %v, want %v", got, want)
	}
	open := map[iot.Severity]int64{iot.Info: 0, iot.Warning: 3, iot.Critical: 0}
	if got := v.OpenAlerts(); !reflect.DeepEqual(got, open) {
		t.Errorf("open: got %v, want %v", got, open)
	}
	if got := happened(v.Apply(Batch{Past: past, Alerts: past}).Alerts); len(got) > 0 {
		t.Errorf("once more: announced %v", got)
	}
	if a, ok := v.Alert(past[1].ID); !ok || a.Open() {
		t.Errorf("an alert that is over: got %v %v, want it known", a, ok)
	}
	if got, want := happened(v.Apply(Batch{Alerts: []iot.Alert{alarm(1, iot.Cleared)}}).Alerts), []string{"device_001 cleared"}; !slices.Equal(got, want) {
		t.Errorf("news: got %v, want %v", got, want)
	}
}

// The event of an alert may be read after a state of its device that no longer lists it, or after the device was forgotten. It is announced,
// as its end will be, but the alert is not open in between.
func TestAnAlertThatIsOverIsNotCountedUntilItsEndIsRead(t *testing.T) {
	p, v := script(), newTestView()
	var raised, cleared []iot.Alert
	for n := 1; n <= 2; n++ {
		raised = append(raised, p.Alarm(n, iot.Temperature, "A", iot.Warning, iot.Raised))
		cleared = append(cleared, p.Alarm(n, iot.Temperature, "A", iot.Warning, iot.Cleared))
	}
	v.Apply(Batch{
		States:    []iot.DeviceState{p.Says("device_001", iot.Temperature, "A", 20)},
		Forgotten: []Forgotten{{iot.Identity{ID: "device_002"}, p.Position()}},
	})
	for _, events := range [][]iot.Alert{raised, cleared} {
		if got := v.Apply(Batch{Alerts: events}).Alerts; len(got) != 2 {
			t.Errorf("%s: announced %v, want both", events[0].Transition, happened(got))
		}
		if open := len(allOpen(v)); open > 0 {
			t.Errorf("after %s: %d are open", events[0].Transition, open)
		}
	}
	if a, _ := v.Alert(cleared[0].ID); a.Transition != iot.Cleared {
		t.Errorf("last event: got %s, want %s", a.Transition, iot.Cleared)
	}
	again := p.Alarm(2, iot.Temperature, "A", iot.Warning, iot.Raised)
	again.ID = "again"
	if v.Apply(Batch{Alerts: []iot.Alert{again}}); len(allOpen(v)) != 1 {
		t.Errorf("an alert after the device was forgotten: got %d open, want it", len(allOpen(v)))
	}
}
