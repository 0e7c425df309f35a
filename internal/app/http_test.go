package app

import (
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"iotmon/internal/config"
)

// script is long enough to be worth compressing.
var script = strings.Repeat("export const answer = 42;\n", 100)

// webService returns the web service with handlers that answer with their own name.
func webService(t *testing.T) http.Handler {
	t.Helper()
	cfg := config.Default(config.Iotmon, Builtin())
	cfg.Push.Path = "/ws"
	templates := fstest.MapFS{"index.html": {Data: []byte(`<p data-version="{{.Version}}" data-socket="{{.WebSocketPath}}"><a href="{{.Root}}docs"></a><script src="{{.Assets}}/js/main.js"></script>` + script)}}
	static := fstest.MapFS{"js/main.js": {Data: []byte(script)}, "css/main.css": {Data: []byte("p{}")}, "js/pages/overview/overview.js": {Data: []byte(script)},
		"js/pages/devices/devices.js": {Data: []byte(script)}, "js/pages/devices/device/device.js": {Data: []byte(script)}}
	dashboard, err := newPage(&cfg, static, templates, "<1.2>")
	if err != nil {
		t.Fatal(err)
	}
	says := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, name+strings.Repeat(" ", 4096))
		})
	}
	all := routes{page: dashboard, api: says("api"), live: says("live"), livePath: cfg.Push.Path, admin: says("admin")}
	handler, err := all.handler()
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

// get sends a GET request for a path, with pairs of header names and values.
func get(t *testing.T, handler http.Handler, path string, header ...string) *http.Response {
	t.Helper()
	request := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder.Result()
}

func body(t *testing.T, response *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRoutesLeadToTheirPartAndAreSecured(t *testing.T) {
	handler := webService(t)
	for path, want := range map[string]struct {
		status int
		begins string
	}{
		"/":                    {http.StatusOK, `<p data-version="&lt;1.2&gt;" data-socket="/ws">`},
		"/overview":            {http.StatusOK, `<p data-version="&lt;1.2&gt;" data-socket="/ws">`},
		"/overview/x":          {http.StatusNotFound, "404"},
		"/devices":             {http.StatusOK, `<p data-version="&lt;1.2&gt;" data-socket="/ws"><a href="docs">`},
		"/devices/kiln":        {http.StatusOK, `<p data-version="&lt;1.2&gt;" data-socket="/ws"><a href="../docs">`},
		"/devices/a%2F%2Fb%2F": {http.StatusOK, `<p data-version="&lt;1.2&gt;" data-socket="/ws"><a href="../docs">`},
		"/devices/%E2%80%AE%3Cscript%3E%00%3F%23%25": {http.StatusOK, `<p data-version="&lt;1.2&gt;" data-socket="/ws"><a href="../docs">`},
		"/devices/a/b":         {http.StatusNotFound, "404"},
		"/static/js/main.js":   {http.StatusOK, "export"},
		"/static/css/main.css": {http.StatusOK, "p{}"},
		"/static/nothing.js":   {http.StatusNotFound, "404"},
		"/api/v1/devices":      {http.StatusOK, "api"},
		"/docs":                {http.StatusOK, "api"},
		"/docs/style.css":      {http.StatusOK, "api"},
		"/ws":                  {http.StatusOK, "live"},
		"/health":              {http.StatusOK, "admin"},
		"/ready":               {http.StatusOK, "admin"},
		"/metrics":             {http.StatusOK, "admin"},
		"/debug/pprof/":        {http.StatusOK, "admin"},
		"/nothing":             {http.StatusNotFound, "404"},
		"/index.html":          {http.StatusNotFound, "404"},
		"/api/v2/devices":      {http.StatusNotFound, "404"},
	} {
		response := get(t, handler, path)
		if text := body(t, response); response.StatusCode != want.status || !strings.HasPrefix(text, want.begins) {
			t.Errorf("%s: got %d %.60q, want %d %q", path, response.StatusCode, text, want.status, want.begins)
		}
		for name, value := range map[string]string{
			"X-Content-Type-Options": "nosniff",
			"X-Frame-Options":        "DENY",
			"Referrer-Policy":        "no-referrer",
		} {
			if got := response.Header.Get(name); got != value {
				t.Errorf("%s: %s: got %q, want %q", path, name, got, value)
			}
		}
		if policy := response.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'self'") || strings.Contains(policy, "script-src") {
			t.Errorf("%s: got content policy %q, want scripts from the server alone", path, policy)
		}
	}
}

func TestAPageLoadsAtOnceWhatItNeeds(t *testing.T) {
	const template = "<link a>\n<link data-page=\"overview\" b>\n<link data-page=\"system\" c>\n<p>\n"
	for page, want := range map[string]string{"": "abp", "overview": "abp", "system": "acp", "other": "ap"} {
		got := regexp.MustCompile(`<link (?:data-page="\w+" )?|[<>\n]`).ReplaceAllString(linesOf(template, page), "")
		if got != want {
			t.Errorf("%q: got %q, want %q", page, got, want)
		}
	}
}

