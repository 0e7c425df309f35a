package api_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/kpi"
)

func TestAlertKPIs(t *testing.T) {
	history := &archive{stale: 3}
	for i := range 14 {
		history.raised = append(history.raised, kpi.Raised{
			Rule: "hot", Device: "d1", Severity: iot.Warning, Time: noon.Add(-time.Hour + time.Duration(i)*time.Second),
			Acknowledged: noon.Add(-time.Hour + time.Duration(i+90)*time.Second),
		})
	}
	h := newAPI(t, plant{}, history, nil)
	w := request(h, "GET", "/api/v1/alerts/kpis?from=-1h&area=hall%2F3&operators=1")
	want := `{"from":"2026-03-01T11:00:00Z","to":"2026-03-01T12:00:00Z","operators":1,"counted_until":"2026-03-01T12:00:00Z","alerts":14,"suppressed":0,"averaged_from":"2026-03-01T11:00:00Z","averaged_until":"2026-03-01T12:00:00Z",` +
		`"per_day":336,"per_hour":14,"per_10_minutes":2.333,"peak_10_minutes":14,"peak_at":"2026-03-01T11:00:00Z","busy_10_minutes_percent":16.667,"busy_hours_percent":0,` +
		`"flood_percent":16.667,"floods":1,"most_percent":100,"most":[{"alert_type":"hot","device_id":"d1","alerts":14,"chattering":true}],"chattering":1,"fleeting":0,"stale":3,` +
		`"priorities":{"critical_percent":0,"warning_percent":100,"info_percent":0},"acknowledged":14,"acknowledge_median_seconds":90,"acknowledge_late_seconds":90,` +
		`"targets":{"per_day":144,"per_hour":6,"per_10_minutes":1,"peak_10_minutes":10,"busy_10_minutes_percent":1,"busy_hours_percent":1,"flood_percent":1,"most_percent":5,"chattering":0,"fleeting":0,"stale":4,"critical_percent":5,"warning_percent":15},` +
		`"step_seconds":600,"series":[14,0,0,0,0,0]}`
	if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusOK || got != want {
		t.Errorf("got %d\n%s\nwant\n%s", w.Code, got, want)
	}
	if q := history.kpiQuery; q.Area != "hall/3" || q.From != noon.Add(-time.Hour) || q.To != noon {
		t.Errorf("got the query %+v", q)
	}
	for span, want := range map[string]string{"-2d": `"step_seconds":600,`, "-7d": `"step_seconds":3600,`, "-92d": `"step_seconds":21600,`} {
		if got := request(h, "GET", "/api/v1/alerts/kpis?from="+span).Body.String(); !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", span, got, want)
		}
	}
	// A plant that has run for half an hour has no low rates for the month before.
	history.summaries = []iot.WindowSummary{{Window: iot.Window{Start: noon.Add(-30 * time.Minute), Length: time.Minute}, Type: iot.Temperature}}
	history.raised = []kpi.Raised{{Rule: "hot", Device: "d1", Severity: iot.Warning, Time: noon.Add(-time.Minute)}}
	if got := request(h, "GET", "/api/v1/alerts/kpis").Body.String(); !strings.HasPrefix(got, `{"from":"2026-03-01T11:30:00Z",`) || !strings.Contains(got, `"per_day":48,`) {
		t.Errorf("got %s", got)
	}
	checkProblem(t, request(h, "GET", "/api/v1/alerts/kpis?from=-93d"), 422, "92 days")
	checkProblem(t, request(h, "GET", "/api/v1/alerts/kpis?operators=0"), 422, "operators")
	history.err = errors.New("no database")
	checkProblem(t, request(h, "GET", "/api/v1/alerts/kpis"), http.StatusServiceUnavailable, "archive does not answer")
}
