package api

import (
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
)

// swagger holds the documentation page: Swagger UI as npm's swagger-ui-dist 5.35.0 has it, under its license there, and what
// starts it. Its two files are compressed with gzip -9n, for a quarter of their size in the program and on the way.
//
//go:embed swagger/index.html swagger/start.js swagger/style.css swagger/*.gz
var swagger embed.FS

// documentationPolicy allows the page what comes from the server itself. Swagger UI sets styles in place, and has its icons in data URLs.
const documentationPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// serveDocumentation serves the page at /docs and its files below.
func (s *server) serveDocumentation() error {
	for _, file := range []struct{ path, name, contentType string }{
		{"/docs", "index.html", "text/html; charset=utf-8"},
		{"/docs/start.js", "start.js", "text/javascript; charset=utf-8"},
		{"/docs/style.css", "style.css", "text/css; charset=utf-8"},
		{"/docs/swagger-ui-bundle.js", "swagger-ui-bundle.js.gz", "text/javascript; charset=utf-8"},
		{"/docs/swagger-ui.css", "swagger-ui.css.gz", "text/css; charset=utf-8"},
	} {
		content, err := embedded("swagger/" + file.name)
		if err != nil {
			return fmt.Errorf("documentation page: %w", err)
		}
		handler := fixed(file.contentType, documentationPolicy, content)
		if strings.HasSuffix(file.name, ".gz") {
			handler = compressed(handler, file.contentType, content)
		}
		s.mux.Handle("GET "+file.path, handler)
	}
	return nil
}

// embedded is a file of the program. It is read where it is in the program: a copy would take half a megabyte of memory for good. The
// error means that there is no such file.
func embedded(name string) (content, error) {
	if _, err := fs.Stat(swagger, name); err != nil {
		return content{}, err
	}
	return newContent(func() io.ReadSeeker {
		file, err := swagger.Open(name)
		if err != nil {
			panic(err) // It was there at the start.
		}
		return file.(io.ReadSeeker) // As embed.FS promises; closing does nothing.
	}), nil
}

// compressed serves content that is kept compressed: as it is, by the handler, to who accepts that, and else decompressed.
func compressed(asItIs http.Handler, contentType string, content content) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
			asItIs.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Security-Policy", documentationPolicy)
		if err := decompress(w, content); err != nil {
			panic(http.ErrAbortHandler) // The client has gone away; what is embedded can be read.
		}
	})
}

func decompress(w io.Writer, content content) error {
	reader, err := gzip.NewReader(content.open())
	if err != nil {
		return err
	}
	_, err = io.Copy(w, reader)
	return err
}
