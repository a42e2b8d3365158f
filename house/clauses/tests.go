package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
)

// test is a test function whose name claims a clause or an attack.
type test struct {
	clause string // as in clauses.csv: "5.22", "attack 08"
	dir    string
	name   string
}

func (t test) String() string { return t.dir + " " + t.name }

// A claim may be spelled wrongly (TestClause5.22 cannot be, TestClause522 can),
// so everything that begins like one is taken; what it names is looked up.
var (
	clauseName = regexp.MustCompile(`^TestClause(\d+(?:_\d+)*)`)
	attackName = regexp.MustCompile(`^TestAttack(\d+)`)
)

// claim returns what a test's name claims, if anything.
func claim(name string) (id string, ok bool) {
	if m := clauseName.FindStringSubmatch(name); m != nil {
		return strings.ReplaceAll(m[1], "_", "."), true
	}
	if m := attackName.FindStringSubmatch(name); m != nil {
		return "attack " + m[1], true
	}
	return "", false
}

// findTests reads every _test.go file below root; nothing is run.
func findTests(root string) ([]test, error) {
	var tests []test
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
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		names, err := testNames(path)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, name := range names {
			if id, ok := claim(name); ok {
				tests = append(tests, test{clause: id, dir: filepath.ToSlash(dir), name: name})
			}
		}
		return nil
	})
	return tests, err
}

// notOurs tells the directories that hold no package of the module: test data,
// what was built, a development directory.
func notOurs(name string) bool {
	return strings.HasPrefix(name, ".") || name == "testdata" || name == "bin" || name == "var"
}

// testNames returns the names of the file's tests: functions named Test… with
// one parameter and no receiver.
func testNames(path string) ([]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("does not parse: %w", err)
	}
	var names []string
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if ok && f.Recv == nil && f.Type.Params.NumFields() == 1 && strings.HasPrefix(f.Name.Name, "Test") {
			names = append(names, f.Name.Name)
		}
	}
	return names, nil
}
