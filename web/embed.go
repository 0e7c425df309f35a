// Package web is the dashboard: a page, its styles and its scripts, as the browser gets them. There is no build step.
package web

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed templates static
var files embed.FS

// Templates returns the page's templates: index.html.
func Templates() fs.FS { return below("templates") }

// Static returns the files served under /static/.
func Static() fs.FS { return below("static") }

func below(dir string) fs.FS {
	sub, err := fs.Sub(files, dir)
	if err != nil {
		panic(fmt.Sprintf("web: %v", err)) // The directory is embedded above.
	}
	return sub
}
