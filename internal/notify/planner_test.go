package notify_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/notify"
)

var start = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC) // A Monday.

// standard is a plan with one route for everything, to a channel and after 15 minutes to a boss.
func standard() *notify.Plan {
	return &notify.Plan{
		Recipients: map[string][]string{"chat": nil, "boss": nil, "mail": {"a@plant.example", "b@plant.example"}},
		Routes: []notify.Route{{
			Name: "all", Channels: []string{"chat"}, GroupBy: []notify.GroupBy{notify.ByRule, notify.ByArea}, Wait: 5 * time.Second, Interval: time.Minute,
			Repeat: time.Hour, Escalate: []notify.Step{{After: 15 * time.Minute, Channels: []string{"boss"}}},
		}},
	}
}

// world drives a planner.
type world struct {
	t       testing.TB
	plan    *notify.Plan
	planner *notify.Planner
	now     time.Time
	offset  int64
	waiting []notify.Delivery
	sent    []notify.Delivery
	// groups and alerts are what is stored.
	groups, alerts map[string][]byte
}

func newWorld(t testing.TB, plan *notify.Plan) *world {
	return &world{t: t, plan: plan, planner: notify.NewPlanner(plan, nil), now: start, groups: map[string][]byte{}, alerts: map[string][]byte{}}
}

// event returns an event of the alert of a device.
func (w *world) event(device, rule string, severity iot.Severity, transition iot.Transition) *iot.Alert {
	w.offset++
	return &iot.Alert{
		ID: iot.AlertID(rule, iot.Identity{ID: iot.DeviceID(device)}, start), Rule: rule, DeviceID: iot.DeviceID(device), DeviceType: "temperature", Severity: severity,
		Transition: transition, Message: "温度超过阈值: 30°C > 28°C", Value: 30, Threshold: 28, Unit: "°C", Area: "hall/line1", Onset: start, Time: w.now,
		Position: iot.Position{Offset: w.offset},
	}
}

func (w *world) apply(a *iot.Alert) { w.planner.Apply(a, nil, true, w.now) }

func (w *world) raise(device string, severity iot.Severity) {
	w.apply(w.event(device, "high", severity, iot.Raised))
}

func (w *world) clear(device string, severity iot.Severity) {
	w.apply(w.event(device, "high", severity, iot.Cleared))
}

func (w *world) acknowledge(device string, severity iot.Severity) {
	a := w.event(device, "high", severity, iot.Acknowledged)
	a.AckedAt = w.now
	w.apply(a)
}

// store stores what has changed, as a commit does.
func (w *world) store() {
	w.t.Helper()
	groups, alerts, err := w.planner.Changes()
	if err != nil {
		w.t.Fatal(err)
	}
	for into, rows := range map[*map[string][]byte][]notify.Row{&w.groups: groups, &w.alerts: alerts} {
		for _, row := range rows {
			if row.Body == nil {
				delete(*into, row.ID)
			} else {
				(*into)[row.ID] = row.Body
			}
		}
	}
}

// restart replaces the planner by one that has loaded what is stored.
func (w *world) restart() {
	w.t.Helper()
	w.store()
	rows := func(stored map[string][]byte) (rows []notify.Row) {
		for id, body := range stored {
			rows = append(rows, notify.Row{ID: id, Body: body})
		}
		return rows
	}
	w.planner = notify.NewPlanner(w.plan, nil)
	if err := w.planner.Load(rows(w.groups), rows(w.alerts)); err != nil {
		w.t.Fatal(err)
	}
	w.planner.Replan(w.plan, nil, true, w.now)
}

// after lets time pass in steps of a second, and returns what was sent meanwhile, in short.
func (w *world) after(d time.Duration) []string {
	w.t.Helper()
	var notified []string
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(time.Second)
		decided, _ := w.planner.Decide(w.now, time.Time{}, nil)
		w.store()
		for _, sent := range decided {
			w.sent = append(w.sent, sent)
			notified = append(notified, short(&sent))
		}
	}
	return notified
}

func short(d *notify.Delivery) string {
	text := d.Channel + " " + string(d.Kind)
	if len(d.Groups) > 0 {
		v := d.Groups[0]
		text += fmt.Sprintf(" %d open %d new %d over", v.Open, v.New, v.Over)
		if v.Passed > 0 {
			text += fmt.Sprintf(" %d passed", v.Passed)
		}
	}
	return text
}

