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
	"sync"

	"iotmon/internal/config"
)

// page is the dashboard: the HTML and the static files. The configuration may replace either by a directory.
type page struct {
	assets *assets
	// paths are the addresses of the application's pages. Each is answered with the same HTML, which loads the page that the
	// address names.
	paths    []string
	template string
	values   map[string]string
}

// newPage reads the template and the files. It renders the page once, so that a mistake in the template fails the start rather
// than a request.
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
	files := directoryAssets(static)
	if cfg.Server.StaticDir == "" {
		files = embeddedAssets(static)
	}
	paths, err := pagePaths(static)
	if err != nil {
		return nil, fmt.Errorf("find the pages: %w", err)
	}
	p := &page{assets: files, paths: paths, template: string(template), values: map[string]string{"Version": version, "WebSocketPath": cfg.Push.Path}}
	if _, err := p.renderFor("/", ""); err != nil {
		return nil, fmt.Errorf("render the page's template: %w", err)
	}
	return p, nil
}

// pagePaths returns the patterns of the pages' addresses: the root, one for each folder of pages, and one for each folder with a page in it
// that shows a single item, such as devices/device: /devices/{id}. Files without such folders are those of somebody's own dashboard,
// which has one page.
func pagePaths(static fs.FS) ([]string, error) {
	paths := []string{"/{$}"}
	folders, err := subfolders(static, "js/pages")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, folder := range folders {
		paths = append(paths, "/"+folder)
		items, err := subfolders(static, "js/pages/"+folder)
		if err != nil {
			return nil, err
		}
		if len(items) > 0 {
			paths = append(paths, "/"+folder+"/{id}")
		}
	}
	return paths, nil
}

// subfolders returns the names of the folders in a folder.
func subfolders(files fs.FS, folder string) ([]string, error) {
	entries, err := fs.ReadDir(files, folder)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// render returns the HTML for a path, as it is written in the address, with what its page loads at once. All links in it are relative, so that
// the page works behind a proxy that adds a path prefix: {{.Root}} leads from the page to the application's root, {{.Assets}} to its files.
func (p *page) render(path string) (string, error) {
	return p.renderFor(path, p.assets.hashes().version)
}

// renderFor is render for files of the given version.
func (p *page) renderFor(path, version string) (string, error) {
	root := strings.Repeat("../", strings.Count(path, "/")-1)
	values := maps.Clone(p.values)
	values["Root"], values["Assets"] = root, root+"static"+version
	return render(linesOf(p.template, strings.TrimPrefix(path, "/")), values)
}

// firstPage is the name of the page at the root.
const firstPage = "overview"

// pageLine matches the lines of the template that are for one page alone: what it loads at once.
var pageLine = regexp.MustCompile(`(?m)^.* data-page="([^"]*)".*\n`)

// linesOf returns a template without the lines that are for other pages than the named one, empty for the first.
func linesOf(template, page string) string {
	if page == "" {
		page = firstPage
	}
	return pageLine.ReplaceAllStringFunc(template, func(line string) string {
		if pageLine.FindStringSubmatch(line)[1] == page {
			return line
		}
		return ""
	})
}

func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := p.render(r.URL.EscapedPath())
	if err != nil {
		http.Error(w, "the page cannot be rendered", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write([]byte(text)) // A write fails only if the client has gone.
}

// render replaces each {{.Name}} of a template, in text or in a quoted attribute, by its escaped value. html/template is not
// used: it calls methods by name, so the linker could no longer remove unused methods of any library, and the program would
// grow by a quarter.
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

// assets serves the page's static files. Embedded files have a version, a hash of them all. Below a path that begins with the
// version, browsers keep a file for good, since changed files have another path. Under its plain name, browsers ask at each
// load whether a file has changed; the ETag, a hash of its content, answers that. Files of a directory may change at any time
// and have neither.
type assets struct {
	files http.Handler
	// hashes returns those of embedded files; none for a directory.
	hashes func() hashes
}

// hashes of files are their ETags by name, and their version with a slash before it.
type hashes struct {
	tags    map[string]string
	version string
}

// versions matches a version at the beginning of a path. Another version than the own is accepted, too: while instances are
// updated one after the other, a browser may get the page from one and its files from another.
var versions = regexp.MustCompile(`^[0-9a-f]{16}/`)

func directoryAssets(files fs.FS) *assets {
	return &assets{files: http.FileServerFS(files), hashes: func() hashes { return hashes{} }}
}

// embeddedAssets hashes the files at the first request. A process whose page nobody opens need not read them, so they take no memory.
func embeddedAssets(files fs.FS) *assets {
	return &assets{files: http.FileServerFS(files), hashes: sync.OnceValue(func() hashes { return hash(files) })}
}

// hash returns no hashes if a file cannot be read, which does not happen with files that are in the program.
func hash(files fs.FS) hashes {
	tags := make(map[string]string)
	all := sha256.New()
	err := fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		tags[path] = fmt.Sprintf(`"%x"`, sha256.Sum256(content))
		fmt.Fprintf(all, "%q %s\n", path, tags[path])
		return nil
	})
	if err != nil {
		return hashes{}
	}
	return hashes{tags, fmt.Sprintf("/%x", all.Sum(nil)[:8])}
}

// ServeHTTP answers a request for a file. The path of the request no longer has the prefix /static/.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	version := versions.FindString(r.URL.Path)
	name := r.URL.Path[len(version):]
	if name == "" || strings.HasSuffix(name, "/") {
		http.NotFound(w, r) // A directory is not listed.
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	known := a.hashes()
	if tag := known.tags[name]; tag != "" {
		w.Header().Set("ETag", tag)
		if "/"+version == known.version+"/" {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
	}
	file := r.Clone(r.Context())
	file.URL.Path, file.URL.RawPath = name, ""
	a.files.ServeHTTP(w, file)
}
