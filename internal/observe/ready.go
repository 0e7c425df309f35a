package observe

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Readiness knows what a service still waits for. Its parts are named before the service starts; each then says for
// itself when it is ready, and when it is no longer.
type Readiness struct {
	mu      sync.Mutex
	missing map[string]string
}

// NewReadiness returns a Readiness without parts, which is ready.
func NewReadiness() *Readiness { return &Readiness{missing: make(map[string]string)} }

// Part is one thing that must be ready.
type Part struct {
	of   *Readiness
	name string
}

// Expect adds a part, which is not ready yet.
func (r *Readiness) Expect(name string) *Part {
	p := &Part{r, name}
	p.NotReady("starting")
	return p
}

// Ready says that the part is ready.
func (p *Part) Ready() {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	delete(p.of.missing, p.name)
}

// NotReady says why the part is not ready.
func (p *Part) NotReady(reason string) {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	p.of.missing[p.name] = reason
}

// Missing is a part that is not ready.
type Missing struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Missing returns the parts that are not ready, in the order of their names.
func (r *Readiness) Missing() []Missing {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := []Missing{}
	for name, reason := range r.missing {
		all = append(all, Missing{name, reason})
	}
	slices.SortFunc(all, func(a, b Missing) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// ServeHTTP answers GET /ready: 200 when nothing is missing, otherwise 503, and what is missing in either case.
func (r *Readiness) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	answer := struct {
		Status  string    `json:"status"`
		Missing []Missing `json:"missing"`
	}{"ready", r.Missing()}
	code := http.StatusOK
	if len(answer.Missing) > 0 {
		answer.Status, code = "not ready", http.StatusServiceUnavailable
	}
	writeJSON(w, code, answer)
}

// health answers GET /health: a process that can answer lives.
func health(version string, started time.Time) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, struct {
			Status  string    `json:"status"`
			Version string    `json:"version"`
			Started time.Time `json:"started"`
		}{"ok", version, started.UTC().Truncate(time.Second)})
	})
}

func writeJSON(w http.ResponseWriter, code int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer) // Only the connection can fail, and nobody is left to be told.
}