func (w *world) want(d time.Duration, want ...string) {
	w.t.Helper()
	if got := w.after(d); !slices.Equal(got, want) {
		w.t.Errorf("in %v until %s: got %q, want %q", d, w.now.Format(time.TimeOnly), got, want)
	}
}

func TestTenThousandAlertsAtOnceAreOneMessage(t *testing.T) {
	w := newWorld(t, standard())
	for i := range 10_000 {
		w.raise(fmt.Sprintf("device_%05d", i), iot.Warning)
	}
	w.want(time.Minute, "chat raised 10000 open 10000 new 0 over")
	if listed := len(w.sent[0].Groups[0].Alerts); listed != 20 {
		t.Errorf("listed %d alerts, want 20", listed)
	}
	for i := range 10_000 {
		w.clear(fmt.Sprintf("device_%05d", i), iot.Warning)
	}
	w.want(2*time.Minute, "chat over 0 open 0 new 10000 over")
	if alerts, groups := w.planner.Open(); alerts+groups+len(w.groups)+len(w.alerts) != 0 {
		t.Errorf("%d alerts and %d groups are left, %d and %d stored", alerts, groups, len(w.alerts), len(w.groups))
	}
}

func TestTheLifeOfAGroup(t *testing.T) {
	w := newWorld(t, standard())
	w.raise("a", iot.Warning)
	w.want(4 * time.Second)
	w.want(2*time.Second, "chat raised 1 open 1 new 0 over")
	w.raise("b", iot.Warning)
	w.want(time.Minute, "chat changed 2 open 1 new 0 over")
	w.restart()
	w.want(13 * time.Minute)
	w.want(2*time.Minute, "boss escalated 2 open 0 new 0 over", "chat escalated 2 open 0 new 0 over")
	w.acknowledge("a", iot.Warning)
	w.acknowledge("b", iot.Warning)
	w.restart()
	w.want(3 * time.Hour) // Neither repeated nor escalated.
	w.clear("a", iot.Warning)
	w.want(time.Minute, "boss changed 1 open 0 new 1 over", "chat changed 1 open 0 new 1 over")
	w.clear("b", iot.Warning)
	w.want(2*time.Minute, "boss over 0 open 0 new 1 over", "chat over 0 open 0 new 1 over")
}

// The severity of a rule is changed while its alert is open: those who are to be notified of what is as severe are, unless somebody has acknowledged it.
func TestAnAlertThatBecomesMoreSevereIsNotified(t *testing.T) {
	plan := standard()
	plan.Routes = []notify.Route{
		{Name: "critical", Match: notify.Match{Severities: []iot.Severity{iot.Critical}}, Channels: []string{"boss"}, Wait: 5 * time.Second, Interval: time.Minute, Repeat: time.Hour},
		{Name: "others", Channels: []string{"chat"}, Wait: 5 * time.Second, Interval: time.Minute, Repeat: time.Hour},
	}
	for _, acknowledged := range []bool{false, true} {
		w := newWorld(t, plan)
		w.raise("a", iot.Warning)
		w.want(time.Minute, "chat raised 1 open 1 new 0 over")
		changed := w.event("a", "high", iot.Critical, iot.Updated)
		changed.Reason = iot.RuleChanged
		if acknowledged {
			w.acknowledge("a", iot.Warning)
			changed.AckedAt = w.now
		}
		w.apply(changed)
		w.restart()
		sent := w.after(2 * time.Minute)
		if raised := slices.Contains(sent, "boss raised 1 open 1 new 0 over"); raised == acknowledged {
			t.Errorf("acknowledged %t: got %q", acknowledged, sent)
		}
	}
}

func TestAMessageIsRepeatedUntilSomebodyAcknowledges(t *testing.T) {
	plan := standard()
	plan.Routes[0].Escalate = nil
	w := newWorld(t, plan)
	w.raise("a", iot.Critical)
	w.want(10*time.Second, "chat raised 1 open 1 new 0 over")
	w.want(2*time.Hour, "chat repeated 1 open 0 new 0 over", "chat repeated 1 open 0 new 0 over")
	w.acknowledge("a", iot.Critical)
	w.want(5 * time.Hour)
}

