package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// fault is one thing that is wrong with a configuration.
type fault struct {
	line int    // 0 when the setting is not in the file
	key  string // "" when it concerns no single setting
	text string
}

// faults are all of them, and where the settings stand that are in the file.
type faults struct {
	list  []fault
	lines map[string]int
}

func (f *faults) at(line int, key, format string, args ...any) {
	f.list = append(f.list, fault{line, key, fmt.Sprintf(format, args...)})
}

// add takes the faults a check has found, and gives them their lines. A setting
// that could not be read is not judged a second time.
func (f *faults) add(more []fault) {
	for _, m := range more {
		if slices.ContainsFunc(f.list, func(x fault) bool { return x.key == m.key }) {
			continue
		}
		m.line = f.lines[m.key]
		f.list = append(f.list, m)
	}
}

// err is nil when there are no faults.
func (f *faults) err(path string) error {
	if len(f.list) == 0 {
		return nil
	}
	slices.SortStableFunc(f.list, func(a, b fault) int { return a.line - b.line })
	var b strings.Builder
	fmt.Fprintf(&b, "the configuration has %s:", count(len(f.list), "fault"))
	for _, x := range f.list {
		fmt.Fprintf(&b, "\n  %s", path)
		if x.line > 0 {
			fmt.Fprintf(&b, ":%d", x.line)
		}
		if x.key != "" {
			fmt.Fprintf(&b, ": %s", x.key)
		}
		fmt.Fprintf(&b, ": %s", x.text)
	}
	return errors.New(b.String())
}

// readSettings reads YAML as strictly as it is written: an unknown or repeated
// key, an alias, a value of another type are faults. It does not stop at the
// first one.
func readSettings(text []byte, settings []setting) *faults {
	f := &faults{lines: map[string]int{}}
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		line, message := syntaxFault(err)
		f.at(line, "", "is not YAML: %s", message)
		return f
	}
	r := reader{faults: f, known: map[string]value{}}
	for _, s := range settings {
		r.known[s.key] = s.value
	}
	switch {
	case len(file.Docs) == 0 || file.Docs[0].Body == nil:
		f.at(0, "", "the file is empty")
	case len(file.Docs) > 1:
		f.at(0, "", "the file holds several documents (---); it may hold one")
	default:
		r.mapping("", file.Docs[0].Body)
	}
	return f
}

// syntaxFault takes the message and the line out of what the parser shows with
// a piece of the source.
func syntaxFault(err error) (line int, message string) {
	var syntax *yaml.SyntaxError
	if errors.As(err, &syntax) {
		return syntax.GetToken().Position.Line, syntax.GetMessage()
	}
	message, _, _ = strings.Cut(err.Error(), "\n")
	return 0, message
}

// reader walks the file.
type reader struct {
	faults *faults
	known  map[string]value
}

func (r reader) mapping(prefix string, node ast.Node) {
	line := node.GetToken().Position.Line
	var values []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		r.faults.at(line, prefix, "needs to hold settings, each on a line of its own")
		return
	}
	for _, v := range values {
		r.entry(prefix, v)
	}
}

func (r reader) entry(prefix string, v *ast.MappingValueNode) {
	key := v.Key.GetToken().Value
	if prefix != "" {
		key = prefix + "." + key
	}
	line := v.Key.GetToken().Position.Line
	if first, twice := r.faults.lines[key]; twice {
		r.faults.at(line, key, "stands there twice, first on line %d", first)
		return
	}
	r.faults.lines[key] = line
	if _, section := sections[key]; section {
		r.mapping(key, v.Value)
		return
	}
	to, ok := r.known[key]
	if !ok {
		r.faults.at(line, key, "there is no such setting%s", r.like(key))
		return
	}
	if why := to.set(v.Value); why != "" {
		r.faults.at(line, key, "%s", why)
	}
}

// like names the setting that was probably meant: the same name in another
// part of the file, a longer one, or nearly the same.
func (r reader) like(key string) string {
	last := key[strings.LastIndex(key, ".")+1:]
	var close []string
	for known := range r.known {
		name := known[strings.LastIndex(known, ".")+1:]
		if name == last || strings.HasPrefix(known, key) || distance(known, key) <= 2 {
			close = append(close, known)
		}
	}
	if len(close) == 0 {
		return ""
	}
	slices.Sort(close)
	return "; is it " + strings.Join(close, " or ") + "?"
}

// distance is how many letters have to be changed, put in or left out.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
