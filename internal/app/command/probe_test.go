package command

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"iotmon/internal/config"
)

func probe(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	t.Chdir(t.TempDir())
	var out, errs bytes.Buffer
	command := Program{Service: config.Iotmon}
	status = command.Run(t.Context(), args, &out, &errs)
	return status, out.String(), errs.String()
}

func TestProbeShowsWhatTheServiceAnswers(t *testing.T) {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ready" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintf(w, "this is %s", r.URL.Path)
	}))
	defer service.Close()
	addr := strings.TrimPrefix(service.URL, "http://")
	_, port, _ := strings.Cut(addr, ":")

	for _, listening := range []string{addr, "0.0.0.0:" + port, ":" + port} {
		status, stdout, stderr := probe(t, "-addr", listening, "-probe", "/health")
		if status != Done || stdout != "this is /health" || stderr != "" {
			t.Errorf("listening on %s: got %d, %q and %q, want 0 and the answer", listening, status, stdout, stderr)
		}
	}
	status, stdout, stderr := probe(t, "-addr", addr, "-probe", "/ready")
	if status != Failed || stdout != "this is /ready" || !strings.Contains(stderr, "503 Service Unavailable") {
		t.Errorf("not ready: got %d, %q and %q, want 1, the answer, and 503", status, stdout, stderr)
	}
}

func TestProbeOfNobodyFails(t *testing.T) {
	service := httptest.NewServer(http.NotFoundHandler())
	service.Close()
	status, stdout, stderr := probe(t, "-addr", strings.TrimPrefix(service.URL, "http://"), "-probe", "/health")
	if status != Failed || stdout != "" || !strings.Contains(stderr, "connection refused") {
		t.Errorf("got %d, %q and %q, want 1 and why", status, stdout, stderr)
	}
}