func TestDirectoriesAreNotListed(t *testing.T) {
	files := embeddedAssets(fstest.MapFS{"js/main.js": {Data: []byte("x")}})
	for path, want := range map[string]int{"/js/main.js": 200, "/js/": 404, "/": 404} {
		w := httptest.NewRecorder()
		http.StripPrefix("/", files).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want {
			t.Errorf("%s: got %d, want %d", path, w.Code, want)
		}
	}
}

// oneConn is a listener with one connection.
type oneConn chan net.Conn

func (l oneConn) Accept() (net.Conn, error) {
	if conn, ok := <-l; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (l oneConn) Close() error { close(l); return nil }

func (l oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// Before it answers, the server reads the rest of a short body. A client that announces a body and never sends it could
// therefore hold a connection and a goroutine for ever.
func TestBodyThatNeverComesEndsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		listener := make(oneConn, 1)
		listener <- far
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = serve(listener, http.NotFoundHandler())(ctx) })
		started := time.Now()
		_, _ = io.WriteString(near, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
		_ = near.SetDeadline(started.Add(time.Hour))
		answer, err := io.ReadAll(near)
		if took := time.Since(started); err != nil || took > 5*time.Minute {
			t.Errorf("got %q and %v after %v, want an answer and the end within minutes", answer, err, took)
		}
		near.Close()
		cancel()
		running.Wait()
	})
}

func TestUnchangedStaticFilesAreNotSentAgain(t *testing.T) {
	handler := webService(t)
	first := get(t, handler, "/static/js/main.js")
	tag := first.Header.Get("ETag")
	if tag == "" || first.Header.Get("Cache-Control") != "no-cache" {
		t.Fatalf("got ETag %q and Cache-Control %q", tag, first.Header.Get("Cache-Control"))
	}
	again := get(t, handler, "/static/js/main.js", "If-None-Match", tag)
	if text := body(t, again); again.StatusCode != http.StatusNotModified || text != "" {
		t.Errorf("the same tag: got %d and %d bytes, want 304 and none", again.StatusCode, len(text))
	}
	if other := get(t, handler, "/static/js/main.js", "If-None-Match", `"other"`); other.StatusCode != http.StatusOK {
		t.Errorf("another tag: got %d, want 200", other.StatusCode)
	}
	if css := get(t, handler, "/static/css/main.css").Header.Get("ETag"); css == tag {
		t.Errorf("two files have the tag %s", tag)
	}
}

// Files under the path with the version stay in the browser's cache for good.
func TestFilesWithAVersionInTheirPathAreCachedForGood(t *testing.T) {
	handler := webService(t)
	_, rest, _ := strings.Cut(body(t, get(t, handler, "/")), `src="`)
	address, _, _ := strings.Cut(rest, `"`)
	if !regexp.MustCompile(`^static/[0-9a-f]{16}/js/main\.js$`).MatchString(address) {
		t.Fatalf("got the address %q, want one with a version", address)
	}
	named := get(t, handler, "/"+address)
	if text := body(t, named); text != script || !strings.Contains(named.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("got %d bytes with Cache-Control %q, want the script, cached for good", len(text), named.Header.Get("Cache-Control"))
	}
	const another = "/static/0123456789abcdef/"
	other := get(t, handler, another+"js/main.js")
	if text := body(t, other); text != script || other.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("another version: got %d bytes with Cache-Control %q, want the script, revalidated at each load", len(text), other.Header.Get("Cache-Control"))
	}
	for _, path := range []string{strings.Replace(address, "/js", "%2fjs", 1), strings.Replace(address, "main", "m%61in", 1)} {
		odd := get(t, handler, "/"+path)
		if text := body(t, odd); odd.StatusCode != http.StatusOK || text != script {
			t.Errorf("%s: got %d with Cache-Control %q, want the script", path, odd.StatusCode, odd.Header.Get("Cache-Control"))
		}
	}
	for _, path := range []string{"/static/", "/static/js/", another, another + "js/", another + "nothing.js"} {
		if got := get(t, handler, path).StatusCode; got != http.StatusNotFound {
			t.Errorf("%s: got %d, want 404", path, got)
		}
	}
}

func TestEachPageIsTheSameHTML(t *testing.T) {
	handler := webService(t)
	front := body(t, get(t, handler, "/"))
	if overview := body(t, get(t, handler, "/overview?type=temperature_sensor")); overview != front {
		t.Errorf("/overview: got %.80q, want %.80q", overview, front)
	}
	if got := get(t, handler, "/nothing").StatusCode; got != http.StatusNotFound {
		t.Errorf("/nothing: got %d, want 404", got)
	}
}

