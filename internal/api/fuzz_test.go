package api_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

// FuzzQuery requests every listing with arbitrary parameters. The response is a page, or an error that describes the parameter.
func FuzzQuery(f *testing.F) {
	fleet, history := fullPlant()
	h := newAPI(f, fleet, history, nil)
	paths := []string{"/api/v1/devices", "/api/v1/devices/d1/readings", "/api/v1/summaries", "/api/v1/alerts", "/api/v1/dead-letters"}
	for _, query := range []string{
		"limit=1", "sort=value&order=desc&limit=1", "from=-1h&to=now&step=30s", "from=-36500d", "to=9999-12-31T23:59:59Z", "step=1d&limit=1",
		"from=0000-01-01T00:00:00Z&step=86400s", "cursor=AAAA", "floor=0&has_open_alerts=false&q=d", "state=open&severity=info&limit=1",
		"max_points=4&step=100ms&from=-2562047h", "%zz=1", "limit", "from=2026-03-01T00:00:00+08:00",
	} {
		for i := range paths {
			f.Add(uint8(i), query)
		}
	}
	f.Fuzz(func(t *testing.T, path uint8, query string) {
		target := url.URL{Path: paths[int(path)%len(paths)], RawQuery: query}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL = &target
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch w.Code {
		case http.StatusOK, http.StatusBadRequest, http.StatusUnprocessableEntity:
		default:
			t.Fatalf("%s: got %d %s", &target, w.Code, w.Body)
		}
	})
}
