package push

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestOriginsThatMayConnect(t *testing.T) {
	allowed := []string{"https://Plant.example"}
	for _, test := range []struct {
		name, host, origin, site string
		want                     bool
	}{
		{"no browser", "plant:8080", "", "", true},
		{"the server's own page", "plant:8080", "http://plant:8080", "", true},
		{"another port", "plant:8080", "http://plant:8081", "", false},
		{"a proxy that writes the usual port out", "plant:443", "https://plant", "", true},
		{"a proxy that leaves the usual port out", "plant", "http://plant:80", "", true},
		{"the usual port of the other scheme", "plant:443", "http://plant", "", false},
		{"IPv6 with the usual port", "[::1]:443", "https://[::1]", "", true},
		{"an allowed origin behind a proxy that rewrites Host", "10.0.0.7:8080", "https://plant.example", "", true},
		{"one that is not", "10.0.0.7:8080", "https://evil.example", "", false},
		{"the browser says it is the server's own", "10.0.0.7:8080", "https://other.example", "same-origin", true},
		{"the browser says it is not", "plant:8080", "https://evil.example", "cross-site", false},
		{"a file", "plant:8080", "null", "", false},
		{"nonsense", "plant:8080", "://", "", false},
		{"a name that ends alike", "plant.example", "https://evilplant.example", "", false},
	} {
		r := httptest.NewRequest(http.MethodGet, "/ws", nil)
		r.Host = test.host
		for name, value := range map[string]string{"Origin": test.origin, "Sec-Fetch-Site": test.site} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		if got := originAllowed(r, allowed); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

func TestARefusedOriginIsLoggedWithAdviceOnceAMinute(t *testing.T) {
	now := noon
	var log bytes.Buffer
	o := &origins{log: slog.New(slog.NewTextHandler(&log, nil)), now: func() time.Time { return now }}
	request := func(method, site string) *http.Request {
		r := httptest.NewRequest(method, "/ws", nil)
		r.Host = "10.0.0.7:8080"
		r.Header.Set("Origin", "https://plant.example")
		r.Header.Set("Sec-Fetch-Site", site)
		return r
	}
	explain := func(site string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		o.explain(w, request(http.MethodPost, site))
		return w
	}
	for range 100 {
		if o.check(request(http.MethodGet, "")) {
			t.Fatal("another origin may connect")
		}
	}
	if lines := strings.Count(log.String(), "websocket.allowed_origins"); lines != 1 {
		t.Errorf("the log has %d lines with the advice, want one:\n%s", lines, log.String())
	}
	now = now.Add(time.Minute)
	o.check(request(http.MethodGet, ""))
	if !strings.Contains(log.String(), "count=100") {
		t.Errorf("after a minute the log does not say how many were refused:\n%s", log.String())
	}
	// A page asks why.
	if w := explain(""); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "https://plant.example") ||
		!strings.Contains(w.Body.String(), "websocket.allowed_origins") {
		t.Errorf("got %d %q, want a 403 with the origin and the advice", w.Code, w.Body)
	}
	// Some browsers say that a POST comes from the server's own page, and nothing with a WebSocket.
	if w := explain("same-origin"); w.Code != http.StatusForbidden {
		t.Errorf("asked with Sec-Fetch-Site after a refusal: got %d, want 403", w.Code)
	}
	now = now.Add(rememberedFor + time.Second)
	if w := explain("same-origin"); w.Code != http.StatusNoContent {
		t.Errorf("asked with Sec-Fetch-Site long after: got %d, want 204", w.Code)
	}
}