// Nobody is notified of what has passed before its message, unless it was critical.
func TestACriticalAlertIsNotifiedEvenIfItHasPassed(t *testing.T) {
	w := newWorld(t, standard())
	w.raise("a", iot.Warning)
	w.clear("a", iot.Warning)
	w.want(time.Minute)
	w.raise("b", iot.Critical)
	w.clear("b", iot.Critical)
	w.want(time.Minute, "chat raised 0 open 1 new 1 over")
	w.apply(&iot.Alert{ID: "clock", Rule: iot.RuleClock, DeviceID: "c", Severity: iot.Warning, Transition: iot.Cleared, Onset: start, Time: start})
	w.want(time.Minute, "chat raised 0 open 1 new 1 over")
	// What is said of an alert that is over notifies nobody.
	w.apply(&iot.Alert{ID: "b", DeviceID: "b", Transition: iot.Noted, Onset: start, Time: start, Handling: iot.Handling{Comment: "post mortem"}})
	w.want(time.Hour)
	if alerts, groups := w.planner.Open(); alerts+groups != 0 {
		t.Errorf("%d alerts and %d groups are left", alerts, groups)
	}
}

func TestSuppressedAlertsAreNotified(t *testing.T) {
	w := newWorld(t, standard())
	shelved := w.event("a", "high", iot.Critical, iot.Raised)
	shelved.Suppressed = iot.Shelved
	w.apply(shelved)
	w.want(time.Hour)
	w.apply(w.event("a", "high", iot.Critical, iot.Updated)) // The shelving has ended.
	w.want(time.Minute, "chat raised 1 open 1 new 0 over")
}

func TestQuietHoursKeepAllBackButCriticalAlerts(t *testing.T) {
	plan := standard()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	plan.Routes[0].Quiet = &notify.Times{Zone: berlin, Spans: []notify.Span{{From: 11 * time.Hour, To: 13 * time.Hour}}} // 10:00 to 12:00 in UTC.
	w := newWorld(t, plan)
	w.raise("a", iot.Warning)
	w.raise("b", iot.Warning)
	w.raise("c", iot.Critical)
	w.want(14*time.Minute, "chat raised 1 open 1 new 0 over")
	if w.sent[0].Groups[0].Severity != iot.Critical {
		t.Errorf("got a message of %s, want the critical one", w.sent[0].Groups[0].Severity)
	}
	w.acknowledge("c", iot.Critical)
	w.clear("b", iot.Warning)
	w.restart()
	w.want(105 * time.Minute)
	w.want(2*time.Minute, "chat raised 1 open 1 new 0 over 1 passed")
}

