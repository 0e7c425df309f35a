package replay

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// command runs "iotmon replay" and returns its exit status and outputs.
func command(t testing.TB, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	status = Command(t.Context(), args, &out, &errs)
	return status, out.String(), errs.String()
}

func TestReplayCommandSendsAndSumsUp(t *testing.T) {
	s := newSystem()
	server := httptest.NewServer(s)
	defer server.Close()
	path := write(t, twoSensors(4)+"2020-02-08 13:00:40,-1,1,0\n")
	status, stdout, stderr := command(t, "-to", server.URL, path, "-map", "T=t,temperature_sensor,°C", "-map=I=i,current_sensor")
	if status != 0 || stderr != "" {
		t.Errorf("got status %d and %q, want 0 and silence", status, stderr)
	}
	for _, want := range []string{"read      5 rows", "sent      10 readings", "accepted  9", "1 × value: negative, line 6", `not sent  columns "label"`} {
		if !strings.Contains(stdout, want) {
			t.Errorf("got\n%s\nwant %q in it", stdout, want)
		}
	}
	if len(s.acknowledged) != 9 {
		t.Errorf("got %d readings, want 9", len(s.acknowledged))
	}
}

func TestReplayCommandReadsItsMappingFromAFile(t *testing.T) {
	s := newSystem()
	server := httptest.NewServer(s)
	defer server.Close()
	path := write(t, "when;T;I\n2020-02-08 13:00:00;1,5;2\n")
	mapping := filepath.Join(t.TempDir(), "mapping.yaml")
	text := "delimiter: ';'\ntime_column: when\nzone: Asia/Shanghai\ndecimal_comma: true\ncolumns:\n  T: {device_id: t, type: temperature_sensor}\n"
	if err := os.WriteFile(mapping, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	status, _, stderr := command(t, "-to", server.URL, "-mapping", mapping, "-map", "I=i,current_sensor", "-zone", "Europe/Berlin", path)
	if status != 0 {
		t.Fatalf("got status %d and %q, want 0", status, stderr)
	}
	for _, id := range []string{"t2020-02-08T12:00:00Z", "i2020-02-08T12:00:00Z"} {
		if s.acknowledged[id] != 1 {
			t.Errorf("got %v, want %s once", s.acknowledged, id)
		}
	}
}

func TestReplayCommandReportsMistakesInALine(t *testing.T) {
	path := write(t, twoSensors(2))
	for _, test := range []struct {
		args   string
		status int
		want   string
	}{
		{"", 2, "want one file (got 0)"},
		{"a.csv b.csv", 2, "want one file (got 2)"},
		{"-typo FILE", 2, "flag provided but not defined: -typo"},
		{"-map x FILE", 2, "want COLUMN=DEVICE,TYPE[,UNIT]"},
		{"-map T=a,t -map T=b,t FILE", 2, `column "T" is mapped twice`},
		{"-long x FILE", 2, "want device=COLUMN"},
		{"-speed 0 FILE", 2, "must be max or a number above 0"},
		{"-time soon FILE", 2, "must be original or now"},
		{"-zone Mars FILE", 2, "unknown time zone Mars"},
		{"-delimiter ab FILE", 2, "must be a single character"},
		{"-rate -1 FILE", 2, "must not be negative"},
		{"-to localhost:8080 FILE", 2, "must be like http://127.0.0.1:8080"},
		{"-mapping missing.yaml FILE", 2, "missing.yaml"},
		{"-map T=t,temperature_sensor missing.csv", 2, "no such file"},
		{"FILE", 2, "-map 'T=recording_t,TYPE,UNIT'"},
		{"-patience 0 -to http://127.0.0.1:1 -map T=t,temperature_sensor FILE", 1, "gave up after 0s"},
	} {
		args := strings.Fields(strings.ReplaceAll(test.args, "FILE", path))
		status, _, stderr := command(t, args...)
		if status != test.status || !strings.HasPrefix(stderr, "iotmon replay: ") || !strings.Contains(stderr, test.want) {
			t.Errorf("%q: got status %d and %q, want %d and %q", test.args, status, stderr, test.status, test.want)
		}
	}
}

func TestReplayCommandFailsWhenNothingIsAccepted(t *testing.T) {
	server := httptest.NewServer(newSystem())
	defer server.Close()
	for _, text := range []string{"time,T\n2020-01-01,-1\n", "time,T\n"} {
		status, stdout, stderr := command(t, "-to", server.URL, "-map", "T=t,temperature_sensor", write(t, text))
		if status != 1 || !strings.Contains(stderr, "no reading was accepted") || !strings.Contains(stdout, "accepted  0") {
			t.Errorf("%q: got status %d, %q and %q, want 1 and the reason", text, status, stdout, stderr)
		}
	}
}

func TestReplayThatIsInterruptedSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // Only then does the server notice that the client has gone.
		cancel()
		<-r.Context().Done()
	}))
	defer server.Close()
	var out, errs strings.Builder
	args := []string{"-to", server.URL, "-map", "T=t,temperature_sensor", write(t, "time,T\n2020-01-01,1\n")}
	if status := Command(ctx, args, &out, &errs); status != 1 || errs.String() != "iotmon replay: interrupted\n" {
		t.Errorf("got status %d and %q, want 1 and that it was interrupted", status, errs.String())
	}
}

func TestReplayHelpNamesEveryFlag(t *testing.T) {
	status, stdout, stderr := command(t, "-h")
	if status != 0 || stderr != "" {
		t.Errorf("got status %d and %q, want 0 and silence", status, stderr)
	}
	for _, want := range []string{"-to", "-map", "-long", "-mapping", "-delimiter", "-time-column", "-zone", "-decimal-comma", "-time", "-speed", "-rate", "-patience"} {
		if !strings.Contains(stdout, "\n  "+want+" ") && !strings.Contains(stdout, "\n  "+want+"\n") {
			t.Errorf("got help without %s:\n%s", want, stdout)
		}
	}
}
