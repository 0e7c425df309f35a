package storetest

import (
	"slices"
	"testing"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/iot"
)

func raised(device string, onset float64, position int64) iot.Alert {
	return iot.Alert{
		ID:         iot.AlertID("temperature_high", iot.DeviceID(device), at(onset)),
		Rule:       "temperature_high",
		DeviceID:   iot.DeviceID(device),
		DeviceType: iot.Temperature,
		Severity:   iot.Warning,
		Transition: iot.Raised,
		Message:    "温度超过阈值: 28.1°C > 28°C",
		Value:      28.1,
		Threshold:  28,
		Below:      true,
		Unit:       "°C",
		Location:   iot.Location{Building: "A栋", Floor: 3, Room: "301"},
		Onset:      at(onset),
		Time:       at(onset + 1),
		Position:   iot.Position{Partition: 1, Offset: position},
	}
}

func cleared(device string, onset, when float64, position int64) iot.Alert {
	a := raised(device, onset, position)
	a.Transition, a.Time, a.Value = iot.Cleared, at(when), 27
	return a
}

func alerts(t *testing.T, store Store, q api.AlertsQuery) []api.ArchivedAlert {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 1000
	}
	got, err := store.Alerts(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func writeAlerts(t *testing.T, store Store, partition int32, events ...iot.Alert) {
	t.Helper()
	newFeed(t, store, partition).write(1, archive.Batch{Alerts: events})
}

func alertsFold(t *testing.T, store Store) {
	writeAlerts(t, store, 0, raised("a", 0, 5))
	open := alerts(t, store, api.AlertsQuery{})
	if len(open) != 1 || !open[0].ClearedAt.IsZero() || open[0].Alert != raised("a", 0, 5) {
		t.Fatalf("got %+v, want the raised event as it was", open)
	}
	writeAlerts(t, store, 1, cleared("a", 0, 60, 9), raised("a", 0, 5))
	got := alerts(t, store, api.AlertsQuery{})
	if len(got) != 1 {
		t.Fatalf("got %d alerts, want 1", len(got))
	}
	if a := got[0]; !a.Raised.Equal(at(1)) || !a.ClearedAt.Equal(at(60)) || a.Transition != iot.Cleared || a.Value != 27 {
		t.Errorf("got %+v, want raised at 1 s, cleared at 60 s: an event that is repeated changes nothing", a)
	}
}

func alertsPage(t *testing.T, store Store) {
	var events []iot.Alert
	for i := range 10 {
		events = append(events, raised(string(rune('a'+i)), float64(i/2), int64(i)))
	}
	critical := raised("z", 100, 20)
	critical.Severity = iot.Critical
	writeAlerts(t, store, 0, append(events, critical, cleared("a", 0, 50, 21))...)

	var got []api.ArchivedAlert
	q := api.AlertsQuery{Limit: 3}
	for {
		page := alerts(t, store, q)
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
		q.BeforeOnset, q.AfterID = page[len(page)-1].Onset, page[len(page)-1].ID
	}
	if len(got) != 11 || got[0].DeviceID != "z" {
		t.Errorf("got %d alerts beginning with %q, want 11, the newest first", len(got), got[0].DeviceID)
	}
	ids := make([]string, len(got))
	for i := range got {
		ids[i] = got[i].ID
	}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != len(got) {
		t.Error("an alert is on two pages")
	}
	yes, no := true, false
	for name, test := range map[string]struct {
		q    api.AlertsQuery
		want int
	}{
		"open":     {api.AlertsQuery{Open: &yes}, 10},
		"cleared":  {api.AlertsQuery{Open: &no}, 1},
		"severity": {api.AlertsQuery{Severity: iot.Critical}, 1},
		"device":   {api.AlertsQuery{Device: "c"}, 1},
		"type":     {api.AlertsQuery{Type: iot.Humidity}, 0},
		"rule":     {api.AlertsQuery{Rule: "temperature_high"}, 11},
		"range":    {api.AlertsQuery{From: at(1), To: at(3)}, 4},
	} {
		if got := alerts(t, store, test.q); len(got) != test.want {
			t.Errorf("%s: got %d alerts, want %d", name, len(got), test.want)
		}
	}
}

func historicalDropped(t *testing.T, store Store) {
	past := func(device string, onset float64) iot.Alert {
		a := cleared(device, onset, onset, 50)
		a.ID = iot.HistoricalAlertID(a.Rule, a.DeviceID, a.Onset)
		a.Historical = true
		return a
	}
	writeAlerts(t, store, 0,
		raised("a", 10, 1), cleared("a", 10, 20, 2), raised("b", 10, 3),
		past("a", 15), past("b", 500), past("a", 30), past("b", 5))
	var got []float64
	for _, a := range alerts(t, store, api.AlertsQuery{}) {
		if a.Historical {
			got = append(got, a.Onset.Sub(epoch).Seconds())
		}
	}
	if want := []float64{30, 5}; !slices.Equal(got, want) {
		t.Errorf("got historical events at %v s, want %v: the others lie within an alert", got, want)
	}
}
