package api_test

import (
	"bytes"
	"context"
	"encoding/json"
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

// noon is the present of these tests.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// plant is a fleet that stands still.
type plant []iot.DeviceState

func (p plant) Devices() []iot.DeviceState { return p }

func (p plant) Device(id iot.DeviceID) (iot.DeviceState, bool) {
	for _, state := range p {
		if state.Latest.ID == id {
			return state, true
		}
	}
	return iot.DeviceState{}, false
}

func (p plant) OpenAlerts() []iot.Alert {
	var open []iot.Alert
	for _, state := range p {
		open = append(open, state.OpenAlerts()...)
	}
	return open
}

func (p plant) Counts() wire.DeviceStatus {
	status := wire.DeviceStatus{ByType: map[iot.DeviceType]wire.StatusCounts{}, ReadingsPerSecond: 12.5}
	for _, state := range p {
		counts := status.ByType[state.Latest.Type]
		for _, c := range []*wire.StatusCounts{&counts, &status.StatusCounts} {
			c.Total++
			if state.Status == iot.Online {
				c.Online++
			} else {
				c.Offline++
			}
		}
		status.ByType[state.Latest.Type] = counts
	}
	return status
}

// archive is a history in memory. It keeps the last question, and answers with err if that is set.
type archive struct {
	err       error
	points    []api.Point
	summaries []iot.WindowSummary
	alerts    []api.ArchivedAlert

	readingsQuery  api.ReadingsQuery
	summariesQuery api.SummariesQuery
	alertsQuery    api.AlertsQuery
}

func (a *archive) Readings(_ context.Context, q api.ReadingsQuery) ([]api.Point, error) {
	a.readingsQuery = q
	return a.points, a.err
}

func (a *archive) Summaries(_ context.Context, q api.SummariesQuery) ([]iot.WindowSummary, error) {
	a.summariesQuery = q
	var out []iot.WindowSummary
	for _, s := range a.summaries {
		start := s.Window.Start
		behind := start.After(q.AfterStart) || start.Equal(q.AfterStart) && s.Type > q.AfterType
		if behind && !start.Before(q.From) && start.Before(q.To) && (q.Type == "" || s.Type == q.Type) && len(out) < q.Limit {
			out = append(out, s)
		}
	}
	return out, a.err
}

func (a *archive) Alerts(_ context.Context, q api.AlertsQuery) ([]api.ArchivedAlert, error) {
	a.alertsQuery = q
	var out []api.ArchivedAlert
	for _, alert := range a.alerts {
		behind := q.BeforeOnset.IsZero() || alert.Onset.Before(q.BeforeOnset) || alert.Onset.Equal(q.BeforeOnset) && alert.ID > q.AfterID
		if behind && len(out) < q.Limit {
			out = append(out, alert)
		}
	}
	return out, a.err
}

// device returns the state of a device; change may alter it.
func device(id iot.DeviceID, t iot.DeviceType, value float64, change func(*iot.DeviceState)) iot.DeviceState {
	state := iot.DeviceState{Status: iot.Online, Since: noon.Add(-time.Hour)}
	state.Latest = iot.Reading{Device: iot.Device{ID: id, Type: t, Unit: "°C"}, Time: noon.Add(-time.Second), Value: value}
	if change != nil {
		change(&state)
	}
	return state
}

// alarmed opens an alert of the rule on a device.
func alarmed(rule string, severity iot.Severity) func(*iot.DeviceState) {
	return func(state *iot.DeviceState) {
		onset := noon.Add(-time.Minute)
		state.Alerts = append(state.Alerts, iot.AlertState{Rule: rule, Onset: onset, Raised: &iot.Alert{
			ID: iot.AlertID(rule, state.Latest.ID, onset), Rule: rule, DeviceID: state.Latest.ID, DeviceType: state.Latest.Type,
			Severity: severity, Transition: iot.Raised, Onset: onset, Time: onset,
		}})
	}
}

func newAPI(t testing.TB, fleet api.Fleet, history api.History, change func(*api.Options)) http.Handler {
	t.Helper()
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	o := api.Options{
		Fleet: fleet, History: history, Catalog: catalog, Version: "1.2.3",
		Now:    func() time.Time { return noon },
		Logger: slog.New(slog.DiscardHandler),
		Ingest: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }),
	}
	if change != nil {
		change(&o)
	}
	h, err := api.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func request(h http.Handler, method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w
}

// get asks for target and decodes the answer, which must be 200.
func get[T any](t testing.TB, h http.Handler, target string) T {
	t.Helper()
	w := request(h, http.MethodGet, target)
	var out T
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != http.StatusOK {
		t.Fatalf("GET %s: got %d %s (decode: %v), want 200", target, w.Code, w.Body, err)
	}
	return out
}

func checkProblem(t testing.TB, w *httptest.ResponseRecorder, status int, contains string) {
	t.Helper()
	var p struct {
		Title  string
		Status int
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("body is not a problem: %v\n%s", err, w.Body)
	}
	if w.Code != status || p.Status != status || p.Title != http.StatusText(status) || !strings.Contains(w.Body.String(), contains) {
		t.Errorf("got %d %s, want a %d that contains %q", w.Code, w.Body, status, contains)
	}
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("got Content-Type %q, want application/problem+json", got)
	}
}

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
		{"DELETE", "/api/v1/devices/d1", 405, "DELETE is not possible"},
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
			t.Errorf("%s: tells a client about the inside: %s", target, w.Body)
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

func TestDeviceTellsItsAlerts(t *testing.T) {
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
	if len(types.Items) != 5 || types.Items[0].Name != iot.Temperature || types.Items[0].Labels["zh"] != "温度" {
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

func TestOptionsAreRequired(t *testing.T) {
	if _, err := api.New(api.Options{}); err == nil {
		t.Error("built without a fleet and a history")
	}
}

// fullPlant returns a fleet and a history in which every optional field of the answers is there.
func fullPlant() (plant, *archive) {
	battery := 85.0
	d1 := device("d1", iot.Temperature, 40, func(s *iot.DeviceState) {
		s.Latest.Location = iot.Location{Building: "A栋", Floor: 3, Room: "301"}
		s.Latest.Metadata = iot.Metadata{Model: "IOT-TEMP-V2", Firmware: "1.2.3", BatteryLevel: &battery}
		s.Latest.Quality, s.Latest.ReceivedAt, s.Latest.Historical = iot.Uncertain, noon, true
		alarmed("temperature_high", iot.Warning)(s)
		s.Alerts[0].Safe = noon
	})
	alert := *d1.Alerts[0].Raised
	alert.Location, alert.Unit, alert.Historical = d1.Latest.Location, "°C", true
	summary := iot.WindowSummary{Type: iot.Temperature, Window: iot.WindowOf(noon.Add(-time.Minute), 30*time.Second), Final: true}
	empty := summary
	summary.Add(21)
	summary.Alerts, summary.AlertCount = []iot.Alert{alert}, 1
	empty.Window = empty.Window.Next()
	history := &archive{
		points:    []api.Point{{Time: noon, Value: 1, Quality: iot.Bad}},
		summaries: []iot.WindowSummary{summary, empty},
		alerts:    []api.ArchivedAlert{{Alert: alert, Raised: noon, ClearedAt: noon}, {Alert: alert, Raised: noon}},
	}
	return plant{d1, device("d2", iot.Temperature, 1, nil)}, history
}
