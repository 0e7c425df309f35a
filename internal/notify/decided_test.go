package notify_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/notify"
)

func routeSpec(name string, change ...func(*notify.RouteSpec)) notify.RouteSpec {
	spec := notify.RouteSpec{
		Name: name, TimeZone: "Europe/Berlin", Channels: []string{"chat"}, GroupBy: []string{"rule", "area"}, WaitSeconds: 5, IntervalSeconds: 60, RepeatSeconds: 3600,
	}
	for _, f := range change {
		f(&spec)
	}
	return spec
}

func calendarSpec(change ...func(*notify.CalendarSpec)) notify.CalendarSpec {
	spec := notify.CalendarSpec{
		Name: "electricians", TimeZone: "Europe/Berlin", Otherwise: []string{"chat"},
		Overrides: []notify.OverrideSpec{{From: "2026-12-24T06:00", Until: "2026-12-26T06:00", Channels: []string{"boss"}}},
		Shifts:    []notify.ShiftSpec{{SpanSpec: notify.SpanSpec{Days: []string{"mon"}, From: "06:00", To: "24:00"}, Channels: []string{"chat"}}},
		Rotation:  &notify.RotationSpec{Start: "2026-01-05T06:00", Days: 7, Channels: []string{"chat", "boss"}},
	}
	for _, f := range change {
		f(&spec)
	}
	return spec
}

var names = &notify.Names{Channels: map[string]bool{"chat": true, "boss": true}, Calendars: map[string]bool{"electricians": true}}

func TestWhatCannotBeInForceIsRefusedWithItsPlace(t *testing.T) {
	for place, change := range map[string]func(*notify.RouteSpec){
		"routes[1].name":          func(r *notify.RouteSpec) { r.Name = "a" },
		"routes[1].time_zone":     func(r *notify.RouteSpec) { r.TimeZone = "Mars/Olympus" },
		"routes[1].channels":      func(r *notify.RouteSpec) { r.Channels = nil },
		"routes[1].channels[0]":   func(r *notify.RouteSpec) { r.Channels = []string{"nobody"} },
		"routes[1].on_call[0]":    func(r *notify.RouteSpec) { r.OnCall = []string{"plumbers"} },
		"routes[1].severities[0]": func(r *notify.RouteSpec) { r.Severities = []string{"fatal"} },
		"routes[1].areas[0]":      func(r *notify.RouteSpec) { r.Areas = []string{""} },
		"routes[1].times[0].from": func(r *notify.RouteSpec) { r.Times = []notify.SpanSpec{{From: "25:00", To: "06:00"}} },
		"routes[1].quiet[0].to":   func(r *notify.RouteSpec) { r.Quiet = []notify.SpanSpec{{From: "22:00", To: "6:00"}} },
		"routes[1].quiet[0].days[1]": func(r *notify.RouteSpec) {
			r.Quiet = []notify.SpanSpec{{Days: []string{"mon", "day"}, From: "22:00", To: "06:00"}}
		},
		"routes[1].group_by[0]":          func(r *notify.RouteSpec) { r.GroupBy = []string{"colour"} },
		"routes[1].wait_seconds":         func(r *notify.RouteSpec) { r.WaitSeconds = 3601 },
		"routes[1].interval_seconds":     func(r *notify.RouteSpec) { r.IntervalSeconds = 0 },
		"routes[1].repeat_seconds":       func(r *notify.RouteSpec) { r.RepeatSeconds = 1 },
		"routes[1].escalate[0].channels": func(r *notify.RouteSpec) { r.Escalate = []notify.StepSpec{{AfterSeconds: 60}} },
		"routes[1].escalate[1].after_seconds": func(r *notify.RouteSpec) {
			r.Escalate = []notify.StepSpec{{60, []string{"boss"}, nil}, {60, []string{"boss"}, nil}}
		},
		"routes[1].escalate":               func(r *notify.RouteSpec) { r.Escalate = make([]notify.StepSpec, 11) },
		"routes[1].escalate[0].on_call[0]": func(r *notify.RouteSpec) { r.Escalate = []notify.StepSpec{{60, nil, []string{"plumbers"}}} },
	} {
		err := notify.CheckRoutes("routes", []notify.RouteSpec{routeSpec("a"), routeSpec("b", change)}, names)
		refusedAt(t, err, place)
	}
	refusedAt(t, notify.CheckRoutes("routes", nil, names), "routes")
	refusedAt(t, notify.CheckRoutes("routes", []notify.RouteSpec{routeSpec("a", func(r *notify.RouteSpec) { r.TimeZone = "Local" })}, names), "routes[0].time_zone")
	for place, change := range map[string]func(*notify.CalendarSpec){
		"name":               func(c *notify.CalendarSpec) { c.Name = "a b" },
		"time_zone":          func(c *notify.CalendarSpec) { c.TimeZone = "" },
		"otherwise":          func(c *notify.CalendarSpec) { c.Otherwise = nil },
		"otherwise[0]":       func(c *notify.CalendarSpec) { c.Otherwise = []string{"nobody"} },
		"overrides[0].from":  func(c *notify.CalendarSpec) { c.Overrides[0].From = "2026-03-29T02:30" }, // The clocks are put forward.
		"overrides[0].until": func(c *notify.CalendarSpec) { c.Overrides[0].Until = c.Overrides[0].From },
		"shifts[0].to":       func(c *notify.CalendarSpec) { c.Shifts[0].To = "24:01" },
		"shifts[0].channels": func(c *notify.CalendarSpec) { c.Shifts[0].Channels = nil },
		"rotation.start":     func(c *notify.CalendarSpec) { c.Rotation.Start = "2026-02-30T06:00" },
		"rotation.days":      func(c *notify.CalendarSpec) { c.Rotation.Days = 0 },
		"rotation.channels":  func(c *notify.CalendarSpec) { c.Rotation.Channels = nil },
	} {
		spec := calendarSpec(change)
		refusedAt(t, spec.Check("", names), place)
	}
	good := calendarSpec()
	if err := good.Check("", names); err != nil {
		t.Error(err)
	}
	if err := notify.CheckRoutes("routes", []notify.RouteSpec{routeSpec("a"), routeSpec("b")}, names); err != nil {
		t.Error(err)
	}
}