func TestRoutesAreTriedInTheirOrder(t *testing.T) {
	plan := standard()
	plan.Routes = []notify.Route{
		{Name: "hall", Match: notify.Match{Areas: []iot.Area{"hall"}, Severities: []iot.Severity{iot.Critical}}, Continue: true, Channels: []string{"boss"}},
		{Name: "pumps", Match: notify.Match{Labels: map[string]string{"kind": "pump"}}, Channels: []string{"mail"}},
		{Name: "rest", Match: notify.Match{Areas: []iot.Area{"hall"}}, Channels: []string{"chat"}},
	}
	w := newWorld(t, plan)
	w.planner.Apply(w.event("pump", "high", iot.Critical, iot.Raised), map[string]string{"kind": "pump"}, true, w.now)
	w.planner.Apply(w.event("fan", "high", iot.Warning, iot.Raised), nil, true, w.now)
	elsewhere := w.event("far", "high", iot.Warning, iot.Raised)
	elsewhere.Area = "halls"
	w.planner.Apply(elsewhere, nil, true, w.now)
	got := w.after(time.Second)
	slices.Sort(got)
	want := []string{"boss raised 1 open 1 new 0 over", "chat raised 1 open 1 new 0 over", "mail raised 1 open 1 new 0 over", "mail raised 1 open 1 new 0 over"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if counts := w.planner.Counts(); counts.Unrouted != 1 {
		t.Errorf("got %d alerts without a route, want 1", counts.Unrouted)
	}
}

// A receiver, or this program, was away: what still stands is notified, and the rest in a digest.
func TestAfterAnOutageThereIsADigest(t *testing.T) {
	w := newWorld(t, standard())
	for i := range 300 {
		rule := fmt.Sprintf("rule_%03d", i)
		w.apply(w.event("a", rule, iot.Warning, iot.Raised))
		if i%3 > 0 {
			w.apply(w.event("a", rule, iot.Warning, iot.Cleared))
		}
	}
	w.now = w.now.Add(time.Hour)
	decided, merged := w.planner.Decide(w.now, w.now.Add(-time.Hour), nil)
	if len(decided) != 1 || len(merged) != 0 || decided[0].Kind != notify.Digest {
		t.Fatalf("got %d deliveries, want one digest", len(decided))
	}
	d := decided[0]
	open, passed := 0, 0
	for _, v := range d.Groups {
		open, passed = open+v.Open, passed+v.Passed
	}
	if open != 100 || len(d.Groups)+d.Omitted != 300 || passed != len(d.Groups)-100 || d.Groups[0].Open != 1 || d.Merged != 100 {
		t.Errorf("got %d open, %d passed in %d groups, %d omitted, %d merged", open, passed, len(d.Groups), d.Omitted, d.Merged)
	}
	w.want(time.Minute)
}

// Sequence: a receiver hangs for an hour while alerts come and go.
func TestWhatWaitsForAReceiverIsMerged(t *testing.T) {
	w := newWorld(t, standard())
	var waiting []notify.Delivery
	most := 0
	for minute := range 60 {
		rule := fmt.Sprintf("rule_%d", minute)
		w.apply(w.event("a", rule, iot.Critical, iot.Raised))
		for range 60 {
			w.now = w.now.Add(time.Second)
			decided, merged := w.planner.Decide(w.now, time.Time{}, waiting)
			waiting = slices.DeleteFunc(waiting, func(d notify.Delivery) bool { return slices.Contains(merged, d.ID) })
			waiting = append(waiting, decided...)
			most = max(most, len(waiting))
		}
		if minute%2 == 0 {
			w.apply(w.event("a", rule, iot.Critical, iot.Cleared))
		}
	}
	if most > 60 {
		t.Errorf("%d messages waited at once, want few", most)
	}
	// All is notified by what waits: each rule is in the last message about it.
	last := make(map[string]notify.View)
	for _, d := range waiting {
		if d.Channel == "chat" {
			for _, v := range d.Groups {
				last[v.Rule] = v
			}
		}
	}
	for minute := range 59 {
		v, notified := last[fmt.Sprintf("rule_%d", minute)]
		if !notified || (v.Open == 0) != (minute%2 == 0) {
			t.Errorf("rule %d: got %+v, %v, want whether it stands", minute, v, notified)
		}
	}
}

func TestReconcileEndsWhatNoLongerStands(t *testing.T) {
	w := newWorld(t, standard())
	w.raise("a", iot.Warning)
	w.raise("b", iot.Warning)
	w.want(10*time.Second, "chat raised 2 open 2 new 0 over")
	w.planner.Reconcile([]iot.Alert{*w.event("b", "high", iot.Warning, iot.Raised)}, w.now)
	w.want(time.Minute, "chat changed 1 open 0 new 1 over")
}

// The same decision has the same id, so that a receiver recognizes what it has had before a kill.
func TestIDsAreStable(t *testing.T) {
	ids := func() (ids []string) {
		w := newWorld(t, standard())
		w.plan.Routes[0].Channels = []string{"chat", "mail"}
		w.raise("a", iot.Warning)
		w.restart()
		w.after(2 * time.Hour)
		for _, d := range w.sent {
			ids = append(ids, d.ID)
		}
		return ids
	}
	first, second := ids(), ids()
	if !slices.Equal(first, second) || len(first) == 0 {
		t.Errorf("got %v, then %v, want the same", first, second)
	}
	slices.Sort(first)
	if len(slices.Compact(first)) != len(second) {
		t.Errorf("ids repeat: %v", second)
	}
}

func TestUrgentNotifiesOfWhatIsCriticalAndNew(t *testing.T) {
	w := newWorld(t, standard())
	open := []iot.Alert{*w.event("a", "high", iot.Critical, iot.Raised), *w.event("b", "high", iot.Critical, iot.Raised), *w.event("c", "high", iot.Warning, iot.Raised)}
	acked := *w.event("d", "high", iot.Critical, iot.Acknowledged)
	acked.AckedAt = start
	notified := map[string]bool{open[0].ID: true}
	deliveries, ids := w.plan.Urgent(append(open, acked), notified, start)
	if len(deliveries) != 1 || deliveries[0].Kind != notify.FromMemory || deliveries[0].Groups[0].Open != 1 || !slices.Equal(ids, []string{open[1].ID}) {
		t.Fatalf("got %+v, %v", deliveries, ids)
	}
	again, _ := w.plan.Urgent(append(open, acked), notified, start.Add(time.Minute))
	if again[0].ID != deliveries[0].ID {
		t.Errorf("got id %s a minute later, want %s", again[0].ID, deliveries[0].ID)
	}
	// What was notified from memory is not notified again, but people are notified when it is over.
	w.planner = notify.NewPlanner(w.plan, map[string]bool{open[1].ID: true})
	w.apply(&open[1])
	w.want(time.Minute)
	w.clear("b", iot.Critical)
	w.want(time.Minute, "chat over 0 open 0 new 1 over")
}

// TestNoCriticalAlertIsSwallowed lets anything happen, in any order, with restarts and clocks that step, and looks whether every critical alert that nobody
// had acknowledged or shelved has been notified.
func TestNoCriticalAlertIsSwallowed(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		plan := standard()
		plan.Routes[0].Quiet = &notify.Times{Zone: time.UTC, Spans: []notify.Span{{From: 0, To: 23 * time.Hour}}}
		w := newWorld(t, plan)
		raised, notified := make(map[string]bool), make(map[string]bool)
		decide := func() {
			decided, _ := w.planner.Decide(w.now, time.Time{}, nil)
			w.store()
			for _, d := range decided {
				for _, v := range d.Groups {
					for _, a := range v.Alerts {
						notified[a.ID] = true
					}
				}
			}
		}
		onset := 0
		open := make(map[string]*iot.Alert)
		for range rapid.IntRange(1, 40).Draw(r, "steps") {
			device := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "device")
			switch rapid.IntRange(0, 5).Draw(r, "what") {
			case 0, 1:
				if open[device] == nil {
					onset++
					a := w.event(device, "high", iot.Critical, iot.Raised)
					a.ID += fmt.Sprint(onset)
					open[device], raised[a.ID] = a, true
					w.apply(a)
				}
			case 2:
				if a := open[device]; a != nil {
					over := w.event(device, "high", iot.Critical, iot.Cleared)
					over.ID = a.ID
					w.apply(over)
					delete(open, device)
				}
			case 3:
				w.now = w.now.Add(time.Duration(rapid.IntRange(1, 900).Draw(r, "seconds")) * time.Second)
				decide()
			case 4:
				w.now = w.now.Add(-time.Duration(rapid.IntRange(1, 90_000).Draw(r, "back")) * time.Second)
			case 5:
				w.restart()
			}
		}
		for range 20 {
			w.now = w.now.Add(time.Minute)
			decide()
		}
		for id := range raised {
			if !notified[id] {
				r.Fatalf("alert %s was not notified", id)
			}
		}
		for device := range open {
			over := w.event(device, "high", iot.Critical, iot.Cleared)
			over.ID = open[device].ID
			w.apply(over)
		}
		for range 20 {
			w.now = w.now.Add(time.Minute)
			decide()
		}
		if alerts, groups := w.planner.Open(); alerts+groups+len(w.alerts)+len(w.groups) > 0 {
			r.Fatalf("%d alerts and %d groups are left, %d and %d stored", alerts, groups, len(w.alerts), len(w.groups))
		}
	})
}

