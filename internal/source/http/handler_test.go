package httpsource_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/source"
	httpsource "iotmon/internal/source/http"
	"iotmon/internal/wire"
)

// noon is when every request of these tests arrives.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// memoryLog is a log in memory. While err is set, every Append fails with it and appends nothing.
type memoryLog struct {
	mu       sync.Mutex
	err      error
	readings []iot.Reading
}

func (l *memoryLog) Append(_ context.Context, readings []iot.Reading) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	l.readings = append(l.readings, readings...)
	return nil
}

func (l *memoryLog) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

func newHandler(t testing.TB, log source.Log, change func(*httpsource.Options)) *httpsource.Handler {
	t.Helper()
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	o := httpsource.Options{
		Log:       log,
		Admission: &iot.Admission{Catalog: catalog, Skew: 10 * time.Second, Retention: 24 * time.Hour},
		Now:       func() time.Time { return noon },
		Logger:    slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&o)
	}
	return httpsource.NewHandler(o)
}

// reading returns the JSON of a good reading of device, with the fields replaced or added.
func reading(device string, change map[string]any) string {
	fields := map[string]any{
		"device_id": device, "device_type": "temperature_sensor", "timestamp": "2026-03-01T11:59:58Z", "value": 21.5,
	}
	for name, value := range change {
		fields[name] = value
	}
	data, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return string(data)
}

func post(h http.Handler, contentType string, body io.Reader) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/api/v1/readings", body)
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func result(t testing.TB, w *httptest.ResponseRecorder) wire.Ingested {
	t.Helper()
	var got wire.Ingested
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("body is not a result: %v\n%s", err, w.Body)
	}
	if got.Rejected == nil {
		t.Fatalf("rejected is null, want an array: %s", w.Body)
	}
	return got
}

func TestReadingsAreAcceptedInEveryForm(t *testing.T) {
	a, b := reading("a", nil), reading("b", nil)
	tests := []struct {
		name, contentType, body string
		want                    []iot.DeviceID
	}{
		{"one object", "application/json", a, []iot.DeviceID{"a"}},
		{"object with space around", "application/json; charset=utf-8", " \n" + a + "\r\n", []iot.DeviceID{"a"}},
		{"array", "application/json", "[" + a + " ,\n" + b + "]", []iot.DeviceID{"a", "b"}},
		{"lines", "application/x-ndjson", a + "\n" + b + "\n", []iot.DeviceID{"a", "b"}},
		{"lines with blanks and no end", "application/ndjson", "\n" + a + "\r\n\r\n" + b, []iot.DeviceID{"a", "b"}},
		{"lines called JSON", "application/json", a + "\n" + b + "\n", []iot.DeviceID{"a", "b"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var log memoryLog
			w := post(newHandler(t, &log, nil), test.contentType, strings.NewReader(test.body))
			if got := result(t, w); w.Code != http.StatusOK || got.Accepted != len(test.want) || len(got.Rejected) != 0 {
				t.Fatalf("got %d %s, want 200 and %d accepted", w.Code, w.Body, len(test.want))
			}
			var got []iot.DeviceID
			for _, r := range log.readings {
				got = append(got, r.ID)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("log has %q, want %q", got, test.want)
			}
		})
	}
}

func TestReadingsArriveNormalized(t *testing.T) {
	var log memoryLog
	received := "2026-03-01T11:59:59Z"
	body := "[" + reading("a", map[string]any{"unit": "°F", "value": 212}) + "," +
		reading("b", map[string]any{"received_at": received}) + "]"
	w := post(newHandler(t, &log, nil), "application/json", strings.NewReader(body))
	if w.Code != http.StatusOK {
		t.Fatalf("got %d %s, want 200", w.Code, w.Body)
	}
	if got := log.readings[0]; got.Value < 99.999 || got.Value > 100.001 || got.Unit != "°C" {
		t.Errorf("got %v %s, want 100 °C", got.Value, got.Unit)
	}
	if got := log.readings[0].ReceivedAt; !got.Equal(noon) {
		t.Errorf("received_at was absent: got %v, want %v", got, noon)
	}
	if got := log.readings[1].ReceivedAt.Format(time.RFC3339); got != received {
		t.Errorf("received_at was given: got %v, want %v", got, received)
	}
}

// gbk returns the JSON of a reading whose id is not UTF-8. json.Marshal cannot make it: it would replace the bytes.
func gbk(id string) string { return strings.Replace(reading("here", nil), "here", id, 1) }

