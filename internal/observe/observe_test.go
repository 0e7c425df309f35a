package observe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// busy returns metrics in which everything has happened once.
func busy() *Metrics {
	m := NewMetrics("1.2.3")
	m.Producer.Sent(3)
	m.Producer.Failed(1)
	m.Consumer.Processed(3)
	m.Consumer.Late(1)
	m.Consumer.Duplicates(1)
	m.Consumer.Rejected("", 1)
	m.Consumer.Rejected("metadata.battery_level", 2)
	m.Consumer.Ticks(1)
	m.Consumer.Windows(1)
	m.Consumer.Alerts("warning", 1)
	m.Consumer.Step(true, time.Second)
	m.Consumer.Step(false, time.Second)
	m.Consumer.Age(time.Millisecond)
	m.Consumer.Lag(7, 12)
	m.Archive.Written(20, time.Second, 2*time.Second)
	m.Archive.Lag("alerts", 7, 4)
	m.Archive.Retried()
	m.Archive.Pruned(5)
	m.WebSocket.Connections(2)
	m.WebSocket.Sent("alert", 100)
	m.WebSocket.Conflated("device", 4)
	m.WebSocket.Postponed(1)
	m.WebSocket.Disconnected("client left")
	m.WebSocket.Refused("too many connections")
	m.WebSocket.Queued(1)
	m.WebSocket.Delivered(4*time.Millisecond, "")
	m.WebSocket.Delivered(5*time.Millisecond, "0af7651916cd43dd8448eb211c80319c")
	m.Ingest.Answered(2, 1, 1, 0)
	m.WatchPlant(func() Plant { return Plant{Online: 9, Offline: 1, OpenAlerts: 4, Unacknowledged: 3, Stale: 2} })
	m.WatchUndivided(func() int64 { return 3 })
	m.WatchSimulator(func() int64 { return 8 })
	readiness := NewReadiness()
	m.WatchReadiness(readiness)
	readiness.Expect("kafka").Ready()
	readiness.Mention("redis").NotReady("connection refused")
	m.WatchDisk(".")
	refuse := m.Ingest.Instrument(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }))
	refuse.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil))
	return m
}

func get(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

func TestMetricsHaveTheirNamesTypesAndValues(t *testing.T) {
	text := get(t, busy().Handler(), "/metrics").Body.String()
	for _, want := range []string{
		"# TYPE iot_producer_messages_sent_total counter\niot_producer_messages_sent_total 3\n",
		"# TYPE iot_consumer_messages_processed_total counter\niot_consumer_messages_processed_total 3\n",
		"# TYPE iot_websocket_connections_active gauge\niot_websocket_connections_active 2\n",
		"# TYPE iot_websocket_messages_broadcast_total counter\n",
		"iot_websocket_messages_broadcast_total{type=\"alert\"} 1\n",
		"# TYPE iot_devices_online_total gauge\niot_devices_online_total 9\n",
		"# TYPE iot_aggregation_window_processed_total counter\niot_aggregation_window_processed_total 1\n",
		"# TYPE iot_alerts_generated_total counter\n",
		"iot_alerts_generated_total{severity=\"warning\"} 1\n",
		"iot_alerts_generated_total{severity=\"critical\"} 0\n",
		"# TYPE go_memstats_alloc_bytes gauge\n",
		"# TYPE go_goroutines gauge\n",
		"# TYPE process_cpu_seconds_total counter\n",

		"iot_build_info{version=\"1.2.3\"} 1\n",
		"iot_consumer_lag_messages{partition=\"7\"} 12\n",
		"iot_consumer_messages_rejected_total{field=\"message\"} 1\n",
		"iot_consumer_messages_rejected_total{field=\"metadata.battery_level\"} 2\n",
		"iot_consumer_transactions_total{result=\"aborted\"} 1\n",
		"iot_end_to_end_latency_seconds_bucket{le=\"0.005\"} 2\n",
		"iot_end_to_end_latency_seconds_bucket{le=\"0.0025\"} 0\n",
		"iot_ingest_requests_total{code=\"429\"} 1\n",
		"iot_ingest_readings_total{result=\"accepted\"} 2\n",
		"iot_ingest_readings_repeated_total{kind=\"duplicate\"} 1\n",
		"iot_simulator_messages_skipped_total 8\n",
		"iot_archive_behind_seconds 2\n",
		"iot_part_ready{part=\"kafka\",vital=\"yes\"} 1\n",
		"iot_part_ready{part=\"redis\",vital=\"no\"} 0\n",
		"iot_archive_lag_messages{partition=\"7\",topic=\"alerts\"} 4\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("missing in the exposition: %q", want)
		}
	}
}

// A scrape in the OpenMetrics format has the same names, and exemplars with the trace of a latency.
func TestExemplarsForWhoAsksForOpenMetrics(t *testing.T) {
	h := busy().Handler()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	open, plain := w.Body.String(), get(t, h, "/metrics").Body.String()
	if want := `iot_end_to_end_latency_seconds_bucket{le="0.005"} 2 # {trace_id="0af7651916cd43dd8448eb211c80319c"} 0.005`; !strings.Contains(open, want) {
		t.Errorf("missing: %s", want)
	}
	samples := regexp.MustCompile(`(?m)^iot_\w+`)
	names := func(text string) []string {
		found := samples.FindAllString(text, -1)
		slices.Sort(found)
		return slices.Compact(found)
	}
	withoutCreation := slices.DeleteFunc(names(open), func(name string) bool { return strings.HasSuffix(name, "_created") })
	if want := names(plain); !slices.Equal(withoutCreation, want) {
		t.Errorf("the names of OpenMetrics are others: %v, want %v", withoutCreation, want)
	}
}

