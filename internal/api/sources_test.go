package api_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/iot"
)

// sources are Sources that do not change.
type sources struct {
	states  []api.SourceState
	details map[string]api.SourceDetail
	err     error
}

func (s *sources) States() ([]api.SourceState, error) { return s.states, s.err }

func (s *sources) Detail(name string) (api.SourceDetail, bool) {
	detail, known := s.details[name]
	return detail, known
}

// fullSources returns sources in which every optional field of the answers is there.
func fullSources() *sources {
	past, lag, number, hot := noon.Add(-time.Minute), int64(7), 20.0, 9999.0
	sample := api.NewSample([]byte(`{"temp":20}`), 11)
	state := api.SourceState{
		Name: "hall-3", Kind: "mqtt", State: "connected", Since: past, Address: "tcp://broker:1883", Instance: "edge-1/4711", Error: "reset", ErrorAt: &past,
		LogError: "no answer", Connections: 2, Messages: 10, Readings: 8, Rejected: 1, RejectedBy: map[string]int64{"": 1}, Untimed: 1, Unmapped: 2, Lag: &lag,
		LastMessage: &past, LastValue: &past, Counted: noon,
	}
	quiet := api.SourceState{Name: "quiet", Kind: "opcua", State: api.UnknownSource, Since: past, Counted: past, RejectedBy: map[string]int64{}}
	return &sources{
		states: []api.SourceState{state, quiet},
		details: map[string]api.SourceDetail{"quiet": {}, "hall-3": {
			Rejects: []api.SourceReject{{At: past, Topic: "plant/a", Field: "value", Reason: "missing", CodedReason: api.CodedReason{Code: "missing", Arguments: map[string]string{"in": `"a"`}}, Sample: api.NewSample([]byte("\xff"), 5)}},
			Seen: []api.SourceSeen{
				{Topic: "plant/a", Count: 3, At: past, Sample: &sample, ValueCount: 7, Values: []api.SourceValue{
					{Measurement: "m", Field: "temp", Tags: map[string]string{"host": "a"}, Number: &number, Unit: "°C", Quality: iot.Uncertain, Historical: true, Time: &past},
					{Field: "temp", Tags: map[string]string{"host": "b"}, Number: &hot},
					{Field: "temp", Number: &number},
					{Field: "temp", Tags: map[string]string{"host": "c"}, Text: "68", Unit: "°F"},
					{Field: "name", Text: "oven"},
				}},
				{Topic: "plant/b", At: past, Problem: "not JSON", Values: []api.SourceValue{}},
				{Topic: "plant/c", At: past, Report: true, Values: []api.SourceValue{{Field: "temp", Tags: map[string]string{"host": "d"}}}},
			},
			More:  true,
			Rules: []api.SourceRule{{Measurement: "", Field: "temp", Device: "{host}", Type: iot.Temperature, Building: "A", Room: "1"}},
		}},
	}
}

