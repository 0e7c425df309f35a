package app

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"

	"iotmon/internal/config"
)

// page is the dashboard: the HTML that loads it, and its files, either of which a configuration may replace.
type page struct {
	assets *assets
	// paths are the addresses of the application's pages. Each is answered with the same HTML, which loads the page that the
	// address names.
	paths    []string
	template string
	values   map[string]string
}

// newPage renders the page once: a template that fails shows at the start, not as half a page in a browser.
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
	files := &assets{files: http.FileServerFS(static)}
	if cfg.Server.StaticDir == "" {
		if files, err = embeddedAssets(static); err != nil {
			return nil, fmt.Errorf("read static files: %w", err)
		}
	}
	paths, err := pagePaths(static)
	if err != nil {
		return nil, fmt.Errorf("find the pages: %w", err)
	}
	p := &page{assets: files, paths: paths, template: string(template), values: map[string]string{"Version": version, "WebSocketPath": cfg.Live.Path}}
	if _, err := p.render("/"); err != nil {
		return nil, fmt.Errorf("render the page's template: %w", err)
	}
	return p, nil
}

// pagePaths returns the patterns of the pages' addresses: the root, and one for each folder of pages. Files without such folders are
// those of somebody's own dashboard, which has one page.
func pagePaths(static fs.FS) ([]string, error) {
	paths := []string{"/{$}"}
	folders, err := fs.ReadDir(static, "js/pages")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, folder := range folders {
		if folder.IsDir() {
			paths = append(paths, "/"+folder.Name())
		}
	}
	return paths, nil
}

// render returns the HTML for a path. Its addresses are relative, so that it works behind a proxy that serves it below a path of
// its own: {{.Root}} leads from the page to the application's root, {{.Assets}} to its files.
func (p *page) render(path string) (string, error) {
	root := strings.Repeat("../", strings.Count(path, "/")-1)
	values := maps.Clone(p.values)
	values["Root"], values["Assets"] = root, root+"static"+p.assets.version
	return render(p.template, values)
}

func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := p.render(r.URL.Path)
	if err != nil {
		http.Error(w, "the page cannot be rendered", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write([]byte(text)) // Whoever has gone needs no page.
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

// assets serves the page's files. Below a path that begins with their version browsers keep them for good, since other files have
// another path; under their plain names browsers ask at each load. Embedded files have no time of change, a hash of their content
// stands in for it. Files of a directory may change at any time and have no version.
type assets struct {
	files http.Handler
	// tags are the hashes of embedded files by name, version is that of all of them, as the beginning of a path; empty without.
	tags    map[string]string
	version string
}

// versions matches what begins a path below which files do not change. That of another version is answered, too: while instances
// are updated one after the other, the page may come from one and its files from another.
var versions = regexp.MustCompile(`^[0-9a-f]{16}/`)

func embeddedAssets(files fs.FS) (*assets, error) {
	a := &assets{files: http.FileServerFS(files), tags: make(map[string]string)}
	all := sha256.New()
	err := fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		a.tags[path] = fmt.Sprintf(`"%x"`, sha256.Sum256(content))
		fmt.Fprintf(all, "%q %s\n", path, a.tags[path])
		return nil
	})
	if err != nil {
		return nil, err
	}
	a.version = fmt.Sprintf("/%x", all.Sum(nil)[:8])
	return a, nil
}

// ServeHTTP answers a path below /static/, which has been taken off.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	version := versions.FindString(r.URL.Path)
	name := r.URL.Path[len(version):]
	if name == "" || strings.HasSuffix(name, "/") {
		http.NotFound(w, r) // Rather than a list of what is there.
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	if tag := a.tags[name]; tag != "" {
		w.Header().Set("ETag", tag)
		if "/"+version == a.version+"/" {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
	}
	file := r.Clone(r.Context())
	file.URL.Path, file.URL.RawPath = name, ""
	a.files.ServeHTTP(w, file)
}