func TestAPageOnADeeperPathFindsItsFiles(t *testing.T) {
	cfg := config.Default(config.Iotmon, Builtin())
	page, err := newPage(&cfg, fstest.MapFS{}, fstest.MapFS{"index.html": {Data: []byte(`{{.Root}} {{.Assets}}`)}}, "1")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/": "", "/overview": "", "/devices/oven-1": "../", "/devices/oven%2F1": "../", "/a/b/c": "../../"} {
		if got, err := page.render(path); err != nil || !strings.HasPrefix(got, want+" "+want+"static/") {
			t.Errorf("%s: got %q, %v, want the root %q", path, got, err, want)
		}
	}
}

// Files of a directory may be edited while the server runs.
func TestFilesOfADirectoryHaveNoVersion(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "a.js"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("before")
	cfg := config.Default(config.Iotmon, Builtin())
	cfg.Server.StaticDir = dir
	page, err := newPage(&cfg, nil, fstest.MapFS{"index.html": {Data: []byte(`{{.Assets}}`)}}, "1")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := page.render("/"); err != nil || got != "static" {
		t.Errorf("got %q, %v, want static", got, err)
	}
	for _, want := range []string{"before", "after that"} {
		write(want)
		response := get(t, http.StripPrefix("/static/", page.assets), "/static/a.js")
		if got := body(t, response); got != want || response.Header.Get("ETag") != "" {
			t.Errorf("got %q with ETag %q, want %q without", got, response.Header.Get("ETag"), want)
		}
	}
}

func TestUnchangedCompressedFilesAreNotSentAgain(t *testing.T) {
	handler := webService(t)
	first := get(t, handler, "/static/js/main.js", "Accept-Encoding", "gzip")
	again := get(t, handler, "/static/js/main.js", "Accept-Encoding", "gzip", "If-None-Match", first.Header.Get("ETag"))
	if again.StatusCode != http.StatusNotModified {
		t.Errorf("got %d, want 304", again.StatusCode)
	}
}

func TestEverythingButTheWebSocketIsCompressed(t *testing.T) {
	handler := webService(t)
	for _, path := range []string{"/", "/static/js/main.js", "/api/v1/devices", "/docs"} {
		plain := body(t, get(t, handler, path))
		response := get(t, handler, path, "Accept-Encoding", "gzip")
		if got := response.Header.Get("Content-Encoding"); got != "gzip" {
			t.Errorf("%s: got encoding %q, want gzip", path, got)
			continue
		}
		if !strings.Contains(response.Header.Get("Vary"), "Accept-Encoding") {
			t.Errorf("%s: got Vary %q, so a cache may send it to a client that cannot decompress it", path, response.Header.Get("Vary"))
		}
		packed := body(t, response)
		reader, err := gzip.NewReader(strings.NewReader(packed))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if text, err := io.ReadAll(reader); err != nil || string(text) != plain || len(packed) >= len(plain) {
			t.Errorf("%s: %d bytes unpack to %d, want %d: %v", path, len(packed), len(text), len(plain), err)
		}
	}
	for _, path := range []string{"/ws", "/static/css/main.css"} {
		if got := get(t, handler, path, "Accept-Encoding", "gzip").Header.Get("Content-Encoding"); got != "" {
			t.Errorf("%s: got encoding %q, want none", path, got)
		}
	}
}

func TestOnlyGetReachesPageAndFiles(t *testing.T) {
	handler := webService(t)
	for _, path := range []string{"/", "/static/js/main.js"} {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, path, nil))
		if recorder.Code != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: got %d, want 405", path, recorder.Code)
		}
	}
}

func TestServeFinishesRequestsUnderWay(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	asked := make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-ctx.Done()
		_, _ = io.WriteString(w, "finished")
	})
	ended := make(chan error, 1)
	go func() { ended <- serve(listener, handler)(ctx) }()
	go func() {
		<-asked
		stop()
	}()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if text := body(t, response); text != "finished" {
		t.Errorf("got %q, want finished", text)
	}
	if err := <-ended; err != nil {
		t.Errorf("got %v, want success", err)
	}
}

func TestATemplateThatFailsShowsAtTheStart(t *testing.T) {
	cfg := config.Default(config.Iotmon, Builtin())
	for name, text := range map[string]string{"missing field": `<p>half{{.Missing}}`, "syntax": `{{if}}`, "not closed": `{{.Version`} {
		templates := fstest.MapFS{"index.html": {Data: []byte(text)}}
		if _, err := newPage(&cfg, fstest.MapFS{}, templates, "1"); err == nil || !strings.Contains(err.Error(), "there is only {{.Assets}}") {
			t.Errorf("%s: got %v, want an error that says what there is", name, err)
		}
	}
}
