package notify_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/notify"
)

// replan puts other routes in force.
func (w *world) replan(routes ...notify.Route) {
	w.plan = &notify.Plan{Recipients: w.plan.Recipients, Calendars: w.plan.Calendars, Routes: routes}
	w.planner.Replan(w.plan, nil, true, w.now)
}

func to(name, channel string, match notify.Match) notify.Route {
	return notify.Route{Name: name, Channels: []string{channel}, Match: match, Wait: 5 * time.Second, Interval: time.Minute, GroupBy: []notify.GroupBy{notify.ByRule}}
}

func TestAnOpenGroupWhoseRouteIsGoneIsOnlyOver(t *testing.T) {
	w := newWorld(t, standard())
	w.raise("a", iot.Critical)
	w.raise("b", iot.Critical)
	w.want(time.Minute, "chat raised 2 open 2 new 0 over")
	w.replan(to("new", "boss", notify.Match{}))
	w.restart()
	w.want(2*time.Hour, "boss raised 2 open 2 new 0 over") // Neither repeated nor escalated by the old route.
	w.clear("a", iot.Critical)
	w.want(2*time.Minute, "boss changed 1 open 0 new 1 over", "chat changed 1 open 0 new 1 over")
	w.clear("b", iot.Critical)
	w.want(2*time.Minute, "boss over 0 open 0 new 1 over", "chat over 0 open 0 new 1 over")
	if alerts, groups := w.planner.Open(); alerts+groups+len(w.groups)+len(w.alerts) != 0 {
		t.Errorf("%d alerts and %d groups are left, %d and %d stored", alerts, groups, len(w.alerts), len(w.groups))
	}
}

func TestAnAlertThatNobodyWasNotifiedOfLeavesItsRouteSilently(t *testing.T) {
	w := newWorld(t, standard())
	w.raise("a", iot.Critical)
	w.want(2 * time.Second) // It still waits for others.
	w.replan(to("new", "boss", notify.Match{}))
	w.want(time.Minute, "boss raised 1 open 1 new 0 over")
	w.clear("a", iot.Critical)
	w.want(2*time.Minute, "boss over 0 open 0 new 1 over")
}

func TestARouteThatStaysKeepsItsGroups(t *testing.T) {
	w := newWorld(t, standard())
	w.raise("a", iot.Critical)
	w.want(16*time.Minute, "chat raised 1 open 1 new 0 over", "boss escalated 1 open 0 new 0 over", "chat escalated 1 open 0 new 0 over")
	changed := w.plan.Routes[0]
	changed.GroupBy, changed.Channels = nil, []string{"mail"}
	changed.Escalate = append(slices.Clone(changed.Escalate), notify.Step{After: 20 * time.Minute, Channels: []string{"chat"}})
	w.replan(changed)
	w.restart()
	w.want(10*time.Minute, "boss escalated 1 open 0 new 0 over", "chat escalated 1 open 0 new 0 over", "mail escalated 1 open 0 new 0 over", "mail escalated 1 open 0 new 0 over")
	changed.Escalate = nil
	w.replan(changed)
	w.want(10 * time.Minute)
	w.clear("a", iot.Critical)
	w.want(2*time.Minute, "boss over 0 open 0 new 1 over", "chat over 0 open 0 new 1 over", "mail over 0 open 0 new 1 over", "mail over 0 open 0 new 1 over")
}

func TestARouteThatComesBackGoesOnWithItsGroup(t *testing.T) {
	w := newWorld(t, standard())
	before := w.plan.Routes[0]
	w.raise("a", iot.Critical)
	w.want(time.Minute, "chat raised 1 open 1 new 0 over")
	w.replan(to("new", "mail", notify.Match{Severities: []iot.Severity{iot.Info}}))
	w.want(20 * time.Minute)
	w.replan(before)
	w.want(time.Minute, "boss escalated 1 open 0 new 0 over", "chat escalated 1 open 0 new 0 over")
}

func TestAnAlertThatNoRouteTookIsTakenByOneThatIsDecidedLater(t *testing.T) {
	w := newWorld(t, standard())
	w.replan(to("info", "chat", notify.Match{Severities: []iot.Severity{iot.Info}}))
	w.raise("a", iot.Critical)
	w.raise("over", iot.Critical)
	w.want(time.Minute)
	w.clear("over", iot.Critical)
	w.store()
	w.restart()
	w.replan(to("info", "chat", notify.Match{}))
	w.want(time.Minute, "chat raised 1 open 1 new 0 over")
	if counts := w.planner.Counts(); counts.Unrouted != 0 {
		t.Errorf("after a restart: %d are counted again", counts.Unrouted)
	}
}

func TestRoutesSelectByTheTimeWhenTheAlertCame(t *testing.T) {
	w := newWorld(t, standard())
	day := notify.Match{Times: notify.Times{Zone: time.UTC, Spans: []notify.Span{{From: 6 * time.Hour, To: 14 * time.Hour}}}}
	w.replan(to("day", "chat", day), to("night", "boss", notify.Match{}))
	w.raise("a", iot.Warning) // At 10:00.
	w.want(6*time.Hour, "chat raised 1 open 1 new 0 over")
	w.replan(to("day", "chat", day), to("night", "boss", notify.Match{}), to("another", "mail", notify.Match{}))
	w.restart()
	w.want(time.Hour)
}

