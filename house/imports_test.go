package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// TestImports holds the tree against the plan.
func TestImports(t *testing.T) {
	readTree(t) // so that a cached result of this test ends with any change of the tree
	for _, fault := range mohur.faults(listPackages(t)) {
		t.Error(fault)
	}
}

// pkg is what `go list` tells of a package.
type pkg struct {
	ImportPath   string
	Name         string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string // everything Imports leads to
}

func listPackages(t *testing.T) []pkg {
	t.Helper()
	// -e: a package that does not compile is the compiler's business.
	cmd := exec.Command("go", "list", "-e", "-buildvcs=false",
		"-json=ImportPath,Name,Imports,TestImports,XTestImports,Deps", "./...")
	cmd.Dir = ".."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

// faults returns a sentence for every import that breaks a rule.
func (pl plan) faults(pkgs []pkg) []string {
	rules := []func(plan, string, pkg) []string{
		plan.direction, plan.outsiders, plan.suites, plan.purity, plan.naming,
	}
	var found []string
	for _, p := range pkgs {
		name, ok := pl.ours(p.ImportPath)
		if !ok {
			continue
		}
		for _, rule := range rules {
			found = append(found, rule(pl, name, p)...)
		}
	}
	return found
}

// direction: imports point down.
func (pl plan) direction(name string, p pkg) (found []string) {
	if isSuite(name) {
		return nil
	}
	from := pl.floorOf(name)
	if from < 0 {
		return []string{fmt.Sprintf("%s is on no floor: add it to the plan in house/plan_test.go, "+
			"on the lowest floor from which its imports still point down", name)}
	}
	for _, path := range p.Imports {
		other, ok := pl.ours(path)
		if !ok || isSuite(other) {
			continue
		}
		to := pl.floorOf(other)
		switch {
		case to < 0: // reported where it stands itself
		case to < from:
			found = append(found, fmt.Sprintf("%s (%s) imports %s (%s): upwards",
				name, pl.floors[from].name, other, pl.floors[to].name))
		case to == from && !slices.Contains(pl.floors[from].beside[name], other):
			found = append(found, fmt.Sprintf("%s imports %s: both on the floor of %s, where the plan does not allow it",
				name, other, pl.floors[from].name))
		}
	}
	return found
}

// outsiders: what belongs behind an edge is imported there only, by tests too,
// and the domain does not reach it through others either, unless its one user is of
// the domain itself.
func (pl plan) outsiders(name string, p pkg) (found []string) {
	if isSuite(name) {
		return nil
	}
	from := pl.floorOf(name)
	direct := slices.Concat(p.Imports, p.TestImports, p.XTestImports)
	inside := func(name string) bool { at := pl.floorOf(name); return at >= 0 && pl.floors[at].domain }
	for _, o := range pl.outside {
		within := func(path string) bool { return path == o.module || strings.HasPrefix(path, o.module+"/") }
		switch {
		case slices.Contains(o.only, name):
		case slices.ContainsFunc(direct, within):
			found = append(found, fmt.Sprintf("%s imports %s, which is for %s only",
				name, o.module, strings.Join(o.only, ", ")))
		case slices.ContainsFunc(o.only, inside):
		case from >= 0 && pl.floors[from].domain && slices.ContainsFunc(p.Deps, within):
			found = append(found, fmt.Sprintf("%s is of the domain and reaches %s through what it imports", name, o.module))
		}
	}
	return found
}

// suites: packages made for tests are imported by tests, or by one another.
func (pl plan) suites(name string, p pkg) (found []string) {
	if isSuite(name) {
		return nil
	}
	for _, path := range p.Imports {
		if isSuite(path) {
			found = append(found, fmt.Sprintf("%s imports %s outside a test", name, path))
		}
	}
	return found
}

// purity: a pure package decides by its arguments alone.
func (pl plan) purity(name string, p pkg) (found []string) {
	if !slices.Contains(pl.pure, name) {
		return nil
	}
	for _, path := range p.Imports {
		other, ours := pl.ours(path)
		if ours && !slices.Contains(pl.pure, other) || slices.Contains(pl.impure, path) {
			found = append(found, fmt.Sprintf("%s is pure and imports %s", name, path))
		}
	}
	return found
}

// naming: a package says what it is for.
func (pl plan) naming(name string, p pkg) (found []string) {
	for _, word := range append(strings.Split(name, "/"), p.Name) {
		if slices.Contains(pl.empty, word) {
			return []string{fmt.Sprintf("%s: the name %s says nothing of what it is for", name, word)}
		}
	}
	return nil
}

// ours returns the package's name in the plan, if it is of this module.
func (pl plan) ours(importPath string) (name string, ok bool) {
	if importPath == pl.module {
		return ".", true
	}
	return strings.CutPrefix(importPath, pl.module+"/")
}

// floorOf returns the package's floor, 0 being the roof, or -1.
func (pl plan) floorOf(name string) int {
	return slices.IndexFunc(pl.floors, func(f floor) bool {
		return slices.ContainsFunc(f.packages, func(pattern string) bool {
			ok, err := path.Match(pattern, name)
			return ok && err == nil
		})
	})
}

// isDomain tells whether the package knows the business and nothing outside it.
func (pl plan) isDomain(name string) bool {
	i := pl.floorOf(name)
	return i >= 0 && pl.floors[i].domain && !isSuite(name)
}

// isSuite tells packages made for tests by their name: hsmtest, storetest, httptest.
func isSuite(importPath string) bool {
	return strings.HasSuffix(path.Base(importPath), "test")
}

// TestRules breaks each rule in a made-up house and expects to be told.
func TestRules(t *testing.T) {
	made := plan{
		module: "m",
		floors: []floor{
			{name: "edges", packages: list("api", "store/*")},
			{name: "ceremonies", domain: true, packages: list("login", "pay", "score", "score/text"),
				beside: map[string][]string{"pay": list("login"), "score/text": list("score")}},
			{name: "ground", domain: true, packages: list("log")},
		},
		outside: []outside{{module: "x.org/web", only: list("api")}},
		pure:    list("score", "score/text"),
		impure:  list("os"),
		empty:   list("util"),
	}
	for _, c := range []struct {
		name string
		pkg  pkg
		want string // part of the only fault; "" for none
	}{
		{"down", pkg{ImportPath: "m/api", Imports: list("m/login", "m/log", "x.org/web")}, ""},
		{"past a floor", pkg{ImportPath: "m/store/bolt", Imports: list("m/log")}, ""},
		{"beside, allowed", pkg{ImportPath: "m/pay", Imports: list("m/login")}, ""},
		{"suite in a test", pkg{ImportPath: "m/log", TestImports: list("m/store/storetest"), XTestImports: list("m/api")}, ""},
		{"suite reaches up", pkg{ImportPath: "m/log/logtest", Imports: list("m/api", "m/store/storetest", "x.org/web")}, ""},
		{"not ours", pkg{ImportPath: "n/util", Imports: list("m/api")}, ""},
		{"like an outsider", pkg{ImportPath: "m/log", Imports: list("x.org/website"), Deps: list("x.org/website")}, ""},

		{"up", pkg{ImportPath: "m/log", Imports: list("m/login")}, "log (ground) imports login (ceremonies): upwards"},
		{"beside, reversed", pkg{ImportPath: "m/login", Imports: list("m/pay")}, "login imports pay: both on the floor of ceremonies"},
		{"beside, edges", pkg{ImportPath: "m/api", Imports: list("m/store/bolt")}, "api imports store/bolt: both on the floor of edges"},
		{"unknown", pkg{ImportPath: "m/new"}, "new is on no floor: add it to the plan"},
		{"root", pkg{ImportPath: "m"}, ". is on no floor"},
		{"below a pattern", pkg{ImportPath: "m/store/bolt/page"}, "store/bolt/page is on no floor"},
		{"outsider", pkg{ImportPath: "m/store/bolt", Imports: list("x.org/web/v2")}, "store/bolt imports x.org/web, which is for api only"},
		{"outsider in a test", pkg{ImportPath: "m/log", XTestImports: list("x.org/web")}, "log imports x.org/web, which is for api only"},
		{"outsider reached", pkg{ImportPath: "m/log", Imports: list("y.org/y"), Deps: list("x.org/web/v2", "y.org/y")}, "log is of the domain and reaches x.org/web"},
		{"suite of ours", pkg{ImportPath: "m/api", Imports: list("m/store/storetest")}, "api imports m/store/storetest outside a test"},
		{"suite of Go", pkg{ImportPath: "m/log", Imports: list("net/http/httptest")}, "log imports net/http/httptest outside a test"},
		{"impure", pkg{ImportPath: "m/score", Imports: list("os")}, "score is pure and imports os"},
		{"pure imports ours", pkg{ImportPath: "m/score", Imports: list("m/log")}, "score is pure and imports m/log"},
		{"pure imports pure", pkg{ImportPath: "m/score/text", Imports: list("m/score")}, ""},
		{"empty name", pkg{ImportPath: "m/store/util"}, "store/util: the name util says nothing"},
		{"empty clause", pkg{ImportPath: "m/log", Name: "util"}, "log: the name util says nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			expectOne(t, made.faults([]pkg{c.pkg}), c.want)
		})
	}
}