func refusedAt(t *testing.T, err error, place string) {
	t.Helper()
	invalid, ok := err.(*iot.InvalidError)
	if !ok || invalid.Field != place {
		t.Errorf("got %v, want a refusal at %s", err, place)
	}
}

func decision() *notify.Decided {
	return &notify.Decided{
		Version: 3, Routes: &notify.DecidedRoutes{Version: 2, Routes: []notify.RouteSpec{routeSpec("a", func(r *notify.RouteSpec) {
			r.OnCall, r.Escalate = []string{"electricians"}, []notify.StepSpec{{AfterSeconds: 900, Channels: []string{"boss"}}}
		}), routeSpec("b")}},
		Calendars: []notify.DecidedCalendar{{Version: 3, CalendarSpec: calendarSpec()}},
	}
}

func TestADecisionIsDecodedAsItWasWritten(t *testing.T) {
	d := decision()
	text := notify.AppendDecided(nil, d)
	if again, err := notify.DecodeDecided(text); err != nil || !reflect.DeepEqual(&again, d) {
		t.Errorf("got %+v, %v", again, err)
	}
	for _, wrong := range []string{"", "{}", `{"version":1} {}`, `{"version":1,"colour":"red"}`, `{"version":1,"routes":{"version":2,"routes":[]}}`, strings.Repeat(" ", 2<<20)} {
		if d, err := notify.DecodeDecided([]byte(wrong)); err == nil {
			t.Errorf("%.40q: got %+v", wrong, d)
		}
	}
}

func FuzzDecodeDecided(f *testing.F) {
	f.Add(notify.AppendDecided(nil, decision()))
	f.Add([]byte(`{"version":1}`))
	setup := &notify.Setup{Recipients: map[string][]string{"chat": nil}, Routes: []notify.RouteSpec{routeSpec("configured")}}
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := notify.DecodeDecided(text)
		if err != nil {
			return
		}
		again, err := notify.DecodeDecided(notify.AppendDecided(nil, &d))
		if err != nil || !slices.Equal(notify.AppendDecided(nil, &again), notify.AppendDecided(nil, &d)) {
			t.Fatalf("got %+v, %v", again, err)
		}
		plan, _, err := setup.Plan(&d)
		if err != nil || len(plan.Routes) == 0 {
			t.Fatalf("what is decided is no plan: %v", err)
		}
		for _, c := range plan.Calendars {
			c.OnCall(start)
		}
	})
}

