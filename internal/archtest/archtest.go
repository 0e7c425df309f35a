// Package archtest checks the source tree against its architecture: which package may import which, which packages may use a
// library, and what a pure package must not do. It reads the files with go/parser. It does not run go list: the result of a test
// is cached, and the cache would not notice new files.
package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const module = "iotmon"

// source is one file that is not a test.
type source struct {
	// pkg is the path of its directory below the root, such as internal/iot.
	pkg  string
	name string
	file *ast.File
}

// imports returns what the file imports.
func (s *source) imports() []string {
	var paths []string
	for _, spec := range s.file.Imports {
		if imported, err := strconv.Unquote(spec.Path.Value); err == nil {
			paths = append(paths, imported)
		}
	}
	return paths
}

// read parses every file below the root that is part of a program. Test files are not read: they may import anything.
func read(root string) ([]source, error) {
	var all []source
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if name != root && (skipped(entry.Name()) || isModule(name)) {
				return fs.SkipDir
			}
			return nil
		case !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		s, err := parse(filepath.ToSlash(below), text)
		all = append(all, s)
		return err
	})
	return all, err
}

// isModule reports whether the directory is a module of its own, which is not part of any program here.
func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func skipped(dir string) bool {
	return strings.HasPrefix(dir, ".") || slices.Contains([]string{"node_modules", "testdata", "vendor", "bin", "data"}, dir)
}

func parse(name string, text []byte) (source, error) {
	file, err := parser.ParseFile(token.NewFileSet(), name, text, 0)
	if err != nil {
		return source{}, fmt.Errorf("parse: %w", err)
	}
	return source{pkg: path.Dir(name), name: name, file: file}, nil
}

// violations returns a sentence for each violation of the rules.
func violations(all []source) []string {
	var found []string
	for i := range all {
		s := &all[i]
		found = append(found, direction(s)...)
		found = append(found, ownership(s)...)
		if slices.Contains(pure, s.pkg) {
			found = append(found, impurities(s)...)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// direction finds imports that the layer of the package does not allow.
func direction(s *source) []string {
	layer := layerOf(s.pkg)
	if layer == nil {
		return []string{fmt.Sprintf("%s is in no layer; add it to one in rules.go", s.pkg)}
	}
	var found []string
	for _, imported := range s.imports() {
		ours, isOurs := strings.CutPrefix(imported, module+"/")
		if isOurs && !matchesAny(ours, layer.may) && !siblings(ours, s.pkg) {
			found = append(found, fmt.Sprintf("%s must not import %s", s.pkg, imported))
		}
		if !isOurs && layer.onlyStandard && strings.Contains(imported, ".") && !slices.Contains(layer.besides, imported) {
			found = append(found, fmt.Sprintf("%s must import only the standard library, not %s", s.pkg, imported))
		}
	}
	return found
}

// ownership finds imports of libraries that are reserved for other packages.
func ownership(s *source) []string {
	var found []string
	for _, imported := range s.imports() {
		for _, o := range owners {
			if within(imported, o.library) && !matchesAny(s.pkg, o.packages) {
				found = append(found, fmt.Sprintf("%s must not import %s: that is for %s", s.pkg, imported, strings.Join(o.packages, ", ")))
			}
		}
	}
	return found
}

// impurities finds, in a pure package, imports that do I/O, calls that read the clock, and goroutines.
func impurities(s *source) []string {
	var found []string
	for _, imported := range s.imports() {
		if matchesAny(imported, outside) {
			found = append(found, fmt.Sprintf("%s is pure and must not import %s", s.pkg, imported))
		}
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, fmt.Sprintf("%s is pure and must not start a goroutine, as %s does", s.pkg, s.name))
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clocks, n.Sel.Name) {
				found = append(found, fmt.Sprintf("%s is pure and must not call time.%s, as %s does", s.pkg, n.Sel.Name, s.name))
			}
		}
		return true
	})
	return found
}

// siblings reports whether one package is below the other, as internal/kafka/embedded is below internal/kafka. Two packages below
// the same directory, such as the two stores, are not siblings in this sense.
func siblings(a, b string) bool { return within(a, b) || within(b, a) }

// within reports whether path is the tree or below it.
func within(path, tree string) bool { return path == tree || strings.HasPrefix(path, tree+"/") }

// matchesAny reports whether the path is one of the patterns; a pattern that ends in /... includes what is below it.
func matchesAny(path string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if tree, ok := strings.CutSuffix(pattern, "/..."); ok {
			return within(path, tree)
		}
		return path == pattern
	})
}
