// Package web holds the dashboard: the template of the shell around every page, and the files that it loads. They are part of the binary, so a
// browser needs nothing from anywhere else.
package web

import (
	"embed"
	"io/fs"
)

//go:embed static templates
var files embed.FS

// Static returns what is served under /static/.
func Static() fs.FS { return sub("static") }

// Templates returns the templates; index.html is the shell, in which {{.Version}}, {{.WebSocketPath}}, {{.Root}} and
// {{.Assets}} are filled in.
func Templates() fs.FS { return sub("templates") }

func sub(dir string) fs.FS {
	part, err := fs.Sub(files, dir)
	if err != nil {
		// The directory is named in the embed directive above, or this would not have compiled.
		panic(err)
	}
	return part
}