// Sequence: a channel is removed from the configuration that routes and calendars name which people have decided. Somebody must be notified all the same.
func TestADecisionOutlivesTheChannelsThatItNames(t *testing.T) {
	setup := &notify.Setup{
		Recipients: map[string][]string{"boss": nil}, Routes: []notify.RouteSpec{routeSpec("configured", func(r *notify.RouteSpec) { r.Channels = []string{"boss"} })},
	}
	d := decision()
	plan, missing, err := setup.Plan(d)
	if err != nil || len(plan.Routes) != 1 || plan.Routes[0].Name != "a" || len(plan.Routes[0].Channels) != 0 {
		t.Fatalf("got %+v, %v", plan, err)
	}
	if want := []string{"calendar electricians: channel chat", "route a: channel chat", "route b: channel chat"}; !slices.Equal(missing, want) {
		t.Errorf("got %q, want %q", missing, want)
	}
	for day := range 400 {
		if on := plan.Calendars["electricians"].OnCall(start.AddDate(0, 0, day)); !slices.Contains(on, "boss") {
			t.Fatalf("on day %d: got %v", day, on)
		}
	}
	d.Calendars = nil
	d.Routes.Routes[0].OnCall = nil
	plan, missing, err = setup.Plan(d)
	if err != nil || len(plan.Routes) != 1 || plan.Routes[0].Name != "configured" || len(missing) != 2 {
		t.Errorf("got %+v, %v, %v: want the routes of the configuration", plan, missing, err)
	}
	empty := &notify.Decided{}
	if plan, missing, err = setup.Plan(empty); err != nil || len(missing) != 0 || plan.Routes[0].Wait != 5*time.Second {
		t.Errorf("got %+v, %v, %v", plan, missing, err)
	}
}

// Quiet hours that never end are refused when they are decided; stored ones are loaded, and keep nothing back.
func TestQuietHoursOfAWholeWeekAreRefused(t *testing.T) {
	for place, quiet := range map[string][]notify.SpanSpec{
		"routes[1].quiet[0].to": {{From: "06:00", To: "06:00"}},
		"routes[1].quiet[1].to": {{From: "08:00", To: "20:00"}, {From: "20:00", To: "08:00"}, {From: "09:00", To: "10:00"}},
		"routes[1].quiet[2].to": {{Days: []string{"mon", "tue", "wed", "thu", "fri"}, From: "00:00", To: "24:00"}, {Days: []string{"sat"}, From: "00:00", To: "00:00"}, {Days: []string{"sun"}, From: "00:00", To: "24:00"}},
	} {
		d := decision()
		d.Routes.Routes[1].Quiet = quiet
		names := &notify.Names{Channels: map[string]bool{"chat": true, "boss": true}, Calendars: map[string]bool{"electricians": true}}
		refusedAt(t, notify.CheckNewRoutes("routes", d.Routes.Routes, names), place)
		stored, err := notify.DecodeDecided(notify.AppendDecided(nil, d))
		if err != nil {
			t.Fatalf("stored: got %v, want it loaded", err)
		}
		plan, _, err := (&notify.Setup{Recipients: map[string][]string{"chat": nil, "boss": nil}}).Plan(&stored)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
		plan.Routes = plan.Routes[1:]
		if tried := plan.Try(&notify.Alert{Severity: iot.Warning}, nil, at); len(tried) != 1 || tried[0].From.Sub(at) > time.Minute {
			t.Errorf("got %+v, want it notified at once", tried)
		}
	}
	most := []notify.SpanSpec{{From: "06:01", To: "06:00"}}
	names := &notify.Names{Channels: map[string]bool{"chat": true}}
	if err := notify.CheckNewRoutes("routes", []notify.RouteSpec{routeSpec("a", func(r *notify.RouteSpec) { r.Quiet = most })}, names); err != nil {
		t.Errorf("all but a minute a day: got %v", err)
	}
}