func TestBadReadingsAreRejectedOneByOne(t *testing.T) {
	good := reading("good", nil)
	tests := []struct {
		name, contentType, body string
		status                  int
		accepted                int
		want                    []wire.Rejection // Reason need only be contained.
	}{
		{"string in an array", "application/json", `[` + good + `,"oops",` + good + `]`, 207, 2, []wire.Rejection{{Index: 1}}},
		{"array in an array", "application/json", `[[` + good + `],` + good + `]`, 207, 1, []wire.Rejection{{Index: 0}}},
		{"brackets and quotes in strings", "application/json", `[{"device_id":"],[\"{"},` + good + `]`, 207, 1,
			[]wire.Rejection{{Index: 0, Field: "value"}}},
		{"unknown type", "application/json", reading("a", map[string]any{"device_type": "teapot"}), 422, 0,
			[]wire.Rejection{{Index: 0, Field: "device_type", Reason: "teapot"}}},
		{"out of range", "application/json", reading("a", map[string]any{"value": -300}), 422, 0,
			[]wire.Rejection{{Index: 0, Field: "value", Reason: "physical range"}}},
		{"one line out of range", "application/x-ndjson", reading("a", map[string]any{"value": -300}) + "\n", 422, 0,
			[]wire.Rejection{{Index: 0, Field: "value", Reason: "physical range"}}},
		{"a batch out of range", "application/json", "[" + reading("a", map[string]any{"value": -300}) + "]", 207, 0,
			[]wire.Rejection{{Index: 0, Field: "value", Reason: "physical range"}}},
		{"a batch that is all too old", "application/x-ndjson", reading("a", map[string]any{"timestamp": "2026-02-27T12:00:00Z"}) + "\n" +
			reading("b", map[string]any{"timestamp": "2026-02-27T12:00:00Z"}), 207, 0,
			[]wire.Rejection{{Index: 0, Field: "timestamp", Reason: "older"}, {Index: 1, Field: "timestamp", Reason: "older"}}},
		{"no id", "application/json", reading("", nil), 422, 0, []wire.Rejection{{Index: 0, Field: "device_id", Reason: "missing"}}},
		{"from the future", "application/json", reading("a", map[string]any{"timestamp": "2026-03-01T12:00:11Z"}), 422, 0,
			[]wire.Rejection{{Index: 0, Field: "timestamp", Reason: "ahead"}}},
		{"older than is kept", "application/json", reading("a", map[string]any{"timestamp": "2026-02-27T12:00:00Z"}), 422, 0,
			[]wire.Rejection{{Index: 0, Field: "timestamp", Reason: "old"}}},
		{"received after the end of time", "application/json", reading("a", map[string]any{"received_at": 1e300}), 422, 0,
			[]wire.Rejection{{Index: 0, Field: "received_at", Reason: "years"}}},
		{"a number alone", "application/json", "17", 422, 0, []wire.Rejection{{Index: 0}}},
		{"too long", "application/json", "[" + reading("a", map[string]any{"x": strings.Repeat("x", 9000)}) + "," + good + "]", 207, 1,
			[]wire.Rejection{{Index: 0, Reason: "longer than"}}},
		{"bad line", "application/x-ndjson", good + "\n{\"device_id\n" + good, 207, 2, []wire.Rejection{{Index: 1}}},
		{"ids in GBK, which must not become one", "application/x-ndjson",
			gbk("\xb1\xc3-1") + "\n" + gbk("\xb7\xa7-1") + "\n" + good, 207, 1,
			[]wire.Rejection{{Index: 0, Reason: "UTF-8"}, {Index: 1, Reason: "UTF-8"}}},
		{"bad first line", "application/x-ndjson", "nonsense\n\n" + good, 207, 1, []wire.Rejection{{Index: 0}}},
		{"bad line called JSON", "application/json", good + "\nnonsense\n", 207, 1, []wire.Rejection{{Index: 1}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var log memoryLog
			w := post(newHandler(t, &log, nil), test.contentType, strings.NewReader(test.body))
			got := result(t, w)
			if w.Code != test.status || got.Accepted != test.accepted || len(got.Rejected) != len(test.want) {
				t.Fatalf("got %d %s, want %d, %d accepted, rejected %v", w.Code, w.Body, test.status, test.accepted, test.want)
			}
			if len(log.readings) != test.accepted {
				t.Errorf("log has %d readings, want %d", len(log.readings), test.accepted)
			}
			for i, want := range test.want {
				got := got.Rejected[i]
				if got.Index != want.Index || got.Field != want.Field || !strings.Contains(got.Reason, want.Reason) || got.Reason == "" {
					t.Errorf("got rejection %+v, want %+v", got, want)
				}
			}
		})
	}
}

