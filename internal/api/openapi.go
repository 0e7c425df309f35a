package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// configuration turns off the pages that huma serves itself, because they load scripts from other hosts.
func configuration(version string) huma.Config {
	// huma looks up the format of application/problem+json by this bare name.
	format := huma.Format{Marshal: marshal, Unmarshal: unmarshal}
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:   "iotmon",
				Version: version,
				Description: "Readings in; devices, windows and alerts out. Every time is RFC 3339 in UTC, every error an RFC 9457 " +
					"problem. Listings answer {\"items\": [...], \"next\": \"cursor\"}: pass next as cursor for the following page, until " +
					"there is none. Unknown query parameters, empty ones other than cursor, those that are given twice but have one value, and unknown keys of JSON bodies other than " +
					"readings, are refused.",
			},
			Tags: []*huma.Tag{
				{Name: "Ingest", Description: "Send readings."},
				{Name: "Devices", Description: "What is known of every device at this moment."},
				{Name: "History", Description: "What the archive holds, about a second behind."},
				{Name: "Notifications", Description: "Who is notified of alerts, and what was sent."},
				{Name: "Sources", Description: "Where readings come from."},
				{Name: "System", Description: "The plant and the program as a whole."},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	}
	config.Components = &huma.Components{Schemas: huma.NewMapRegistry("#/components/schemas/", schemaName)}
	config.Transformers = []huma.Transformer{sparingProblem(config.Components.Schemas)}
	// Later versions add fields to answers; a client generated from the document must not refuse them.
	// Those of requests are closed by refuseUnknownKeys.
	config.AllowAdditionalPropertiesByDefault = true
	return config
}

// schemaName names the listing of devices as generated clients know it, and what is in messages.
func schemaName(t reflect.Type, hint string) string {
	of := t
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	if strings.HasSuffix(of.PkgPath(), "/notify") { // An alert in a message is another one than that of the API.
		return "Notified" + of.Name()
	}
	return strings.NewReplacer("ListedDevice", "Device", "DevicePage", "ListDevice").Replace(huma.DefaultSchemaNamer(t, hint))
}

// marshal writes v as JSON. It returns only encoding errors and no write errors: huma panics on an error, and a client may
// disconnect at any time.
func marshal(w io.Writer, v any) error {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return err
	}
	_, _ = w.Write(buffer.Bytes())
	return nil
}

// serveDocument serves the finished document as JSON and as YAML, and a page that shows it. The document is rendered at the first
// request: few processes are ever asked for it, and rendering it takes ten times as long as everything else in New.
func (s *server) serveDocument(document *huma.OpenAPI) error {
	s.mux.Handle("GET "+Prefix+"/openapi.json", s.rendered("application/json", func() ([]byte, error) {
		return json.MarshalIndent(document, "", "  ")
	}))
	s.mux.Handle("GET "+Prefix+"/openapi.yaml", s.rendered("application/yaml", document.YAML))
	return s.serveDocumentation()
}

// rendered serves what render returns at the first request.
func (s *server) rendered(contentType string, render func() ([]byte, error)) http.Handler {
	handler := sync.OnceValues(func() (http.Handler, error) {
		text, err := render()
		return fixed(contentType, documentPolicy, inMemory(text)), err
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, err := handler()
		if err != nil {
			s.o.Logger.ErrorContext(r.Context(), "cannot describe the API", "error", err)
			http.Error(w, "the description cannot be rendered", http.StatusInternalServerError)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// documentPolicy allows nothing: a document loads nothing.
const documentPolicy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"

// content is what does not change while the program runs: its ETag, which is a hash, and how to read it.
type content struct {
	tag  func() string
	open func() io.ReadSeeker
}

// newContent makes the ETag at the first request: content of which nobody asks need not be read.
func newContent(open func() io.ReadSeeker) content {
	return content{sync.OnceValue(func() string {
		hash := sha256.New()
		_, _ = io.Copy(hash, open()) // What is in memory or in the program can be read.
		return `"` + base64.RawURLEncoding.EncodeToString(hash.Sum(nil)[:12]) + `"`
	}), open}
}

func inMemory(text []byte) content {
	return newContent(func() io.ReadSeeker { return bytes.NewReader(text) })
}

// fixed serves content; a browser asks whether it has changed. The policy is what the content may load.
func fixed(contentType, policy string, content content) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Type", contentType)
		header.Set("Cache-Control", "no-cache")
		header.Set("ETag", content.tag())
		header.Set("Content-Security-Policy", policy)
		http.ServeContent(w, r, "", time.Time{}, content.open())
	})
}
