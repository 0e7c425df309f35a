package api_test

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/control"
	"iotmon/internal/iot"
	"iotmon/internal/kpi"
	"iotmon/internal/wire"
)

// noon is the present of these tests.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// plant is a fleet whose states do not change.
type plant []iot.DeviceState

func (p plant) Scan(after iot.DeviceID, descending bool, visit func(*iot.DeviceState) bool) {
	sorted := slices.SortedFunc(slices.Values(p), func(a, b iot.DeviceState) int { return cmp.Compare(a.Latest.ID, b.Latest.ID) })
	if descending {
		slices.Reverse(sorted)
	}
	for i := range sorted {
		id := sorted[i].Latest.ID
		behind := after == "" || !descending && id > after || descending && id < after
		if behind && !visit(&sorted[i]) {
			return
		}
	}
}

func (p plant) Device(id iot.DeviceID) (iot.DeviceState, bool) {
	for _, state := range p {
		if state.Latest.ID == id {
			return state, true
		}
	}
	return iot.DeviceState{}, false
}

func (p plant) Known(id iot.DeviceID) bool {
	_, known := p.Device(id)
	return known
}

func (p plant) Alert(id string) (iot.Alert, bool) {
	for i := range p {
		for _, a := range p[i].OpenAlerts() {
			if a.ID == id {
				return a, true
			}
		}
	}
	return iot.Alert{}, false
}

func (p plant) OpenAlerts() map[iot.Severity]int64 {
	open := map[iot.Severity]int64{iot.Info: 0, iot.Warning: 0, iot.Critical: 0}
	for _, state := range p {
		for _, a := range state.OpenAlerts() {
			open[a.Severity]++
		}
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
	events    map[string][]api.AlertEvent
	raised    []kpi.Raised
	stale     int64

	readingsQuery  api.ReadingsQuery
	summariesQuery api.SummariesQuery
	alertsQuery    api.AlertsQuery
	kpiQuery       kpi.Query
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
			if q.Area != "" {
				s.Summary, _ = s.InArea(q.Area)
			}
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
		if behind && len(out) < q.Limit && (q.ID == "" || q.ID == alert.ID) {
			out = append(out, alert)
		}
	}
	return out, a.err
}

func (a *archive) AlertEvents(_ context.Context, _ iot.Tenant, id string) ([]api.AlertEvent, error) {
	return a.events[id], a.err
}

func (a *archive) RaisedAlerts(_ context.Context, q kpi.Query, visit func(*kpi.Raised) bool) error {
	a.kpiQuery = q
	for i := range a.raised {
		if !visit(&a.raised[i]) {
			break
		}
	}
	return a.err
}

func (a *archive) StaleAlerts(context.Context, kpi.Query, int) (int64, error) { return a.stale, a.err }

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
			ID: iot.AlertID(rule, state.Latest.Identity(), onset), Rule: rule, DeviceID: state.Latest.ID, DeviceType: state.Latest.Type,
			Severity: severity, Transition: iot.Raised, Onset: onset, Time: onset,
		}})
	}
}

func newAPI(t testing.TB, fleet api.Fleet, history api.History, change func(*api.Options)) http.Handler {
	t.Helper()
	catalog, err := iot.NewCatalog(append(iot.BuiltinTypes(), iot.TypeSpec{Name: "valve", Max: 2, States: []string{"CLOSED", "MOVING", "OPEN"}})...)
	if err != nil {
		t.Fatal(err)
	}
	o := api.Options{
		Fleet: fleet, History: history, Catalog: catalog, Version: "1.2.3",
		Admission: &iot.Admission{Catalog: catalog, Skew: 10 * time.Second, Retention: 14 * 24 * time.Hour},
		Now:       func() time.Time { return noon },
		Logger:    slog.New(slog.DiscardHandler),
		System:    fullSystem(), DeadLetters: fullDrawer(), Appender: &appender{}, Sources: fullSources(), Trials: recording{}, Notifications: &notices{},
		Ingest: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }),
	}
	newRegistry().use(&o)
	nothing := &handlingPlant{inForce: control.NewInForce()}
	o.Commands, o.Handled = nothing, nothing
	if change != nil {
		change(&o)
	}
	h, err := api.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return withoutNulls{t, h}
}

// withoutNulls fails the test if an answer in JSON has a null where the document allows none: clients read the fields of objects, and go through arrays.
type withoutNulls struct {
	t testing.TB
	http.Handler
}

func (h withoutNulls) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, recorded := w.(*httptest.ResponseRecorder)
	h.Handler.ServeHTTP(w, r)
	if !recorded || !strings.HasPrefix(answer.Header().Get("Content-Type"), "application/json") || strings.HasSuffix(r.URL.Path, "/openapi.json") {
		return
	}
	var body any
	if json.Unmarshal(answer.Body.Bytes(), &body) == nil {
		checkNulls(h.t, r.Method+" "+r.URL.Path, body)
	}
}

func checkNulls(t testing.TB, at string, value any) {
	switch value := value.(type) {
	case map[string]any:
		for name, child := range value {
			if child == nil && name != "avg_value" && name != "max_value" && name != "min_value" {
				t.Errorf("%s: %s is null, and the document does not allow it", at, name)
			}
			checkNulls(t, at+"."+name, child)
		}
	case []any:
		for _, child := range value {
			checkNulls(t, at+"[]", child)
		}
	}
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