func compressed(t testing.TB, body string) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	if _, err := io.WriteString(zw, body); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return &out
}

func TestRefusedRequestsAppendNothing(t *testing.T) {
	good := reading("a", nil)
	tests := []struct {
		name, method, contentType, encoding, body string
		status                                    int
		header, value                             string
		detail                                    string
	}{
		{"GET", "GET", "application/json", "", good, 405, "Allow", "POST", "POST"},
		{"PUT", "PUT", "application/json", "", good, 405, "Allow", "POST", "POST"},
		{"no type", "POST", "", "", good, 415, "Accept-Post", "application/json, application/x-ndjson", "Content-Type"},
		{"form", "POST", "application/x-www-form-urlencoded", "", good, 415, "", "", "Content-Type"},
		{"wrong charset", "POST", "application/json; charset=gbk", "", good, 415, "", "", "UTF-8"},
		{"broken type", "POST", "application/json; charset", "", good, 415, "", "", "Content-Type"},
		{"wrong encoding", "POST", "application/json", "br", good, 415, "Accept-Encoding", "gzip", "br"},
		{"not gzip", "POST", "application/json", "gzip", good, 400, "", "", "gzip"},
		{"truncated gzip", "POST", "application/json", "gzip", compressed(t, good).String()[:40], 400, "", "", "EOF"},
		{"empty", "POST", "application/json", "", "", 400, "", "", "no readings"},
		{"only space", "POST", "application/x-ndjson", "", "\n \n", 400, "", "", "no readings"},
		{"empty array", "POST", "application/json", "", "[ ]", 400, "", "", "no readings"},
		{"not JSON", "POST", "application/json", "", "nonsense", 400, "", "", "at byte 2"},
		{"unclosed array", "POST", "application/json", "", "[" + good, 400, "", "", "unexpected end"},
		{"text after", "POST", "application/json", "", good + " x", 400, "", "", "after top-level value"},
		{"body too long", "POST", "application/json", "", "[" + strings.Repeat(good+",", 20) + good + "]", 413, "", "", "1000 bytes"},
		{"bomb", "POST", "application/json", "gzip", compressed(t, strings.Repeat(" ", 1<<20)).String(), 413, "", "", "1000 bytes"},
		{"too many", "POST", "application/json", "", "[1,2,3,4,5]", 413, "", "", "4 readings"},
		{"too many lines", "POST", "application/x-ndjson", "", "1\n2\n3\n4\n5\n", 413, "", "", "4 readings"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var log memoryLog
			h := newHandler(t, &log, func(o *httpsource.Options) { o.MaxBody, o.MaxReadings = 1000, 4 })
			r := httptest.NewRequest(test.method, "/api/v1/readings", strings.NewReader(test.body))
			r.Header.Set("Content-Type", test.contentType)
			if test.encoding != "" {
				r.Header.Set("Content-Encoding", test.encoding)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			checkProblem(t, w, test.status, test.detail)
			if test.header != "" && w.Header().Get(test.header) != test.value {
				t.Errorf("got %s %q, want %q", test.header, w.Header().Get(test.header), test.value)
			}
			if len(log.readings) != 0 {
				t.Errorf("log has %d readings, want none", len(log.readings))
			}
		})
	}
}

func checkProblem(t testing.TB, w *httptest.ResponseRecorder, status int, detail string) {
	t.Helper()
	var p struct {
		Title, Detail string
		Status        int
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("body is not a problem: %v\n%s", err, w.Body)
	}
	if w.Code != status || p.Status != status || p.Title != http.StatusText(status) || !strings.Contains(p.Detail, detail) {
		t.Errorf("got %d %s, want %d with a detail that contains %q", w.Code, w.Body, status, detail)
	}
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("got Content-Type %q, want application/problem+json", got)
	}
}