// Whatever is decided whenever, and however often the planner is restarted: each alert that a route takes is notified by it, nobody is notified twice that
// it is new, and at the end those who were notified of it are notified that it is over.
func TestReplanningLosesNobody(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, standard())
		channels := []string{"chat", "boss"}
		route := func(i int) notify.Route {
			r := to(fmt.Sprintf("r%d", i), channels[i%2], notify.Match{})
			r.Continue = true
			if rapid.Bool().Draw(rt, "narrow") {
				r.Match.Rules = []string{rapid.SampledFrom([]string{"high", "low"}).Draw(rt, "rule")}
			}
			if rapid.Bool().Draw(rt, "whole") {
				r.GroupBy = nil
			}
			return r
		}
		open := map[string]*iot.Alert{}
		for step := range rapid.IntRange(5, 40).Draw(rt, "steps") {
			switch rapid.IntRange(0, 3).Draw(rt, "what") {
			case 0:
				device := fmt.Sprintf("d%d", step)
				open[device] = w.event(device, rapid.SampledFrom([]string{"high", "low"}).Draw(rt, "of"), iot.Critical, iot.Raised)
				w.apply(open[device])
			case 1:
				var routes []notify.Route
				for i := range 4 {
					if rapid.Bool().Draw(rt, "there") {
						routes = append(routes, route(i))
					}
				}
				w.replan(routes...)
			case 2:
				w.restart()
			default:
				w.after(time.Duration(rapid.IntRange(1, 90).Draw(rt, "seconds")) * time.Second)
			}
		}
		w.after(3 * time.Minute)
		known := map[string]map[string]int{}
		for _, d := range w.sent {
			key := d.Groups[0].Route + " " + d.Groups[0].Group
			if known[key] == nil {
				known[key] = map[string]int{}
			}
			for _, a := range d.Groups[0].Alerts[:min(d.Groups[0].New, len(d.Groups[0].Alerts))] {
				if known[key][string(a.Device)]++; known[key][string(a.Device)] > 1 {
					rt.Fatalf("%s is notified twice of %s", key, a.Device)
				}
			}
		}
		for device, a := range open {
			n := notify.NewAlert(a)
			for i := range w.plan.Routes {
				r := &w.plan.Routes[i]
				if len(r.Match.Rules) > 0 && !slices.Contains(r.Match.Rules, n.Rule) {
					continue
				}
				found := false
				for key, devices := range known {
					found = found || strings.HasPrefix(key, r.Name+" ") && devices[device] > 0
				}
				if !found {
					rt.Fatalf("%s has not notified of %s", r.Name, device)
				}
			}
		}
		for device, a := range open {
			w.apply(w.event(device, a.Rule, iot.Critical, iot.Cleared))
		}
		w.after(5 * time.Minute)
		if alerts, groups := w.planner.Open(); alerts+groups+len(w.groups)+len(w.alerts) != 0 {
			rt.Fatalf("%d alerts and %d groups are left, %d and %d stored", alerts, groups, len(w.alerts), len(w.groups))
		}
		last := map[string]notify.Delivery{}
		for _, d := range w.sent {
			last[d.Channel+" "+d.Groups[0].Group] = d
		}
		for key, d := range last {
			if d.Kind != notify.Over {
				rt.Fatalf("the last message of %s is %s", key, short(&d))
			}
		}
	})
}

// A digest to one receiver, which is out, takes nothing from another one: that is notified again in time, and the first one half a period after its digest at
// the earliest.
func TestADigestDelaysTheRepetitionOfItsReceiverAlone(t *testing.T) {
	plan := &notify.Plan{Recipients: map[string][]string{"out": nil, "well": nil}, Routes: []notify.Route{{
		Name: "all", Channels: []string{"out", "well"}, GroupBy: []notify.GroupBy{notify.ByRule}, Wait: time.Second, Interval: time.Minute, Repeat: 15 * time.Minute,
	}}}
	w := newWorld(t, plan)
	for i := range 2 {
		w.apply(w.event(fmt.Sprint("d", i), fmt.Sprint("rule", i), iot.Critical, iot.Raised))
	}
	began := w.now
	repeated := make(map[string][]time.Duration)
	var waiting []notify.Delivery
	for ; w.now.Sub(began) < 70*time.Minute; w.now = w.now.Add(10 * time.Second) {
		decided, merged := w.planner.Decide(w.now, time.Time{}, waiting)
		w.restart() // What is known of digests is stored.
		waiting = slices.DeleteFunc(waiting, func(d notify.Delivery) bool { return slices.Contains(merged, d.ID) })
		for _, d := range decided {
			if d.Channel == "out" && w.now.Sub(began) < 14*time.Minute {
				waiting = append(waiting, d)
			}
			if d.Kind == notify.Repeated || d.Kind == notify.Digest {
				repeated[d.Channel] = append(repeated[d.Channel], w.now.Sub(began).Round(time.Minute))
			}
		}
		if w.now.Sub(began) >= 14*time.Minute {
			waiting = nil // It is back.
		}
	}
	if got, want := fmt.Sprint(repeated), "map[out:[10m0s 30m0s 30m0s 45m0s 45m0s 1h0m0s 1h0m0s] well:[15m0s 15m0s 30m0s 30m0s 45m0s 45m0s 1h0m0s 1h0m0s]]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
