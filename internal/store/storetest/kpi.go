package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/iot"
	"iotmon/internal/kpi"
)

// raisedIn returns the alerts that were raised in a time, a line for each.
func raisedIn(t *testing.T, store Store, q kpi.Query, limit int) (lines []string) {
	t.Helper()
	err := store.RaisedAlerts(t.Context(), q, func(r *kpi.Raised) bool {
		lines = append(lines, raisedLine(r))
		return len(lines) < limit
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func raisedLine(r *kpi.Raised) string {
	since := func(moment time.Time) float64 {
		if moment.IsZero() {
			return -1
		}
		return moment.Sub(epoch).Seconds()
	}
	return fmt.Sprint(r.Rule, " ", r.Device, " ", r.Severity, " ", since(r.Time), " ", since(r.Acknowledged), " ", since(r.Cleared), " ", r.Suppressed)
}

// kpisRead reads the alerts that were raised in a time, and counts those that were open for a day.
func kpisRead(t *testing.T, store Store) {
	const day = 24 * 60 * 60
	position := int64(0)
	event := func(rule, device string, raised, now float64, transition iot.Transition, change func(*iot.Alert)) {
		position++
		a := iot.Alert{
			ID: iot.AlertID(rule, iot.Identity{ID: iot.DeviceID(device)}, at(raised)), Rule: rule, DeviceID: iot.DeviceID(device), DeviceType: iot.Temperature,
			Severity: iot.Warning, Transition: transition, Onset: at(raised - 1), Time: at(now), Area: "hall/3",
		}
		a.Offset = position
		if change != nil {
			change(&a)
		}
		writeAlerts(t, store, a)
	}
	event("hot", "b", 20, 20, iot.Raised, nil)
	event("hot", "a", 10, 10, iot.Raised, func(a *iot.Alert) { a.Area, a.Location.Building, a.Severity = "", "hall", iot.Critical })
	event("hot", "a", 10, 15, iot.Acknowledged, func(a *iot.Alert) {
		a.Area, a.Location.Building, a.Severity, a.AckedAt, a.AckedBy = "", "hall", iot.Critical, at(15), "u"
	})
	event("hot", "c", 30, 30, iot.Raised, func(a *iot.Alert) { a.Area, a.Suppressed = "hallway", iot.Shelved })
	event("hot", "b", 20, 40, iot.Cleared, nil)
	event("hot", "c", 30, 45, iot.Updated, func(a *iot.Alert) { a.Area = "hallway" }) // Unshelved: it was suppressed when it was raised.
	event("hot", "d", 50, 60, iot.Cleared, func(a *iot.Alert) { a.Historical = true })
	event(iot.RuleClock, "d", 50, 50, iot.Cleared, nil)
	event("hot", "e", 100, 100, iot.Raised, nil)
	event("hot", "e", 100, 100+2*day, iot.Cleared, nil)
	all := []string{"hot a critical 10 15 -1 false", "hot b warning 20 -1 40 false", "hot c warning 30 -1 -1 true"}
	for _, test := range []struct {
		q     kpi.Query
		limit int
		want  []string
	}{
		{kpi.Query{From: at(0), To: at(100)}, 10, all},
		{kpi.Query{From: at(0), To: at(100)}, 2, all[:2]},
		{kpi.Query{From: at(10), To: at(30)}, 10, all[:2]},
		{kpi.Query{From: at(0), To: at(100), Area: "hall"}, 10, all[:2]},
		{kpi.Query{From: at(0), To: at(100), Area: "hall/3"}, 10, all[1:2]},
		{kpi.Query{From: at(0), To: at(100), Tenant: "acme"}, 10, nil},
	} {
		if got := raisedIn(t, store, test.q, test.limit); !slices.Equal(got, test.want) {
			t.Errorf("%+v: got %q, want %q", test.q, got, test.want)
		}
	}
	for _, test := range []struct {
		q     kpi.Query
		limit int
		want  int64
	}{
		{kpi.Query{To: at(100)}, 10, 0},
		{kpi.Query{To: at(day + 20)}, 10, 1},  // a; b had cleared.
		{kpi.Query{To: at(day + 200)}, 10, 3}, // a, c and e.
		{kpi.Query{To: at(3 * day)}, 10, 2},   // e had cleared.
		{kpi.Query{To: at(day + 200)}, 2, 2},  // No more are counted.
		{kpi.Query{To: at(3 * day), Area: "hall"}, 10, 1},
		{kpi.Query{To: at(3 * day), Tenant: "acme"}, 10, 0},
	} {
		if got, err := store.StaleAlerts(t.Context(), test.q, test.limit); err != nil || got != test.want {
			t.Errorf("stale at %v in %q: got %d, %v, want %d", test.q.To, test.q.Area, got, err, test.want)
		}
	}
}

// kpisFollowEvents holds what is read for key figures against the events of the alerts, whatever the order in which these are written.
func kpisFollowEvents(t *testing.T, store Store) {
	tenants := 0
	rapid.Check(t, func(rt *rapid.T) {
		tenants++
		tenant := iot.Tenant(fmt.Sprint("tenant ", tenants))
		var events []iot.Alert
		for i := range rapid.IntRange(1, 4).Draw(rt, "alerts") {
			events = append(events, drawLife(rt, tenant, i)...)
		}
		for _, event := range rapid.Permutation(events).Draw(rt, "written") {
			if err := store.Write(t.Context(), &archive.Batch{Alerts: []iot.Alert{event}}); err != nil {
				rt.Fatal(err)
			}
		}
		q := kpi.Query{Tenant: tenant, From: at(0), To: at(1000)}
		got, want := raisedIn(t, store, q, 100), raisedByEvents(t, store, tenant)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			rt.Fatalf("got %q, want %q", got, want)
		}
	})
}

// drawLife draws events of an alert, in one epoch of the log or in two.
func drawLife(t *rapid.T, tenant iot.Tenant, number int) (events []iot.Alert) {
	began := rapid.IntRange(0, 900).Draw(t, "onset")
	a := iot.Alert{
		ID: fmt.Sprint(tenant, " ", number), Rule: "hot", Tenant: tenant, DeviceID: iot.DeviceID(fmt.Sprint("d", number)), DeviceType: iot.Temperature, Severity: iot.Warning, Onset: at(float64(began)),
	}
	for epoch := range rapid.Int32Range(1, 2).Draw(t, "epochs") {
		a.Epoch, a.Handling = epoch, iot.Handling{}
		raised := rapid.Bool().Draw(t, "raised is known")
		for i, transition := range []iot.Transition{iot.Raised, iot.Updated, iot.Acknowledged, iot.Cleared} {
			a.Transition, a.Offset, a.Time = transition, int64(10*number+i), at(float64(began+i))
			a.Suppressed = rapid.SampledFrom([]iot.Suppression{"", iot.Shelved}).Draw(t, "suppressed")
			if transition == iot.Acknowledged {
				a.AckedAt, a.AckedBy = a.Time, "u"
			}
			if i > 0 && rapid.Bool().Draw(t, "happens") || i == 0 && raised {
				events = append(events, a)
			}
		}
	}
	return events
}

// raisedByEvents returns the lines of raisedIn by what the archive says of each alert and its events.
func raisedByEvents(t *testing.T, store Store, tenant iot.Tenant) (lines []string) {
	t.Helper()
	for _, a := range alerts(t, store, api.AlertsQuery{Tenant: tenant}) {
		events, err := store.AlertEvents(t.Context(), tenant, a.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Transition == iot.Raised {
				lines = append(lines, raisedLine(&kpi.Raised{
					Rule: a.Rule, Device: a.DeviceID, Severity: a.Severity, Time: e.Time, Acknowledged: a.AckedAt, Cleared: a.ClearedAt, Suppressed: e.Suppressed != "",
				}))
			}
		}
	}
	return lines
}

// BenchmarkKPIs computes the key figures of 30 days with 500,000 alerts, the most that are counted, of 1,000 devices and ten rules.
func BenchmarkKPIs(b *testing.B, store Store) {
	const alerts, days = 500_000, 30
	step := days * 24 * time.Hour / alerts
	var batch []iot.Alert
	offset := archive.Offset{}
	flush := func() {
		next := archive.Offset{Next: offset.Next + int64(len(batch))}
		move := archive.Move{Source: source(0), Old: offset, New: next, Appended: batch[len(batch)-1].Time}
		if err := store.Write(b.Context(), &archive.Batch{Alerts: batch, Moves: []archive.Move{move}}); err != nil {
			b.Fatal(err)
		}
		batch, offset = batch[:0], next
	}
	for i := range alerts {
		rule, device := fmt.Sprintf("rule_%d", i%10), iot.DeviceID(fmt.Sprintf("device_%04d", i*7%1000))
		at := epoch.Add(time.Duration(i) * step)
		a := iot.Alert{
			ID: iot.AlertID(rule, iot.Identity{ID: device}, at), Rule: rule, DeviceID: device, DeviceType: iot.Temperature, Severity: iot.Severities[i%3],
			Transition: iot.Raised, Onset: at, Time: at, Message: "温度超过阈值: 29°C > 28°C", Area: "hall/3",
		}
		a.Offset = int64(2 * i)
		cleared := a
		cleared.Transition, cleared.Time, cleared.AckedAt, cleared.AckedBy, cleared.Offset = iot.Cleared, at.Add(step/2), at.Add(step/4), "u-1", a.Offset+1
		if batch = append(batch, a, cleared); len(batch) >= 10_000 {
			flush()
		}
	}
	if len(batch) > 0 {
		flush()
	}
	to := epoch.Add(days * 24 * time.Hour)
	began := used(b)
	for b.Loop() {
		tally := kpi.New(kpi.Span{From: epoch, To: to, Since: epoch, Now: to}, 1)
		q := kpi.Query{From: tally.From(), To: tally.To()}
		if err := store.RaisedAlerts(b.Context(), q, tally.Add); err != nil {
			b.Fatal(err)
		}
		figures := tally.Figures()
		if _, err := store.StaleAlerts(b.Context(), q, 100_000); err != nil || figures.Alerts < alerts-1000 {
			b.Fatal(figures.Alerts, err)
		}
	}
	b.ReportMetric((used(b)-began).Seconds()/float64(b.N), "cpu-s/op")
}
