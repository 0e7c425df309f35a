package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"iotmon/internal/config"
)

// stopTimeout is how long requests under way may take when the server stops.
const stopTimeout = time.Second

// requestTimeout is how long a request may take to arrive, and any other than one with readings to be answered: those have
// a timeout of their own, and a WebSocket has none.
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
				_ = server.Close() // Nobody waits for what is still open.
			}
		}()
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		<-stopped
		return nil
	}
}

// page is the dashboard: its files, which a configuration may replace, and the HTML that they hang on.
type page struct {
	static fs.FS
	index  []byte
}

// newPage renders the page once for all: a template that fails shows at the start, not as half a page in a browser.
func newPage(cfg *config.Config, static, templates fs.FS, version string) (*page, error) {
	if cfg.Server.StaticDir != "" {
		static = os.DirFS(cfg.Server.StaticDir)
	}
	if cfg.Server.TemplateDir != "" {
		templates = os.DirFS(cfg.Server.TemplateDir)
	}
	template, err := fs.ReadFile(templates, "index.html")
	if err != nil {
		return nil, fmt.Errorf("read the page's template: %w", err)
	}
	index, err := render(string(template), map[string]string{"Version": version, "WebSocketPath": cfg.Live.Path})
	if err != nil {
		return nil, fmt.Errorf("render the page's template: %w", err)
	}
	return &page{static: static, index: []byte(index)}, nil
}

// render puts values where a template has {{.Name}}, in its text or in a quoted attribute. The page needs no more than that,
// and html/template would keep the linker from leaving out any method of any library: a fifth of the program.
func render(template string, values map[string]string) (string, error) {
	var text strings.Builder
	for {
		before, after, more := strings.Cut(template, "{{")
		text.WriteString(before)
		if !more {
			return text.String(), nil
		}
		action, rest, closed := strings.Cut(after, "}}")
		value, known := values[strings.TrimPrefix(strings.TrimSpace(action), ".")]
		if !closed || !known {
			names := slices.Sorted(maps.Keys(values))
			return "", fmt.Errorf("{{%.20s: there is only {{.%s}}", after, strings.Join(names, "}} and {{."))
		}
		text.WriteString(html.EscapeString(value))
		template = rest
	}
}

func (p *page) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(p.index) // Whoever has gone needs no page.
}

// routes is what the web service answers.
type routes struct {
	page     *page
	api      http.Handler
	live     http.Handler
	livePath string
	admin    http.Handler
}

// handler returns the whole of the web service. Everything but the WebSocket is compressed for those who accept it.
func (r *routes) handler() (http.Handler, error) {
	compress, err := gzhttp.NewWrapper(gzhttp.MinSize(1024))
	if err != nil {
		return nil, fmt.Errorf("set up compression: %w", err)
	}
	files, err := static(r.page.static)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/api/v1/", compress(r.api))
	mux.Handle("/docs", compress(r.api))
	mux.Handle("/docs/", compress(r.api))
	mux.Handle(r.livePath, r.live)
	for _, path := range []string{"/health", "/ready", "/metrics", "/debug/"} {
		mux.Handle(path, r.admin)
	}
	mux.Handle("GET /static/", compress(http.StripPrefix("/static", files)))
	mux.Handle("GET /{$}", compress(r.page))
	return secured(mux), nil
}

// static serves files that browsers keep and ask about at each load, so that a new version shows at once. Embedded files
// have no time of change; a hash of their content stands in for it.
func static(files fs.FS) (http.Handler, error) {
	tags := make(map[string]string)
	err := fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		tags[path] = fmt.Sprintf(`"%x"`, sha256.Sum256(content))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read static files: %w", err)
	}
	server := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		if strings.HasSuffix(r.URL.Path, "/") {
			http.NotFound(w, r) // Rather than a list of what is there.
			return
		}
		if tag := tags[strings.TrimPrefix(r.URL.Path, "/")]; tag != "" {
			w.Header().Set("ETag", tag)
		}
		server.ServeHTTP(w, r)
	}), nil
}

// contentPolicy allows the page nothing but what comes from the server itself. Styles may be set in place, which the charts
// do; scripts may not.
const contentPolicy = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; " +
	"object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// secured sets the headers that keep a page from being turned against its reader.
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