func TestMalformedJSONIsRejectedWithItsOffset(t *testing.T) {
	body := "[" + reading("a", nil) + "],\n x}"
	w := post(newHandler(t, &memoryLog{}, nil), "application/json", strings.NewReader(body))
	var got struct{ Offset int }
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if want := strings.Index(body, "],") + 2; got.Offset != want || w.Code != http.StatusBadRequest {
		t.Errorf("got %d with offset %d, want 400 with %d", w.Code, got.Offset, want)
	}
}

func TestGzipBodyIsDecompressed(t *testing.T) {
	var log memoryLog
	h := newHandler(t, &log, nil)
	r := httptest.NewRequest(http.MethodPost, "/api/v1/readings", compressed(t, "["+reading("a", nil)+"]"))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Content-Encoding", "gzip")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK || len(log.readings) != 1 {
		t.Errorf("got %d %s and %d readings in the log, want 200 and 1", w.Code, w.Body, len(log.readings))
	}
}

// orderedLog notes what is appended, in its order.
type orderedLog struct{ appended []string }

func (l *orderedLog) Append(_ context.Context, readings []iot.Reading) error {
	for _, r := range readings {
		l.appended = append(l.appended, string(r.ID)+" reading")
	}
	return nil
}

func (l *orderedLog) Report(_ context.Context, reports []source.Report) error {
	for _, r := range reports {
		l.appended = append(l.appended, fmt.Sprintf("%s %s %q session %d", r.Device.ID, r.Status, r.Reason, r.Session))
	}
	return nil
}

// A gateway forwards what its sources say of devices, too. A report lies in the log behind what came before it of the device, and before what follows.
func TestReportsAboutDevicesKeepTheirPlace(t *testing.T) {
	log := new(orderedLog)
	h := newHandler(t, log, func(o *httpsource.Options) { o.Reports = log })
	report := func(device, more string) string {
		return fmt.Sprintf(`{"device_id":%q,"report":{"status":"offline","reason":"last will","time":"2026-03-01T11:59:59Z"%s}}`, device, more)
	}
	body := strings.Join([]string{
		reading("a", nil), report("a", `,"session":7`), reading("b", nil), reading("a", map[string]any{"timestamp": "2026-03-01T12:00:00Z"}),
		report("b", ""), report("c", `,"status":"gone"`), `{"device_id":"d","report":{"status":"offline","time":"2030-01-01T00:00:00Z"}}`,
		`{"report":{"status":"offline"}}`, reading("e", map[string]any{"metadata": map[string]any{"report": "x"}}),
	}, "\n")
	w := post(h, "application/x-ndjson", strings.NewReader(body))
	var got wire.Ingested
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusMultiStatus {
		t.Fatalf("got %d %s, %v", w.Code, w.Body, err)
	}
	want := []string{"a reading", "b reading", `a offline "last will" session 7`, "a reading", "e reading", `b offline "last will" session 0`}
	if !slices.Equal(log.appended, want) || got.Accepted != 6 {
		t.Errorf("got %d accepted: %q, want %q", got.Accepted, log.appended, want)
	}
	var fields []string
	for _, r := range got.Rejected {
		fields = append(fields, fmt.Sprint(r.Index, " ", r.Field))
	}
	if want := []string{"5 report.status", "6 report.time", "7 device_id"}; !slices.Equal(fields, want) {
		t.Errorf("got %q rejected, want %q", fields, want)
	}
	h = newHandler(t, log, nil)
	if w := post(h, "application/json", strings.NewReader(report("a", ""))); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("without a log for reports: got %d %s", w.Code, w.Body)
	}
}

// A request whose reports and readings alternate endlessly would take an append for each: it is refused, so that the sender sends less at once.
func TestAlternatingReportsAreSentInSmallerRequests(t *testing.T) {
	log := new(orderedLog)
	h := newHandler(t, log, func(o *httpsource.Options) { o.Reports = log })
	pair := reading("a", nil) + "\n" + `{"device_id":"a","report":{"status":"offline","time":"2026-03-01T11:59:59Z"}}` + "\n"
	if w := post(h, "application/x-ndjson", strings.NewReader(strings.Repeat(pair, 1000))); w.Code != http.StatusRequestEntityTooLarge || len(log.appended) > 0 {
		t.Errorf("got %d and %d appended, want 413 and none", w.Code, len(log.appended))
	}
	if w := post(h, "application/x-ndjson", strings.NewReader(strings.Repeat(pair, 50))); w.Code != http.StatusOK || len(log.appended) != 100 {
		t.Errorf("got %d and %d appended, want 200 and 100", w.Code, len(log.appended))
	}
}
