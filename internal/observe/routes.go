package observe

import (
	"net/http"
	"net/http/pprof"
	"time"
)

// RouteOptions configure Routes.
type RouteOptions struct {
	Metrics   *Metrics
	Readiness *Readiness
	Version   string
	// Started is when the process began.
	Started time.Time
	// Pprof serves Go's profiles too. They reveal internals and cost CPU time: only for trusted clients.
	Pprof bool
}

// Routes adds /health, /ready, /metrics and, if asked for, /debug/pprof/ to the mux.
func Routes(mux *http.ServeMux, o RouteOptions) {
	mux.Handle("GET /health", health(o.Version, o.Started))
	mux.Handle("GET /ready", o.Readiness)
	mux.Handle("GET /metrics", o.Metrics.Handler())
	if !o.Pprof {
		return
	}
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
}
