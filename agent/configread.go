package agent

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// reader reads the configuration as strictly as it is written: an unknown or
// repeated setting, or a value of another kind, is a fault. It finds all of them.
type reader struct {
	settings map[string]func(value) string
	lines    map[string]int
	faults   []fault
}

type fault struct {
	line int
	text string
}

func (r *reader) at(line int, format string, args ...any) {
	r.faults = append(r.faults, fault{line, fmt.Sprintf(format, args...)})
}

// fault is one of a setting, wherever it stands.
func (r *reader) fault(key, format string, args ...any) {
	r.at(r.lines[key], "%s %s", key, fmt.Sprintf(format, args...))
}

func (r *reader) err(path string) error {
	if len(r.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(r.faults, func(a, b fault) int { return a.line - b.line })
	var b strings.Builder
	b.WriteString("the configuration has faults:")
	for _, f := range r.faults {
		fmt.Fprintf(&b, "\n  %s", path)
		if f.line > 0 {
			fmt.Fprintf(&b, ":%d", f.line)
		}
		b.WriteString(": " + f.text)
	}
	return errors.New(b.String())
}

// maxConfig is beyond every configuration, in bytes.
const maxConfig = 64 << 10

func (r *reader) read(text []byte) {
	if len(text) > maxConfig {
		r.at(0, "the file is longer than %d bytes", maxConfig)
		return
	}
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var syntax *yaml.SyntaxError
		if errors.As(err, &syntax) {
			r.at(syntax.GetToken().Position.Line, "is not YAML: %s", syntax.GetMessage())
			return
		}
		r.at(0, "is not YAML: %v", err)
		return
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		r.at(0, "the file needs to hold one document with settings")
		return
	}
	switch n := file.Docs[0].Body.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			r.entry(v)
		}
	case *ast.MappingValueNode:
		r.entry(n)
	default:
		r.at(1, "the file needs to hold settings, each on a line of its own")
	}
}

func (r *reader) entry(v *ast.MappingValueNode) {
	key, line := v.Key.GetToken().Value, v.Key.GetToken().Position.Line
	if first, twice := r.lines[key]; twice {
		r.at(line, "%s stands there twice, first on line %d", key, first)
		return
	}
	r.lines[key] = line
	set, ok := r.settings[key]
	if !ok {
		names := make([]string, 0, len(r.settings))
		for name := range r.settings {
			names = append(names, name)
		}
		slices.Sort(names)
		r.at(line, "there is no setting %s; there are %s", key, strings.Join(names, ", "))
		return
	}
	if why := set(value{v.Value}); why != "" {
		r.at(line, "%s %s", key, why)
	}
}

// value is one in the file. Its methods return what is wrong with it, or "".
type value struct{ node ast.Node }

func (v value) text(to *string) string {
	n, ok := v.node.(*ast.StringNode)
	if !ok || n.Value == "" || strings.ContainsAny(n.Value, "\x00\r\n") {
		return "needs to be one line of text; put it in quotes if it looks like something else"
	}
	*to = n.Value
	return ""
}

func (v value) list(to *[]string) string {
	n, ok := v.node.(*ast.SequenceNode)
	if !ok {
		return "needs to be a list, each on a line of its own after a dash"
	}
	*to = nil
	for _, item := range n.Values {
		var s string
		if why := (value{item}).text(&s); why != "" {
			return why
		}
		*to = append(*to, s)
	}
	return ""
}

func (v value) number(to *int) string {
	n, ok := v.node.(*ast.IntegerNode)
	if !ok {
		return "needs to be a whole number"
	}
	if _, err := fmt.Sscan(fmt.Sprint(n.Value), to); err != nil {
		return "needs to be a whole number"
	}
	return ""
}