func TestCalendars(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := func(text string) time.Time {
		t.Helper()
		parsed, err := time.ParseInLocation("2006-01-02 15:04", text, berlin)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	c := notify.Calendar{
		Zone:      berlin,
		Overrides: []notify.Override{{From: at("2026-12-24 12:00"), Until: at("2026-12-26 06:00"), Channels: []string{"standby"}}},
		Shifts:    []notify.Shift{{Span: notify.Span{Days: []time.Weekday{time.Saturday}, From: 22 * time.Hour, To: 6 * time.Hour}, Channels: []string{"night"}}},
		Rotation:  &notify.Rotation{Start: at("2026-03-02 06:00"), Days: 7, Channels: []string{"anna", "bert"}},
		Otherwise: []string{"boss"},
	}
	for _, test := range []struct{ at, want string }{
		{"2026-03-02 05:59", "boss"}, {"2026-03-02 06:00", "anna"}, {"2026-03-09 05:59", "anna"}, {"2026-03-09 06:00", "bert"}, {"2026-03-16 06:00", "anna"},
		{"2026-03-30 05:59", "bert"}, {"2026-03-30 06:00", "anna"}, // Since the day before, summer time.
		{"2026-03-07 21:59", "anna"}, {"2026-03-07 22:00", "night"}, {"2026-03-08 05:59", "night"}, {"2026-03-08 06:00", "anna"}, {"2026-03-08 23:00", "anna"},
		{"2026-12-24 11:59", "anna"}, {"2026-12-24 12:00", "standby"}, {"2026-12-26 05:59", "standby"}, {"2026-12-26 06:00", "anna"},
	} {
		if got := strings.Join(c.OnCall(at(test.at)), " "); got != test.want {
			t.Errorf("%s: got %s, want %s", test.at, got, test.want)
		}
	}
	always := notify.Times{Zone: berlin, Spans: []notify.Span{{From: 0, To: 24 * time.Hour}}}
	if end := always.End(start); !end.Equal(start) {
		t.Errorf("quiet hours without an end: got %v, want none", end.Sub(start))
	}
}

func TestTexts(t *testing.T) {
	w := newWorld(t, standard())
	evil := "a\nBcc: x <!channel> \u202e"
	w.raise(evil, iot.Critical)
	w.after(10 * time.Second)
	for language, want := range map[notify.Language]string{notify.Chinese: "新告警", notify.English: "new alert"} {
		writer := notify.Writer{Language: language, Zone: time.FixedZone("CST", 8*3600), Page: "https://iotmon.example"}
		subject, text := writer.Subject(&w.sent[0].Message), writer.Text(&w.sent[0].Message)
		if !strings.Contains(subject, want) || !strings.Contains(text, "18:00:00 CST") || !strings.Contains(text, w.sent[0].ID) || !strings.Contains(text, "https://iotmon.example") {
			t.Errorf("got %q and %q", subject, text)
		}
		if strings.Contains(text, "\nBcc") || strings.ContainsRune(text, '\u202e') || strings.Contains(subject, "\n") {
			t.Errorf("a device's id breaks the text: %q", text)
		}
		writer.Most = 120
		if text := writer.Text(&w.sent[0].Message); len(text) > 120 || !strings.HasSuffix(text, w.sent[0].ID) {
			t.Errorf("got %d bytes %q, want at most 120 with the id", len(text), text)
		}
	}
	if english := (&notify.Writer{Language: notify.English}).Text(&w.sent[0].Message); strings.ContainsAny(english, "温度阈值") {
		t.Errorf("Chinese in English: %q", english)
	}
}

func FuzzLoad(f *testing.F) {
	w := newWorld(f, standard())
	w.raise("a", iot.Critical)
	w.after(10 * time.Second)
	for id, body := range w.alerts {
		f.Add([]byte(id), body)
	}
	for id, body := range w.groups {
		f.Add(body, []byte(id))
	}
	f.Fuzz(func(_ *testing.T, group, alert []byte) {
		p := notify.NewPlanner(standard(), nil)
		if p.Load([]notify.Row{{ID: "g", Body: group}}, []notify.Row{{ID: "a", Body: alert}}) == nil {
			p.Replan(standard(), nil, true, start)
			p.Decide(start, start, nil)
			_, _, _ = p.Changes()
		}
	})
}

func TestMessagesAreGolden(t *testing.T) {
	w := newWorld(t, standard())
	w.raise("device_001", iot.Critical)
	w.after(10 * time.Second)
	got, err := json.Marshal(w.sent[0].Message)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"id":"` // The ids are pinned by what follows.
	if !strings.HasPrefix(string(got), want) || !strings.Contains(string(got), `"groups":[{"group":"msg_`) ||
		!strings.Contains(string(got), `"severity":"critical","alert_type":"high","area":"hall","since":"2026-03-02T10:00:00Z","open":1,"new":1,"acknowledged":0,"over":0,"passed":0,"alerts":[{"id":`) {
		t.Errorf("got %s", got)
	}
}
