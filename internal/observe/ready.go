package observe

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Readiness tracks which parts of a service are ready. Parts are added before the service starts; each then reports when it
// becomes ready or not ready.
type Readiness struct {
	mu    sync.Mutex
	parts []*Part
}

// NewReadiness returns a Readiness without parts, which is ready.
func NewReadiness() *Readiness { return new(Readiness) }

// Part is one part of a service.
type Part struct {
	of     *Readiness
	name   string
	vital  bool
	reason string
}

// Expect adds a vital part, without which the service cannot work. It is not ready yet.
func (r *Readiness) Expect(name string) *Part { return r.add(name, true) }

// Mention adds a part without which the service works with restrictions. It is not ready yet.
func (r *Readiness) Mention(name string) *Part { return r.add(name, false) }

func (r *Readiness) add(name string, vital bool) *Part {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &Part{of: r, name: name, vital: vital, reason: "starting"}
	r.parts = append(r.parts, p)
	return p
}

// Ready marks the part as ready.
func (p *Part) Ready() { p.NotReady("") }

// NotReady marks the part as not ready for the given reason.
func (p *Part) NotReady(reason string) {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	p.reason = reason
}

// Missing is a part that is not ready.
type Missing struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Missing returns the parts that are not ready, sorted by name: the vital ones and the others.
func (r *Readiness) Missing() (vital, others []Missing) {
	r.mu.Lock()
	defer r.mu.Unlock()
	vital, others = []Missing{}, []Missing{}
	for _, p := range r.parts {
		switch {
		case p.reason == "":
		case p.vital:
			vital = append(vital, Missing{p.name, p.reason})
		default:
			others = append(others, Missing{p.name, p.reason})
		}
	}
	byName := func(a, b Missing) int { return cmp.Compare(a.Name, b.Name) }
	slices.SortFunc(vital, byName)
	slices.SortFunc(others, byName)
	return vital, others
}

// PartState is what a part has reported.
type PartState struct {
	Name string
	// Vital is whether the service cannot work without the part.
	Vital bool
	// Reason is why the part is not ready; empty if it is.
	Reason string
}

// Parts returns all parts, in the order in which they were added.
func (r *Readiness) Parts() []PartState {
	r.mu.Lock()
	defer r.mu.Unlock()
	parts := make([]PartState, len(r.parts))
	for i, p := range r.parts {
		parts[i] = PartState{p.name, p.vital, p.reason}
	}
	return parts
}

// ServeHTTP answers GET /ready: 200 if all vital parts are ready, otherwise 503. The body lists the missing parts in either
// case.
func (r *Readiness) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	answer := struct {
		Status   string    `json:"status"`
		Missing  []Missing `json:"missing"`
		Degraded []Missing `json:"degraded,omitempty"`
	}{Status: "ready"}
	answer.Missing, answer.Degraded = r.Missing()
	code := http.StatusOK
	if len(answer.Missing) > 0 {
		answer.Status, code = "not ready", http.StatusServiceUnavailable
	}
	writeJSON(w, code, answer)
}

// health answers GET /health: a process that answers is alive.
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
	_ = json.NewEncoder(w).Encode(answer) // Only the connection can fail.
}
