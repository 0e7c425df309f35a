package notify_test

import (
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/notify"
)

func TestWhatRoutesWouldDoIsWhatTheyDo(t *testing.T) {
	w := newWorld(t, standard())
	alert := notify.NewAlert(w.event("a", "high", iot.Critical, iot.Raised))
	tried := w.plan.Try(&alert, nil, w.now)
	if len(tried) != 1 || tried[0].Notified[0].Channel != "chat" || !tried[0].From.Equal(w.now.Add(5*time.Second)) ||
		len(tried[0].Steps) != 1 || tried[0].Steps[0].Notified[0].Channel != "boss" {
		t.Fatalf("got %+v", tried)
	}
	w.raise("a", iot.Critical)
	w.after(16 * time.Minute)
	if sent := w.sent[0].Created; !sent.Equal(tried[0].From) {
		t.Errorf("sent at %v, want %v", sent, tried[0].From)
	}
	if sent := w.sent[1].Created; w.sent[1].Channel != "boss" || sent.Sub(tried[0].Steps[0].At).Abs() > time.Second {
		t.Errorf("escalated to %s at %v, want %v", w.sent[1].Channel, sent, tried[0].Steps[0].At)
	}
	w.plan.Routes[0].Quiet = &notify.Times{Zone: time.UTC, Spans: []notify.Span{{From: 9 * time.Hour, To: 12 * time.Hour}}}
	warning := alert
	warning.Severity = iot.Warning
	if from := w.plan.Try(&warning, nil, start)[0].From; from.Hour() != 12 {
		t.Errorf("of a warning in the quiet hours: got %v", from)
	}
	if from := w.plan.Try(&alert, nil, start)[0].From; from.Hour() != 10 {
		t.Errorf("of what is critical in the quiet hours: got %v", from)
	}
}

func TestCriticalAlertsThatNoRouteTakesAreFound(t *testing.T) {
	types := []iot.DeviceType{"temperature", "current"}
	day := notify.Times{Zone: time.UTC, Spans: []notify.Span{{From: 6 * time.Hour, To: 22 * time.Hour}}}
	night := notify.Times{Zone: time.UTC, Spans: []notify.Span{{From: 22 * time.Hour, To: 6 * time.Hour}}}
	shortNight := notify.Times{Zone: time.UTC, Spans: []notify.Span{{From: 22 * time.Hour, To: 5 * time.Hour}}}
	for name, c := range map[string]struct {
		matches []notify.Match
		gap     bool
		from    int // The hour.
		types   int
	}{
		"everything":             {[]notify.Match{{}}, false, 0, 0},
		"what is critical":       {[]notify.Match{{Severities: []iot.Severity{iot.Critical}}}, false, 0, 0},
		"nothing critical":       {[]notify.Match{{Severities: []iot.Severity{iot.Warning}}}, true, 10, 0},
		"an area":                {[]notify.Match{{Areas: []iot.Area{"hall"}}}, true, 10, 0},
		"one type":               {[]notify.Match{{Types: types[:1]}}, true, 10, 1},
		"all types":              {[]notify.Match{{Types: types[:1]}, {Types: types[1:]}}, false, 0, 0},
		"day and night":          {[]notify.Match{{Times: day}, {Times: night}}, false, 0, 0},
		"an hour of the night":   {[]notify.Match{{Times: day}, {Times: shortNight}}, true, 5, 0},
		"the day alone":          {[]notify.Match{{Times: day}}, true, 22, 0},
		"nights of another type": {[]notify.Match{{Times: day}, {Times: night, Types: types[:1]}}, true, 22, 1},
		"no route":               {nil, true, 10, 0},
	} {
		plan := &notify.Plan{}
		for _, m := range c.matches {
			plan.Routes = append(plan.Routes, notify.Route{Match: m})
		}
		gap := plan.Gap(iot.Critical, types, start)
		if (gap != nil) != c.gap || gap != nil && (gap.From.UTC().Hour() != c.from || len(gap.Types) != c.types) {
			t.Errorf("%s: got %+v", name, gap)
		}
	}
}
