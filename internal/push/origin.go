package push

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// originAllowed reports whether a page of the request's origin may connect. Browsers let any page open a WebSocket to any
// host, so the server must look. A browser that says itself that the page is this server's is believed: no page can have it say so.
// That helps behind a proxy that asks for another Host than the page was asked for with.
func originAllowed(r *http.Request, allowed []string) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || r.Header.Get("Sec-Fetch-Site") == "same-origin" {
		return true
	}
	for _, other := range allowed {
		if strings.EqualFold(origin, other) {
			return true
		}
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(withoutUsualPort(u.Host, u.Scheme), withoutUsualPort(r.Host, u.Scheme))
}

// withoutUsualPort drops the port that a scheme has if none is given: a proxy may write it out, a browser does not.
func withoutUsualPort(host, scheme string) string {
	usual := map[string]string{"http": "80", "https": "443"}[scheme]
	if name, port, err := net.SplitHostPort(host); err == nil && port == usual {
		if strings.Contains(name, ":") {
			return "[" + name + "]"
		}
		return name
	}
	return host
}

// cure says how the pages of an origin can be let in.
func cure(r *http.Request) string {
	return fmt.Sprintf("pages of %s may not connect to %s: add that origin to websocket.allowed_origins, or have the proxy pass on the Host that it was asked for",
		r.Header.Get("Origin"), r.Host)
}

// refusals counts the origins that were refused, for one line in the log a minute, and remembers some of them.
type refusals struct {
	mu     sync.Mutex
	logged time.Time
	count  int
	// origins holds when a WebSocket of an origin was refused last; at most rememberedOrigins.
	origins map[string]time.Time
}

const (
	// rememberedOrigins is how many refused origins are remembered at most, rememberedFor for how long.
	rememberedOrigins = 64
	rememberedFor     = time.Minute
)

// remember keeps that a WebSocket of the origin was refused.
func (r *refusals) remember(origin string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.origins, func(_ string, at time.Time) bool { return now.Sub(at) > rememberedFor })
	if r.origins == nil {
		r.origins = make(map[string]time.Time)
	}
	if len(r.origins) < rememberedOrigins {
		r.origins[origin] = now
	}
}

// recently reports whether a WebSocket of the origin was refused a moment ago.
func (r *refusals) recently(origin string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, refused := r.origins[origin]
	return refused && now.Sub(at) <= rememberedFor
}

// note counts one, and returns how many there have been since they were last logged, if it is time to log them again.
func (r *refusals) note(now time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	if !r.logged.IsZero() && now.Sub(r.logged) < time.Minute {
		return 0
	}
	count := r.count
	r.logged, r.count = now, 0
	return count
}

// checkOrigin reports whether the page of a request may connect. It logs those that may not.
func (h *Hub) checkOrigin(r *http.Request) bool {
	if originAllowed(r, h.options.AllowedOrigins) {
		return true
	}
	h.refused.remember(r.Header.Get("Origin"), h.options.Now())
	if count := h.refused.note(h.options.Now()); count > 0 {
		h.options.Log.Warn("websocket connection of another origin refused", "origin", r.Header.Get("Origin"), "host", r.Host, "count", count, "cure", cure(r))
	}
	return false
}

// explain answers a POST, by which a page asks why it cannot connect, which the browser does not say: 403 and what to do about it, or
// 204 if its origin is not the reason. Some browsers say Sec-Fetch-Site: same-origin with a POST and not with a WebSocket, so
// what became of the WebSocket counts for more than what the POST says.
func (h *Hub) explain(w http.ResponseWriter, r *http.Request) {
	if h.checkOrigin(r) && !h.refused.recently(r.Header.Get("Origin"), h.options.Now()) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	http.Error(w, cure(r), http.StatusForbidden)
}
