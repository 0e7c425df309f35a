package observe

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRequestsAreIdentified(t *testing.T) {
	for _, test := range []struct {
		asked string
		kept  bool
	}{
		{"", false}, {"gateway-7_2026.11", true}, {"two words", false}, {"a\"b", false}, {strings.Repeat("x", 65), false},
	} {
		var out bytes.Buffer
		level := new(slog.LevelVar)
		level.Set(slog.LevelDebug)
		logger, err := NewLogger(&out, "text", level)
		if err != nil {
			t.Fatal(err)
		}
		handler := Identified(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			logger.With("part", "history").ErrorContext(r.Context(), "does not answer")
			w.WriteHeader(http.StatusTeapot)
		}), logger)
		request := httptest.NewRequest(http.MethodGet, "/api/v1/devices", nil)
		request.Header.Set(RequestIDHeader, test.asked)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		id := answer.Header().Get(RequestIDHeader)
		if id == "" || (id == test.asked) != test.kept {
			t.Errorf("asked as %q: got the id %q, want it kept: %v", test.asked, id, test.kept)
		}
		for _, want := range []string{"part=history request_id=" + id, "msg=request method=GET path=/api/v1/devices status=418", "request_id=" + id + "\n"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("asked as %q: got the log %q, want %q in it", test.asked, out.String(), want)
			}
		}
	}
}
