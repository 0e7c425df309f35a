package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

func TestErrorsAreProblems(t *testing.T) {
	fleet := plant{device("d1", iot.Temperature, 20, nil)}
	tests := []struct {
		method, target string
		status         int
		contains       string
	}{
		{"GET", "/api/v1/nothing", 404, "/api/v1/nothing"},
		{"GET", "/elsewhere", 404, "nothing at"},
		{"POST", "/api/v1/devices", 405, "POST is not possible"},
		{"PATCH", "/api/v1/areas", 405, "PATCH is not possible"},
		{"GET", "/api/v1/devices/unknown", 404, "unknown"},
		{"GET", "/api/v1/devices?limit=0", 422, "query.limit"},
		{"GET", "/api/v1/devices?limit=1001", 422, "query.limit"},
		{"GET", "/api/v1/devices?limit=many", 422, "query.limit"},
		{"GET", "/api/v1/devices?sort=colour", 422, "query.sort"},
		{"GET", "/api/v1/devices?order=up", 422, "query.order"},
		{"GET", "/api/v1/devices?status=asleep", 422, "query.status"},
		{"GET", "/api/v1/devices?floor=first", 422, "query.floor"},
		{"GET", "/api/v1/devices?has_open_alerts=maybe", 422, "query.has_open_alerts"},
		{"GET", "/api/v1/devices?type=teapot", 422, "known: temperature_sensor"},
		{"GET", "/api/v1/devices?tpye=temperature_sensor", 422, "query.tpye"},
		{"GET", "/api/v1/devices?cursor=AAAA", 400, "query.cursor"},
		{"GET", "/api/v1/devices?cursor=not%20base64", 400, "query.cursor"},
		{"GET", "/api/v1/devices?cursor=" + strings.Repeat("A", 2049), 422, "query.cursor"},
		{"GET", "/api/v1/devices/unknown/readings", 404, "unknown"},
		{"GET", "/api/v1/devices/" + strings.Repeat("x", 129), 422, "path.id"},
		{"GET", "/api/v1/devices/d1/readings?from=yesterday", 422, "RFC 3339"},
		{"GET", "/api/v1/devices/d1/readings?from=now&to=-1h", 422, "query.from"},
		{"GET", "/api/v1/devices/d1/readings?from=-200000d", 422, "query.from"},
		{"GET", "/api/v1/devices/d1/readings?step=0s", 422, "query.step"},
		{"GET", "/api/v1/devices/d1/readings?max_points=3", 422, "query.max_points"},
		{"GET", "/api/v1/devices/d1/readings?max_points=5001", 422, "query.max_points"},
		{"GET", "/api/v1/summaries?type=teapot", 422, "query.type"},
		{"GET", "/api/v1/summaries?limit=3001", 422, "query.limit"},
		{"GET", "/api/v1/summaries?step=2d", 422, "query.step"},
		{"GET", "/api/v1/summaries?step=1500ms", 422, "query.step"},
		{"GET", "/api/v1/devices/d1/readings?step=1ns", 422, "query.step"},
		{"GET", "/api/v1/summaries?alerts=some", 422, "query.alerts"},
		{"GET", "/api/v1/summaries?from=2026-03-01T00:00:00Z&to=2026-03-01T00:00:00Z", 422, "before to"},
		{"GET", "/api/v1/summaries?cursor=x", 400, "query.cursor"},
		{"GET", "/api/v1/alerts?state=raised", 422, "query.state"},
		{"GET", "/api/v1/alerts?severity=fatal", 422, "query.severity"},
		{"GET", "/api/v1/alerts?from=now&to=-1h", 422, "before to"},
		{"GET", "/api/v1/alerts?cursor=x", 400, "query.cursor"},
	}
	h := newAPI(t, fleet, &archive{}, nil)
	for _, test := range tests {
		t.Run(test.method+" "+test.target[:min(len(test.target), 60)], func(t *testing.T) {
			w := request(h, test.method, test.target)
			checkProblem(t, w, test.status, test.contains)
			if allow := w.Header().Get("Allow"); (test.status == 405) != (allow != "") {
				t.Errorf("got Allow %q with status %d", allow, w.Code)
			}
		})
	}
}

func TestHistoryOutageIsAnswered503AndLoggedOnce(t *testing.T) {
	var logged bytes.Buffer
	history := &archive{err: errors.New("disk is gone")}
	h := newAPI(t, plant{device("d1", iot.Temperature, 20, nil)}, history, func(o *api.Options) {
		o.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	})
	for _, target := range []string{"/api/v1/devices/d1/readings", "/api/v1/summaries", "/api/v1/alerts"} {
		w := request(h, http.MethodGet, target)
		checkProblem(t, w, http.StatusServiceUnavailable, "archive")
		if w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", target)
		}
		if strings.Contains(w.Body.String(), "disk") {
			t.Errorf("%s: a client learns about the inside: %s", target, w.Body)
		}
	}
	history.err = nil
	get[map[string]any](t, h, "/api/v1/alerts")
	get[map[string]any](t, h, "/api/v1/alerts")
	if lines := strings.Count(logged.String(), "\n"); lines != 2 {
		t.Errorf("logged %d lines, want one for the outage and one for its end:\n%s", lines, &logged)
	}
}

