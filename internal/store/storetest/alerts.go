package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/iot"
)

func raised(device string, onset float64, position int64) iot.Alert {
	return iot.Alert{
		ID:         iot.AlertID("temperature_high", iot.Identity{ID: iot.DeviceID(device)}, at(onset)),
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

// later returns an event of the alert at the given time.
func later(a iot.Alert, transition iot.Transition, when float64) iot.Alert {
	a.Transition, a.Time, a.Value = transition, at(when), 27
	a.Offset++
	return a
}

// past returns the historical event of a violation.
func past(device string, onset float64) iot.Alert {
	a := later(raised(device, onset, 50), iot.Cleared, onset)
	a.ID = iot.HistoricalAlertID(a.Rule, a.Identity(), a.Onset)
	a.Historical = true
	return a
}

// writeAlerts stores events, which come from a topic of their own.
func writeAlerts(t testing.TB, store Store, events ...iot.Alert) {
	t.Helper()
	if err := store.Write(t.Context(), &archive.Batch{Alerts: events}); err != nil {
		t.Fatal(err)
	}
}

func alertsFold(t *testing.T, store Store) {
	event := raised("a", 0, 5)
	writeAlerts(t, store, event)
	want := api.ArchivedAlert{Alert: event, Raised: at(1)}
	if got := alerts(t, store, api.AlertsQuery{}); len(got) != 1 || got[0] != want {
		t.Fatalf("raised: got %+v, want %+v", got, want)
	}
	clearing := later(event, iot.Cleared, 60)
	want = api.ArchivedAlert{Alert: clearing, Raised: at(1), ClearedAt: at(60)}
	for _, events := range [][]iot.Alert{{clearing}, {event}, {event, clearing}} {
		writeAlerts(t, store, events...)
		if got := alerts(t, store, api.AlertsQuery{}); len(got) != 1 || got[0] != want {
			t.Fatalf("cleared: got %+v, want %+v: an event that is repeated changes nothing", got, want)
		}
	}
}

func alertsKeepRaised(t *testing.T, store Store) {
	event := raised("a", 0, 5)
	for _, next := range []iot.Alert{event, later(event, iot.Updated, 20), later(later(event, iot.Updated, 20), iot.Acknowledged, 30)} {
		writeAlerts(t, store, next)
		want := api.ArchivedAlert{Alert: next, Raised: at(1)}
		if got := alerts(t, store, api.AlertsQuery{}); len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %+v, want %+v", next.Transition, got, want)
		}
	}
}

// The story of an alert has each of its events once, in their order, and goes with the alert.
func alertsKeepTheirEvents(t *testing.T, store Store) {
	event := raised("a", 0, 5)
	event.MessageEN, event.Procedure = "too hot", "https://plant.example/hot"
	latched := later(event, iot.Updated, 20)
	latched.Latched = at(20)
	latched.Severity, latched.Threshold, latched.MessageEN, latched.Procedure = iot.Critical, 31, "much too hot", "https://plant.example/very-hot" // Its rule was changed.
	acked := later(latched, iot.Acknowledged, 30)
	acked.AckedAt, acked.AckedBy, acked.Actor, acked.Comment = at(30), "u-17", "u-17", "bearing ordered"
	reset := later(acked, iot.Cleared, 60)
	reset.Actor, reset.Comment, reset.Reason = "u-9", "", iot.WasReset
	for _, events := range [][]iot.Alert{{event, latched}, {latched, acked}, {reset, event}, {past("a", 100)}} {
		writeAlerts(t, store, events...)
	}
	want := []api.AlertEvent{
		{Transition: iot.Raised, State: iot.Unacknowledged, Time: event.Time, Value: event.Value},
		{Transition: iot.Updated, State: iot.LatchedUnacknowledged, Time: at(20), Value: 27},
		{Transition: iot.Acknowledged, State: iot.LatchedAcknowledged, Time: at(30), Value: 27, Actor: "u-17", Comment: "bearing ordered"},
		{Transition: iot.Cleared, State: iot.NormalState, Time: at(60), Value: 27, Actor: "u-9", Reason: iot.WasReset},
	}
	story := func(tenant iot.Tenant, id string) []api.AlertEvent {
		t.Helper()
		found, err := store.AlertEvents(t.Context(), tenant, id)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if got := story("", event.ID); !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := append(story("acme", event.ID), story("", past("a", 100).ID)...); len(got) > 0 {
		t.Errorf("got %+v of another tenant, and of a historical alert, want none", got)
	}
	got := alerts(t, store, api.AlertsQuery{})
	if i := slices.IndexFunc(got, func(a api.ArchivedAlert) bool { return a.ID == event.ID }); i < 0 || !got[i].Latched.Equal(at(20)) ||
		got[i].Severity != iot.Critical || got[i].Threshold != 31 || got[i].MessageEN != "much too hot" || got[i].Procedure != latched.Procedure || got[i].Reason != iot.WasReset {
		t.Errorf("got %+v, want all that the alert says", got)
	}
}

// What people have done about an alert stays with it: an event of something else does not take away the last comment.
func alertsKeepHandling(t *testing.T, store Store) {
	event := raised("a", 0, 5)
	event.Area = "north/hall 2"
	shelved := later(event, iot.Updated, 10)
	shelved.Handling = iot.Handling{
		Suppressed: iot.Shelved, SuppressedUntil: at(100), SuppressedBy: "u-9", SuppressedAt: at(9), SuppressedReason: "sensor is being replaced",
		Actor: "u-9", Comment: "sensor is being replaced",
	}
	commented := later(shelved, iot.Updated, 20)
	commented.Actor, commented.Comment = "u-1", "bearing ordered"
	acked := later(commented, iot.Acknowledged, 30)
	acked.AckedAt, acked.AckedBy, acked.Actor, acked.Comment = at(30), "u-17", "u-17", ""
	clearing := later(acked, iot.Cleared, 60)
	clearing.Actor = ""
	writeAlerts(t, store, event)
	for i, next := range []iot.Alert{shelved, commented, acked, clearing} {
		writeAlerts(t, store, next)
		want := api.ArchivedAlert{Alert: next, Raised: at(1), CommentedAt: at(10)}
		if i > 0 {
			want.Actor, want.Comment, want.CommentedAt = "u-1", "bearing ordered", at(20)
		}
		if !next.Open() {
			want.ClearedAt = at(60)
		}
		if got := alerts(t, store, api.AlertsQuery{}); len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %+v, want %+v", next.Transition, got, want)
		}
	}
}

// Each event says what has suppressed the alert, why, and who has decided so, as it was then; the alert says what holds now.
func alertsKeepWhatSuppresses(t *testing.T, store Store) {
	event := raised("a", 0, 5)
	belt := iot.Rule{Name: "Halle 3, 皮带", Text: "更换皮带 \"B7\"", DecidedBy: "u-17"}
	event.SuppressByDesign(&belt, iot.Period{From: at(0), Until: at(100)})
	again := later(event, iot.Updated, 20)
	belt.Text, belt.DecidedBy = "and its motor", "u-9"
	again.SuppressByDesign(&belt, iot.Period{From: at(0), Until: at(100)})
	byParent := later(again, iot.Updated, 100)
	byParent.SuppressByParent("gateway_7", &again.Handling, at(100))
	shelved := later(byParent, iot.Updated, 110)
	shelved.Suppress(&iot.Shelving{Until: at(500), Actor: "u-1", Reason: "known", Since: at(110)})
	shelved.Actor, shelved.Comment = "u-1", "known"
	ended := later(shelved, iot.Updated, 500)
	ended.Suppress(nil)
	ended.Actor, ended.Comment = "", ""
	var want []api.AlertEvent
	for i, next := range []iot.Alert{event, again, byParent, shelved, ended} {
		writeAlerts(t, store, next)
		want = append(want, api.AlertEvent{
			Transition: next.Transition, State: iot.Unacknowledged, Time: next.Time, Value: next.Value, Suppressed: next.Suppressed, SuppressedUntil: next.SuppressedUntil,
			SuppressedBy: next.SuppressedBy, SuppressedReason: next.SuppressedReason, SuppressedActor: next.SuppressedActor, Actor: next.Actor, Comment: next.Comment,
		})
		got := alerts(t, store, api.AlertsQuery{})
		if len(got) != 1 || got[0].SuppressedBy != next.SuppressedBy || got[0].SuppressedReason != next.SuppressedReason || got[0].SuppressedActor != next.SuppressedActor {
			t.Errorf("%d: got %+v, want %+v", i, got, next.Handling)
		}
	}
	got, err := store.AlertEvents(t.Context(), "", event.ID)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

// noted returns what is said of an alert after it was over.
func noted(a iot.Alert, when float64, position int64, comment string, reason iot.ClearReason) iot.Alert {
	return iot.Alert{
		ID: a.ID, DeviceID: a.DeviceID, Tenant: a.Tenant, Transition: iot.Noted, Onset: at(when), Time: at(when), Reason: reason,
		Handling: iot.Handling{Actor: "u-1", Comment: comment}, Position: iot.Position{Partition: a.Partition, Epoch: a.Epoch, Offset: position},
	}
}

// What is said of an alert that is over is in its story, and the last comment in the alert. Nothing else of it changes, and there is no alert that
// only a note knows.
func alertsKeepNotes(t *testing.T, store Store) {
	event := raised("a", 0, 5)
	acked := later(event, iot.Acknowledged, 30)
	acked.AckedAt, acked.AckedBy, acked.Actor = at(30), "u-17", "u-17"
	clearing := later(acked, iot.Cleared, 60)
	clearing.Actor, clearing.Reason = "", iot.NotSelected
	waiting := raised("b", 0, 5)
	cleared := later(waiting, iot.Cleared, 60)
	foreign, unknown := noted(event, 80, 20, "of another device", ""), noted(raised("c", 0, 5), 80, 20, "of no alert", "")
	foreign.DeviceID = "b"
	other := noted(event, 80, 20, "of another tenant", iot.Waived)
	other.Tenant = "acme"
	begun := noted(event, 100, 2, "after the log began anew", "")
	begun.Epoch++
	batches := [][]iot.Alert{
		{event, acked, clearing, waiting, cleared}, {noted(event, 70, 15, "post mortem", ""), foreign, unknown, other},
		{noted(event, 70, 15, "post mortem", "")}, {noted(event, 90, 30, "", iot.Waived), begun}, {begun, noted(event, 70, 15, "post mortem", "")},
		{noted(waiting, 95, 31, "nobody has kept it", iot.Waived)}, {noted(waiting, 96, 32, "", iot.Waived)},
	}
	for _, events := range batches {
		writeAlerts(t, store, events...)
	}
	want := api.ArchivedAlert{Alert: clearing, Raised: at(1), ClearedAt: at(60), CommentedAt: at(100)}
	want.Actor, want.Comment = "u-1", "after the log began anew"
	over := api.ArchivedAlert{Alert: cleared, Raised: at(1), ClearedAt: at(60), CommentedAt: at(95)}
	over.Actor, over.Comment, over.Reason = "u-1", "nobody has kept it", iot.Waived
	got := alerts(t, store, api.AlertsQuery{})
	slices.SortFunc(got, func(a, b api.ArchivedAlert) int { return strings.Compare(string(a.DeviceID), string(b.DeviceID)) })
	if len(got) != 2 || got[0] != want || got[1] != over {
		t.Errorf("got %+v\nwant %+v\nand %+v", got, want, over)
	}
	if got := alerts(t, store, api.AlertsQuery{Returned: true}); len(got) != 0 {
		t.Errorf("got %+v waiting, want none", got)
	}
	for id, want := range map[string]string{
		event.ID:   "raised unacknowledged ;acknowledged acknowledged ;cleared normal not_selected;noted normal post mortem;noted normal after the log began anew;",
		waiting.ID: "raised unacknowledged ;cleared returned_unacknowledged ;noted normal acknowledgement_waivednobody has kept it;",
	} {
		events, err := store.AlertEvents(t.Context(), "", id)
		if err != nil {
			t.Fatal(err)
		}
		var story string
		for _, e := range events {
			story += fmt.Sprintf("%s %s %s%s;", e.Transition, e.State, e.Reason, e.Comment)
		}
		if story != want {
			t.Errorf("got the story\n%s\nwant\n%s", story, want)
		}
	}
}

// listed returns device and onset of alerts, in their order.
func listed(all []api.ArchivedAlert) []string {
	var names []string
	for _, a := range all {
		names = append(names, fmt.Sprintf("%s %v", a.DeviceID, a.Onset.Sub(epoch).Seconds()))
	}
	return names
}

func alertsOrder(t *testing.T, store Store) {
	var events []iot.Alert
	for i := range 12 {
		events = append(events, raised(fmt.Sprint("device ", i), float64(i/3), int64(i)))
	}
	writeAlerts(t, store, events...)
	slices.SortFunc(events, func(a, b iot.Alert) int {
		if c := b.Onset.Compare(a.Onset); c != 0 {
			return c
		}
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	got := alerts(t, store, api.AlertsQuery{})
	for i := range got {
		if got[i].ID != events[i].ID {
			t.Fatalf("got %v, want the newest onset first and by id within an onset", listed(got))
		}
	}
	if got := alerts(t, store, api.AlertsQuery{Limit: 5}); len(got) != 5 || got[4].ID != events[4].ID {
		t.Errorf("limit 5: got %v", listed(got))
	}
}

func alertsNarrow(t *testing.T, store Store) {
	critical := raised("a", 100, 1)
	critical.Severity = iot.Critical
	humid := raised("b", 200, 2)
	humid.Rule, humid.DeviceType = "humidity_high", iot.Humidity
	humid.ID = iot.AlertID(humid.Rule, humid.Identity(), humid.Onset)
	humid.Area, humid.MessageEN = "North/hall 2", "Too DAMP"
	closed := raised("a", 300, 3)
	seen := raised("c", 50, 5)
	seen.AckedAt, seen.AckedBy, seen.Area = at(55), "u", "North/hall 20"
	writeAlerts(t, store, critical, humid, closed, later(closed, iot.Cleared, 310), raised("b", 400, 4), seen, later(seen, iot.Cleared, 60), past("d", 20))
	yes, no := true, false
	for name, test := range map[string]struct {
		q    api.AlertsQuery
		want []string
	}{
		"all":      {api.AlertsQuery{}, []string{"b 400", "a 300", "b 200", "a 100", "c 50", "d 20"}},
		"open":     {api.AlertsQuery{Open: &yes}, []string{"b 400", "b 200", "a 100"}},
		"cleared":  {api.AlertsQuery{Open: &no}, []string{"a 300", "c 50", "d 20"}},
		"returned": {api.AlertsQuery{Returned: true}, []string{"a 300"}},
		"area":     {api.AlertsQuery{Area: "North/hall 2"}, []string{"b 200"}},
		"areas":    {api.AlertsQuery{Area: "North"}, []string{"b 200", "c 50"}},
		"building": {api.AlertsQuery{Area: "A栋"}, []string{"b 400", "a 300", "a 100", "d 20"}},
		"text":     {api.AlertsQuery{Text: "damp"}, []string{"b 200"}},
		"part":     {api.AlertsQuery{Text: "Y_hi"}, []string{"b 200"}},
		"joker":    {api.AlertsQuery{Text: "%"}, nil},
		"severity": {api.AlertsQuery{Severity: iot.Critical}, []string{"a 100"}},
		"device":   {api.AlertsQuery{Device: "a"}, []string{"a 300", "a 100"}},
		"type":     {api.AlertsQuery{Type: iot.Humidity}, []string{"b 200"}},
		"rule":     {api.AlertsQuery{Rule: "humidity_high"}, []string{"b 200"}},
		"range":    {api.AlertsQuery{From: at(200), To: at(400)}, []string{"a 300", "b 200"}},
		"together": {api.AlertsQuery{Open: &yes, Device: "b", From: at(300)}, []string{"b 400"}},
		"nobody":   {api.AlertsQuery{Device: "nobody"}, nil},
	} {
		if got := listed(alerts(t, store, test.q)); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func alertsPage(t *testing.T, store Store) {
	onset := 0.0
	add := func(n int) {
		for i := range n {
			writeAlerts(t, store, raised(fmt.Sprint("device ", i), onset, 1))
		}
		onset++
	}
	for range 5 {
		add(4)
	}
	var got []api.ArchivedAlert
	q := api.AlertsQuery{Limit: 3}
	for {
		page := alerts(t, store, q)
		got = append(got, page...)
		if len(page) < q.Limit {
			break
		}
		last := page[len(page)-1]
		q.BeforeOnset, q.AfterID = last.Onset, last.ID
		add(2) // Newer ones belong before the first page and must not be listed.
	}
	if len(got) != 20 {
		t.Errorf("got %d alerts, want 20: %v", len(got), listed(got))
	}
	for i := 1; i < len(got); i++ {
		a, b := got[i-1], got[i]
		if c := b.Onset.Compare(a.Onset); c > 0 || c == 0 && a.ID >= b.ID {
			t.Errorf("row %d: %s at %v does not follow %s at %v", i, b.ID, b.Onset, a.ID, a.Onset)
		}
	}
}

func historicalDropped(t *testing.T, store Store) {
	first, second := raised("a", 10, 1), raised("a", 40, 1)
	writeAlerts(t, store, first, later(first, iot.Cleared, 20), second, later(second, iot.Cleared, 50), raised("b", 10, 3))
	other := past("b", 500)
	other.Rule, other.ID = "temperature_low", iot.HistoricalAlertID("temperature_low", iot.Identity{ID: "b"}, other.Onset)
	writeAlerts(t, store,
		past("a", 5), past("a", 10), past("a", 15), past("a", 20), past("a", 30), past("a", 45), past("a", 60),
		past("b", 5), past("b", 500), past("c", 15), other)
	var got []string
	for _, a := range alerts(t, store, api.AlertsQuery{}) {
		if a.Historical {
			got = append(got, fmt.Sprintf("%s %v", a.DeviceID, a.Onset.Sub(epoch).Seconds()))
		}
		if a.Historical && !a.ClearedAt.Equal(a.Onset) {
			t.Errorf("%s: cleared at %v, want a historical event to be over at once", a.DeviceID, a.ClearedAt)
		}
	}
	// The missing ones lie within an alert of their rule and device, from its onset to its end; that of b is still open.
	if want := []string{"b 500", "a 60", "a 30", "c 15"}; !slices.Equal(got[:4], want) || len(got) != 6 {
		t.Errorf("got historical events %q, want %q and those at 5 s", got, want)
	}
	if since := alerts(t, store, api.AlertsQuery{Rule: "temperature_low"}); len(since) != 1 || !since[0].Raised.Equal(since[0].Onset) {
		t.Errorf("got %+v, want the event of the other rule, raised at its onset", since)
	}
}
