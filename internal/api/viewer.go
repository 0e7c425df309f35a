package api

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// viewer holds the documentation page: Swagger UI as npm's swagger-ui-dist 5.35.0 has it, under its license there, and what
// starts it. Its two files are compressed with gzip -9n, for a quarter of their size in the program and on the way.
//
//go:embed viewer/index.html viewer/start.js viewer/style.css viewer/*.gz
var viewer embed.FS

// viewerPolicy allows the page what comes from the server itself. Swagger UI sets styles in place, and has its icons in data URLs.
const viewerPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// serveViewer serves the page at /docs and its files below.
func (s *server) serveViewer() error {
	for _, file := range []struct{ path, name, contentType string }{
		{"/docs", "index.html", "text/html; charset=utf-8"},
		{"/docs/start.js", "start.js", "text/javascript; charset=utf-8"},
		{"/docs/style.css", "style.css", "text/css; charset=utf-8"},
		{"/docs/swagger-ui-bundle.js", "swagger-ui-bundle.js.gz", "text/javascript; charset=utf-8"},
		{"/docs/swagger-ui.css", "swagger-ui.css.gz", "text/css; charset=utf-8"},
	} {
		content, err := viewer.ReadFile("viewer/" + file.name)
		if err != nil {
			return fmt.Errorf("documentation page: %w", err)
		}
		handler := fixed(file.contentType, viewerPolicy, content)
		if strings.HasSuffix(file.name, ".gz") {
			handler = compressed(handler, file.contentType, content)
		}
		s.mux.Handle("GET "+file.path, handler)
	}
	return nil
}

// compressed serves content that is kept compressed: as it is, by the handler, to who accepts that, and else decompressed.
func compressed(asItIs http.Handler, contentType string, content []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
			asItIs.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Security-Policy", viewerPolicy)
		reader, err := gzip.NewReader(bytes.NewReader(content))
		if err == nil {
			_, err = io.Copy(w, reader)
		}
		if err != nil {
			panic(http.ErrAbortHandler) // The client has gone away; what is embedded can be read.
		}
	})
}
