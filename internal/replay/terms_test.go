package replay

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// strictSystem is a system that publishes its limits on readings. Other requests go to the handler.
func strictSystem(t *testing.T, retention time.Duration, readings http.Handler) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/limits", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"readings_retention_seconds":%d,"earliest":"2000-01-01T00:00:00Z","max_clock_skew_seconds":10}`, int(retention.Seconds()))
	})
	mux.HandleFunc("GET /api/v1/types", func(w http.ResponseWriter, _ *http.Request) {
		catalog, err := iot.NewCatalog(append(iot.BuiltinTypes(), measure)...)
		if err != nil {
			t.Error(err)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"items": wire.FromCatalog(catalog)})
	})
	mux.Handle("POST /api/v1/readings", readings)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func TestARecordingThatIsTooOldSaysSoBeforeItIsSent(t *testing.T) {
	refused := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		t.Error("a reading was sent")
		w.WriteHeader(http.StatusBadRequest)
	})
	day := func(ago int) string { return time.Now().UTC().AddDate(0, 0, -ago).Format(time.RFC3339) }
	for _, test := range []struct {
		retention time.Duration
		text      string
		want      []string
	}{
		{336 * time.Hour, "time,T\n" + day(30) + ",1\n" + day(20) + ",2\n", []string{
			"nothing was sent", "older than the 14 days", "the newest is of " + day(20),
			"archive.retention.readings (IOTMON_ARCHIVE_RETENTION_READINGS) of 0s", "-time now"}},
		{0, "time,T\n1997-05-05,1\n1999-12-31,2\n", []string{"from before 2000-01-01", "ingest.earliest_year (IOTMON_INGEST_EARLIEST_YEAR)"}},
	} {
		server := strictSystem(t, test.retention, refused)
		status, _, stderr := command(t, "-to", server.URL, "-map", "T=t,temperature_sensor", write(t, test.text))
		if status != 1 {
			t.Errorf("got status %d, want 1", status)
		}
		for _, want := range test.want {
			if !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("got %q, want one line with %q", stderr, want)
			}
		}
	}
}

func TestARecordingThatIsPartlyTooOldIsSentWithAWarning(t *testing.T) {
	s := newSystem()
	server := strictSystem(t, 336*time.Hour, s)
	old, recent := time.Now().UTC().AddDate(0, 0, -20), time.Now().UTC().AddDate(0, 0, -1)
	text := fmt.Sprintf("time,T\n%s,1\n%s,2\n", old.Format(time.RFC3339), recent.Format(time.RFC3339))
	status, _, stderr := command(t, "-to", server.URL, "-map", "T=t,temperature_sensor", write(t, text))
	if status != 0 || !strings.Contains(stderr, "warning: some readings are older than the 14 days") || len(s.acknowledged) != 2 {
		t.Errorf("got status %d, %q and %v, want a warning and both sent", status, stderr, s.acknowledged)
	}
}

func TestTimesThatAreMovedToThePresentAreNotTooOld(t *testing.T) {
	s := newSystem()
	server := strictSystem(t, 336*time.Hour, s)
	status, _, stderr := command(t, "-to", server.URL, "-time", "now", "-map", "T=t,temperature_sensor", write(t, "time,T\n1997-01-01,1\n1997-01-02,2\n"))
	if status != 0 || stderr != "" || len(s.acknowledged) != 2 {
		t.Errorf("got status %d, %q and %v, want both sent without a word", status, stderr, s.acknowledged)
	}
}

// If the system would reject every reading of a column, the replay fails before it sends the first.
func TestUnknownTypesAndUnitsAreReportedBeforeTheFirstRow(t *testing.T) {
	server := strictSystem(t, 0, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a reading was sent") }))
	for _, flag := range []string{"T=t,thermometer", "T=t,temperature_sensor,hPa", "T=t,pressure_sensor,mph"} {
		status, _, stderr := command(t, "-to", server.URL, "-map", flag, write(t, "time,T\n2026-01-01,1\n"))
		if status != 2 || !strings.Contains(stderr, "the system would refuse everything of t: ") || !strings.Contains(stderr, "unknown") {
			t.Errorf("%s: got status %d and %q, want the reason", flag, status, stderr)
		}
	}
}

func TestWordsAreStatesOfTheTypesThatHaveSome(t *testing.T) {
	server, log := realSystem(t)
	path := write(t, "time,S,T\n2026-01-01 00:00,ON,ON\n2026-01-01 00:01,off,true\n2026-01-01 00:02,TRUE,1\n2026-01-01 00:03,1,12 °C\n2026-01-01 00:04,open,12 hPa\n")
	status, stdout, stderr := command(t, "-to", server.URL, "-map", "S=s,switch_sensor", "-map", "T=t,temperature_sensor,°C", path)
	if status != 0 {
		t.Fatalf("got status %d and %s", status, stderr)
	}
	var got []string
	for _, r := range log.got {
		got = append(got, fmt.Sprintf("%s=%v", r.ID, r.Value))
	}
	if got, want := strings.Join(got, " "), "s=1 s=0 s=1 t=1 s=1 t=12"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, want := range []string{"accepted  6", `2 × value: not a number (got "ON"), lines 2, 3`, "no state of switch_sensor", "12 hPa"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("got\n%s\nwant %q in it", stdout, want)
		}
	}
}

func TestRepeatedMinutesAreCounted(t *testing.T) {
	server, _ := realSystem(t)
	path := write(t, "time,T\n2026-01-01 00:02,3\n2026-01-01 00:01,2\n2026-01-01 00:01,2\n2026-01-01 00:01,4\n2026-01-01 00:00,1\n")
	_, stdout, _ := command(t, "-to", server.URL, "-map", "T=t,measure", path)
	for _, want := range []string{"accepted  5", "repeated  1 readings", "conflicts 1 readings"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("got\n%s\nwant %q in it", stdout, want)
		}
	}
	_, stdout, _ = command(t, "-to", server.URL, "-map", "T=t,measure", path)
	for _, want := range []string{"repeated  4 readings", "conflicts 1 readings"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("sent again: got\n%s\nwant %q in it", stdout, want)
		}
	}
}