func TestGivenUpQuestionIsNotAnOutage(t *testing.T) {
	var logged bytes.Buffer
	h := newAPI(t, plant{}, &archive{err: context.Canceled}, func(o *api.Options) {
		o.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(gone, http.MethodGet, "/api/v1/alerts", nil))
	if logged.Len() > 0 {
		t.Errorf("logged %q, want nothing", &logged)
	}
}

func TestAnyIDCanBeAskedFor(t *testing.T) {
	ids := []iot.DeviceID{"plain", "with space", "a/b", "a//b/", "50%", "%2F", "设备-01", "a?b#c", "a+b", "<b>&amp;", `"quoted"`, "{id}", ".hidden"}
	var fleet plant
	for i, id := range ids {
		fleet = append(fleet, device(id, iot.Temperature, float64(i), nil))
	}
	history := &archive{points: []api.Point{{Time: noon, Value: 1}}}
	h := newAPI(t, fleet, history, nil)
	for i, id := range ids {
		escaped := escapeSegment(string(id))
		got := get[wire.Device](t, h, "/api/v1/devices/"+escaped)
		if got.DeviceID != id || got.Value != float64(i) {
			t.Errorf("asked for %q, got %q with value %v", id, got.DeviceID, got.Value)
		}
		get[any](t, h, "/api/v1/devices/"+escaped+"/readings")
		if history.readingsQuery.Device != id {
			t.Errorf("asked for the readings of %q, history was asked for %q", id, history.readingsQuery.Device)
		}
	}
}

// escapeSegment escapes everything, as encodeURIComponent of a browser nearly does.
func escapeSegment(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

func TestDeviceHasItsAlerts(t *testing.T) {
	fleet := plant{device("d1", iot.Temperature, 40, func(state *iot.DeviceState) {
		alarmed("temperature_high", iot.Warning)(state)
		alarmed("temperature_very_high", iot.Critical)(state)
		state.Alerts[0].Safe = noon.Add(-10 * time.Second)
		state.Alerts = append(state.Alerts, iot.AlertState{Rule: "temperature_rising", Onset: noon.Add(-5 * time.Second)})
	})}
	type state struct {
		Rule, State string
		AlertID     string     `json:"alert_id"`
		SafeSince   *time.Time `json:"safe_since"`
	}
	got := get[struct {
		OpenAlerts  int          `json:"open_alerts"`
		Alerts      []wire.Alert `json:"alerts"`
		AlertStates []state      `json:"alert_states"`
	}](t, newAPI(t, fleet, &archive{}, nil), "/api/v1/devices/d1")
	if got.OpenAlerts != 2 || len(got.Alerts) != 2 || got.Alerts[0].Severity != iot.Critical {
		t.Errorf("got %d open alerts %+v, want 2, the critical one first", got.OpenAlerts, got.Alerts)
	}
	var states []string
	for _, s := range got.AlertStates {
		states = append(states, s.Rule+" "+s.State)
		if (s.State == "pending") != (s.AlertID == "") || (s.State == "clearing") != (s.SafeSince != nil) {
			t.Errorf("got %+v: an alert id belongs to open and clearing, safe_since to clearing", s)
		}
	}
	if want := []string{"temperature_high clearing", "temperature_very_high open", "temperature_rising pending"}; !slices.Equal(states, want) {
		t.Errorf("got %q, want %q", states, want)
	}
}

func TestSystemEndpoints(t *testing.T) {
	fleet := plant{
		device("d1", iot.Temperature, 40, alarmed("temperature_high", iot.Warning)),
		device("d2", iot.Humidity, 40, func(s *iot.DeviceState) { s.Status = iot.Offline }),
	}
	h := newAPI(t, fleet, &archive{}, nil)
	status := get[struct {
		wire.StatusCounts
		ByType     map[iot.DeviceType]wire.StatusCounts `json:"by_type"`
		Rate       float64                              `json:"readings_per_second"`
		OpenAlerts map[iot.Severity]int                 `json:"open_alerts"`
		Timestamp  time.Time                            `json:"timestamp"`
	}](t, h, "/api/v1/status")
	if status.StatusCounts != (wire.StatusCounts{Total: 2, Online: 1, Offline: 1}) || status.ByType[iot.Humidity].Offline != 1 || status.Rate != 12.5 || !status.Timestamp.Equal(noon) {
		t.Errorf("got status %+v", status)
	}
	if len(status.OpenAlerts) != 3 || status.OpenAlerts[iot.Warning] != 1 {
		t.Errorf("got open alerts %v, want one warning and zeros", status.OpenAlerts)
	}
	types := get[struct{ Items []wire.TypeSpec }](t, h, "/api/v1/types")
	if len(types.Items) != 6 || types.Items[0].Name != iot.Temperature || types.Items[0].Labels["zh"] != "温度" {
		t.Errorf("got types %+v", types.Items)
	}
	if got := get[map[string]string](t, h, "/api/v1/version"); got["name"] != "iotmon" || got["version"] != "1.2.3" || !strings.HasPrefix(got["go"], "go1.") {
		t.Errorf("got version %v", got)
	}
	if w := request(h, http.MethodPost, "/api/v1/readings"); w.Code != http.StatusTeapot {
		t.Errorf("readings were answered with %d, want the ingest handler's own answer", w.Code)
	}
	if w := request(h, http.MethodGet, "/api/v1/status"); w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("got Cache-Control %q, want no-store", w.Header().Get("Cache-Control"))
	}
}

func TestLimitsSayHowOldAReadingMayBe(t *testing.T) {
	got := get[map[string]any](t, newAPI(t, plant{}, &archive{}, nil), "/api/v1/limits")
	if got["readings_retention_seconds"] != 14*24*60*60.0 || got["max_clock_skew_seconds"] != 10.0 || got["earliest"] != "2000-01-01T00:00:00Z" {
		t.Errorf("got limits %v, want 14 days, 10 s and the year 2000", got)
	}
}

func TestOptionsAreRequired(t *testing.T) {
	if _, err := api.New(api.Options{}); err == nil {
		t.Error("built without a fleet and a history")
	}
}
