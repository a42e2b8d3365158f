// Package house holds the rules of the house that a machine can check: who may
// import whom, and what every file owes its reader. It has tests only. Each rule
// is also broken on purpose here, so that none of them can pass by accident.
package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// source is one Go file of the tree.
type source struct {
	name string // below the module, with slashes: store/bolt/settle.go
	text []byte
	file *ast.File // nil if it does not parse
	fset *token.FileSet
}

func newSource(name string, text []byte) source {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		file = nil
	}
	return source{name: name, text: text, file: file, fset: fset}
}

// pkg returns the name of the file's package in the plan.
func (s source) pkg() string { return path.Dir(s.name) }

func (s source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }

func (s source) line(pos token.Pos) int { return s.fset.Position(pos).Line }

// readTree reads every Go file of the module.
func readTree(t *testing.T) []source {
	t.Helper()
	const root = ".."
	var sources []source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path != root && notOurs(d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		sources = append(sources, newSource(filepath.ToSlash(name), text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sources
}

// notOurs tells the directories that hold no package of the module: test data,
// what was built, a development directory.
func notOurs(name string) bool {
	return strings.HasPrefix(name, ".") || name == "testdata" || name == "bin" || name == "var"
}