func TestRoomOnTheDisk(t *testing.T) {
	free, size, err := diskSpace(t.TempDir())
	if err != nil || free <= 0 || free > size {
		t.Errorf("got %g of %g bytes free, %v, want some of them", free, size, err)
	}
	m := NewMetrics("")
	m.WatchDisk("/no/such/directory")
	text := get(t, m.Handler(), "/metrics").Body.String()
	if want := "iot_data_dir_free_bytes NaN\n"; !strings.Contains(text, want) {
		t.Errorf("a directory that is not there: missing in the exposition: %q", want)
	}
}

// TestPromtoolAcceptsEveryName holds the names to the conventions, but for the one that the product has documented.
func TestPromtoolAcceptsEveryName(t *testing.T) {
	if testing.Short() {
		t.Skip("needs promtool; make test installs it")
	}
	check := exec.Command("promtool", "check", "metrics")
	check.Stdin = bytes.NewReader(get(t, busy().Handler(), "/metrics").Body.Bytes())
	out, _ := check.CombinedOutput() // Its exit status is that of the one finding.
	const want = `iot_devices_online_total non-counter metrics should not have "_total" suffix`
	if got := strings.TrimSpace(string(out)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReleasedPartitionHasNoLag(t *testing.T) {
	m := NewMetrics("")
	m.Consumer.Lag(3, 5)
	m.Consumer.Released(3)
	m.Archive.Lag("device-data", 3, 5)
	m.Archive.Released("device-data", 3)
	if text := get(t, m.Handler(), "/metrics").Body.String(); strings.Contains(text, `partition="3"`) {
		t.Error("partition 3 still has a lag after its release")
	}
}

func TestLabelValuesAreBounded(t *testing.T) {
	m := NewMetrics("")
	for i := range 10 * maxLabelValues {
		m.Consumer.Rejected(fmt.Sprintf("field_%d", i), 1)
	}
	text := get(t, m.Handler(), "/metrics").Body.String()
	if n := strings.Count(text, "iot_consumer_messages_rejected_total{"); n != maxLabelValues+1 {
		t.Errorf("got %d time series, want %d and one for the others", n, maxLabelValues)
	}
	known := 7 // The fields that are shown from the start.
	want := fmt.Sprintf("iot_consumer_messages_rejected_total{field=\"other\"} %d\n", 10*maxLabelValues-(maxLabelValues-known))
	if !strings.Contains(text, want) {
		t.Errorf("missing in the exposition: %q", want)
	}
}

func TestReadyOnlyWhenEveryPartIs(t *testing.T) {
	mux := http.NewServeMux()
	readiness := NewReadiness()
	Routes(mux, RouteOptions{Metrics: NewMetrics(""), Readiness: readiness, Version: "1.2.3", Started: time.Unix(0, 0)})
	kafka, archive := readiness.Expect("kafka"), readiness.Expect("archive")

	check := func(code int, body string) {
		t.Helper()
		w := get(t, mux, "/ready")
		if got := strings.TrimSpace(w.Body.String()); w.Code != code || got != body {
			t.Errorf("got %d %s, want %d %s", w.Code, got, code, body)
		}
	}
	check(503, `{"status":"not ready","missing":[{"name":"archive","reason":"starting"},{"name":"kafka","reason":"starting"}]}`)
	kafka.Ready()
	archive.NotReady("database is locked")
	check(503, `{"status":"not ready","missing":[{"name":"archive","reason":"database is locked"}]}`)
	archive.Ready()
	check(200, `{"status":"ready","missing":[]}`)
	kafka.NotReady("no broker answers")
	check(503, `{"status":"not ready","missing":[{"name":"kafka","reason":"no broker answers"}]}`)
	kafka.Ready()
	readiness.Mention("cache").NotReady("no answer")
	check(200, `{"status":"ready","missing":[],"degraded":[{"name":"cache","reason":"no answer"}]}`)
}

func TestHealthAnswersWhateverIsMissing(t *testing.T) {
	mux := http.NewServeMux()
	readiness := NewReadiness()
	readiness.Expect("kafka")
	Routes(mux, RouteOptions{Metrics: NewMetrics(""), Readiness: readiness, Version: "1.2.3", Started: time.Unix(0, 0)})
	w := get(t, mux, "/health")
	const want = `{"status":"ok","version":"1.2.3","started":"1970-01-01T00:00:00Z"}`
	if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != want {
		t.Errorf("got %d %s, want 200 %s", w.Code, got, want)
	}
}

func TestProfilesOnlyWhenAskedFor(t *testing.T) {
	for _, asked := range []bool{false, true} {
		mux := http.NewServeMux()
		Routes(mux, RouteOptions{Metrics: NewMetrics(""), Readiness: NewReadiness(), Pprof: asked})
		want := http.StatusNotFound
		if asked {
			want = http.StatusOK
		}
		if got := get(t, mux, "/debug/pprof/").Code; got != want {
			t.Errorf("asked for %v: got %d, want %d", asked, got, want)
		}
	}
}

func TestLoggerKeepsFormatAndLevel(t *testing.T) {
	var out bytes.Buffer
	level := new(slog.LevelVar)
	level.Set(slog.LevelWarn)
	logger, err := NewLogger(&out, "json", level)
	if err != nil {
		t.Fatal(err)
	}
	logger.Info("not this")
	logger.Warn("this", "key", "value")
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line["msg"] != "this" || line["key"] != "value" {
		t.Errorf("got %q (%v), want one JSON line with msg this and key value", out.String(), err)
	}
	out.Reset()
	level.Set(slog.LevelInfo)
	if logger.Info("now this"); !strings.Contains(out.String(), "now this") {
		t.Errorf("at another level: got %q, want the line", out.String())
	}
	if _, err := NewLogger(&out, "xml", level); err == nil {
		t.Error("format xml: got no error")
	}
}
