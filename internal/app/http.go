package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/klauspost/compress/gzhttp"
)

// stopTimeout is how long the server, when it stops, waits for the requests under way. The producer may take as long to send
// its last readings.
const stopTimeout = time.Second

// requestTimeout is how long a request may take to arrive and be answered. Then its context ends. HTTP ingest sets a timeout of
// its own; a WebSocket has none.
const requestTimeout = 2 * time.Minute

// serve answers HTTP on the listener until ctx ends.
func serve(listener net.Listener, handler http.Handler) func(context.Context) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       requestTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	return func(ctx context.Context) error {
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			<-ctx.Done()
			stopping, cancel := context.WithTimeout(context.Background(), stopTimeout)
			defer cancel()
			if server.Shutdown(stopping) != nil {
				_ = server.Close() // The requests still open are cut off; their errors are of no use.
			}
		}()
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		<-stopped
		return nil
	}
}

// routes are the handlers of the web service.
type routes struct {
	page     *page
	api      http.Handler
	live     http.Handler
	livePath string
	admin    http.Handler
}

// handler returns the handler of all paths of the web service. Answers of the page and the API are compressed for clients that
// accept it.
func (r *routes) handler() (http.Handler, error) {
	compress, err := gzhttp.NewWrapper(gzhttp.MinSize(1024))
	if err != nil {
		return nil, fmt.Errorf("set up compression: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/api/v1/", compress(r.api))
	mux.Handle("/docs", compress(r.api))
	mux.Handle("/docs/", compress(r.api))
	mux.Handle(r.livePath, r.live)
	for _, path := range []string{"/health", "/ready", "/metrics", "/debug/"} {
		mux.Handle(path, r.admin)
	}
	mux.Handle("GET /static/", compress(http.StripPrefix("/static/", r.page.assets)))
	for _, path := range r.page.paths {
		mux.Handle("GET "+path, compress(r.page))
	}
	return secured(mux), nil
}

// contentPolicy allows the page to load only from its own server. Inline styles are allowed, since the charts set them;
// inline scripts are not.
const contentPolicy = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; " +
	"object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// secured sets the headers that make browsers refuse foreign scripts, framing by other pages and guessed content types.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", contentPolicy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}
