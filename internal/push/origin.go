package push

import (
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// origins decides from which origins pages may connect: browsers let any page open a WebSocket to any host, so the server must check. A
// refusal is logged, at most once a minute, and explained to a page that asks. It may be used concurrently.
type origins struct {
	// allowed lists the origins that may connect besides that of the server itself.
	allowed []string
	log     *slog.Logger
	now     func() time.Time

	mu sync.Mutex
	// logged is when a refusal was logged last, unlogged how many there have been since.
	logged   time.Time
	unlogged int
	// refused holds when a WebSocket of an origin was refused last; at most rememberedOrigins.
	refused map[string]time.Time
}

const (
	// rememberedOrigins is how many refused origins are remembered at most, rememberedFor for how long.
	rememberedOrigins = 64
	rememberedFor     = time.Minute
)

// check reports whether the page of a request may connect. If not, it remembers the origin and may log the refusal.
func (o *origins) check(r *http.Request) bool {
	if originAllowed(r, o.allowed) {
		return true
	}
	if count := o.refuse(r.Header.Get("Origin")); count > 0 {
		o.log.Warn("websocket connection of another origin refused",
			"origin", r.Header.Get("Origin"), "host", r.Host, "count", count, "cure", originAdvice(r))
	}
	return false
}

// refuse counts a refusal and remembers its origin. It returns how many refusals are to be logged now; 0 if the last line in the log is
// less than a minute old.
func (o *origins) refuse(origin string) (count int) {
	now := o.now()
	o.mu.Lock()
	defer o.mu.Unlock()
	maps.DeleteFunc(o.refused, func(_ string, at time.Time) bool { return now.Sub(at) > rememberedFor })
	if o.refused == nil {
		o.refused = make(map[string]time.Time)
	}
	if len(o.refused) < rememberedOrigins {
		o.refused[origin] = now
	}
	o.unlogged++
	if !o.logged.IsZero() && now.Sub(o.logged) < time.Minute {
		return 0
	}
	count = o.unlogged
	o.logged, o.unlogged = now, 0
	return count
}

// refusedLately reports whether a WebSocket of the origin was refused within rememberedFor.
func (o *origins) refusedLately(origin string) bool {
	now := o.now()
	o.mu.Lock()
	defer o.mu.Unlock()
	at, refused := o.refused[origin]
	return refused && now.Sub(at) <= rememberedFor
}

// explain answers a page that asks why it cannot connect, because browsers hide the reason: 403 and what to do about it, or 204 if the
// origin of the page is not the reason. Some browsers send Sec-Fetch-Site: same-origin with this POST but not with a WebSocket. So an
// origin whose WebSocket was refused lately gets 403 even if the POST would be allowed.
func (o *origins) explain(w http.ResponseWriter, r *http.Request) {
	if o.check(r) && !o.refusedLately(r.Header.Get("Origin")) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	http.Error(w, originAdvice(r), http.StatusForbidden)
}

// originAllowed reports whether a page of the request's origin may connect: one of the origins allowed, or the server's own. A browser that
// says itself, in Sec-Fetch-Site, that the page is the server's own is right, because no page can set that header. This helps
// behind a proxy that changes the Host header. A request without an origin does not come from a page.
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
	return err == nil && u.Host != "" && strings.EqualFold(withoutDefaultPort(u.Host, u.Scheme), withoutDefaultPort(r.Host, u.Scheme))
}

// withoutDefaultPort drops the default port of the scheme from host: a proxy may write it out, a browser does not.
func withoutDefaultPort(host, scheme string) string {
	standard := map[string]string{"http": "80", "https": "443"}[scheme]
	if name, port, err := net.SplitHostPort(host); err == nil && port == standard {
		if strings.Contains(name, ":") {
			return "[" + name + "]"
		}
		return name
	}
	return host
}

// originAdvice says how pages of the request's origin can be allowed to connect.
func originAdvice(r *http.Request) string {
	return fmt.Sprintf("pages of %s may not connect to %s: add that origin to websocket.allowed_origins, or have the proxy pass on the Host that it was asked for",
		r.Header.Get("Origin"), r.Host)
}