func TestSourcesAreListed(t *testing.T) {
	h := newAPI(t, plant{}, &archive{}, nil)
	const want = `{"timestamp":"2026-03-01T12:00:00Z","items":[{"name":"hall-3","kind":"mqtt","state":"connected","since":"2026-03-01T11:59:00Z",` +
		`"address":"tcp://broker:1883","instance":"edge-1/4711","error":"reset","error_at":"2026-03-01T11:59:00Z","log_error":"no answer","connections":2,` +
		`"messages":10,"readings":8,"rejected":1,"rejected_by":{"":1},"untimed":1,"unmapped":2,"skipped":0,"missed":0,"lag":7,"last_message":"2026-03-01T11:59:00Z",` +
		`"last_value":"2026-03-01T11:59:00Z","counted_at":"2026-03-01T12:00:00Z"},{"name":"quiet","kind":"opcua","state":"unknown",` +
		`"since":"2026-03-01T11:59:00Z","connections":0,"messages":0,"readings":0,"rejected":0,"rejected_by":{},"untimed":0,"unmapped":0,"skipped":0,"missed":0,"counted_at":"2026-03-01T11:59:00Z"}]}`
	if got := strings.TrimSpace(request(h, http.MethodGet, "/api/v1/sources").Body.String()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := request(h, http.MethodGet, "/api/v1/sources/hall-3").Body.String(); !strings.Contains(got, `"rejects":[{"at":"2026-03-01T11:59:00Z","topic":"plant/a",`+
		`"field":"value","reason":"missing","reason_code":"missing","reason_arguments":{"in":"\"a\""},"encoding":"base64","payload":"/w==","size":5,"complete":false}]`) {
		t.Errorf("one: got %s", got)
	}
	none := newAPI(t, plant{}, &archive{}, func(o *api.Options) { o.Sources = &sources{} })
	if got := request(none, http.MethodGet, "/api/v1/sources").Body.String(); !strings.Contains(got, `"items":[]`) {
		t.Errorf("without sources: got %s", got)
	}
}

// outcomes says what each value of an answer becomes.
func outcomes(t testing.TB, body string, topics []any) []string {
	t.Helper()
	var out []string
	for _, topic := range topics {
		for _, value := range topic.(map[string]any)["values"].([]any) {
			v := value.(map[string]any)
			if becomes, ok := v["becomes"].(map[string]any); ok {
				out = append(out, fmt.Sprintf("%v %v %.1f %v", becomes["device_id"], becomes["device_type"], becomes["value"], becomes["unit"]))
				continue
			}
			out = append(out, fmt.Sprintf("%v: %v", v["wrong_field"], v["reason"]))
		}
	}
	if len(out) == 0 {
		t.Errorf("no values in %s", body)
	}
	return out
}

func check(t testing.TB, got, want []string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestEachValueSaysWhatItBecomes(t *testing.T) {
	h := newAPI(t, plant{}, &archive{}, nil)
	seen := get[map[string]any](t, h, "/api/v1/sources/hall-3/seen")
	check(t, outcomes(t, "", seen["items"].([]any)), []string{
		"a temperature_sensor 20.0 °C",
		"value: outside the physical range -273.15 to 2000 °C of temperature_sensor (got 9999)",
		`device_id: the point has no tag "host" (tags: none)`,
		"c temperature_sensor 20.0 °C",
		"<nil>: no rule matches",
		"d temperature_sensor 0.0 ",
	})
	if seen["more"] != true || len(seen["rules"].([]any)) != 1 {
		t.Errorf("got %v, %v", seen["more"], seen["rules"])
	}
}

func try(h http.Handler, source, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/api/v1/sources/"+source+"/try", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// Rules that are tried decide instead of the source's own, and nothing is appended or kept.
func TestRulesAreTriedOnWhatWasSeen(t *testing.T) {
	log := &appender{}
	h := newAPI(t, plant{}, &archive{}, func(o *api.Options) { o.Appender = log })
	w := try(h, "hall-3", `{"rules":[{"field":"temp","device":"kiln","type":"pressure_sensor","unit":"bar"}]}`)
	if w.Code != http.StatusOK {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	for _, want := range []string{`"becomes":{"device_id":"kiln","device_type":"pressure_sensor"`, `"reason":"no rule matches"`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("got %s, want in it %s", w.Body, want)
		}
	}
	seen := get[map[string]any](t, h, "/api/v1/sources/hall-3/seen")
	if got := outcomes(t, "", seen["items"].([]any))[0]; got != "a temperature_sensor 20.0 °C" || len(log.appended) > 0 {
		t.Errorf("afterwards: got %s, and %d readings appended", got, len(log.appended))
	}
	if w := try(h, "quiet", `{"rules":[]}`); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"items":[],"more":false,"rules":[]`) {
		t.Errorf("a source that has received nothing: got %d %s", w.Code, w.Body)
	}
}

func TestSourceProblems(t *testing.T) {
	h := newAPI(t, plant{}, &archive{}, nil)
	unknown := newAPI(t, plant{}, &archive{}, func(o *api.Options) {
		o.Sources = &sources{err: errors.New("the states of the sources are being read")}
	})
	for _, target := range []string{"/api/v1/sources/none", "/api/v1/sources/none/seen"} {
		checkProblem(t, request(h, http.MethodGet, target), http.StatusNotFound, "none")
	}
	for _, target := range []string{"/api/v1/sources", "/api/v1/sources/hall-3", "/api/v1/sources/hall-3/seen"} {
		checkProblem(t, request(unknown, http.MethodGet, target), http.StatusServiceUnavailable, "being read")
	}
	checkProblem(t, try(h, "none", `{"rules":[]}`), http.StatusNotFound, "none")
	checkProblem(t, try(h, "hall-3", `{"rules":[{"field":"temp","device":"{","type":"temperature_sensor"}]}`), http.StatusUnprocessableEntity, "rule 0")
	checkProblem(t, try(h, "hall-3", `{"rules":[{"field":"temp","device":"d","type":"sonar"}]}`), http.StatusUnprocessableEntity, "sonar")
	checkProblem(t, try(h, "hall-3", `{"rules":[{"device":"d","type":"temperature_sensor"}]}`), http.StatusUnprocessableEntity, "field")
}
