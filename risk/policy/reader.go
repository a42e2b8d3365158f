package policy

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Fault is one thing that is wrong with a policy.
type Fault struct {
	Line  int    // 0 when the member is not in the text
	Field string // "rules[0].when"; "" for the whole text
	Text  string
}

// Faults are all of them, by line. It is an error.
type Faults []Fault

// Error writes a line for each fault.
func (f Faults) Error() string {
	lines := make([]string, 0, len(f))
	for _, x := range f {
		var b strings.Builder
		if x.Line > 0 {
			fmt.Fprintf(&b, "line %d: ", x.Line)
		}
		if x.Field != "" {
			b.WriteString(x.Field + ": ")
		}
		lines = append(lines, b.String()+x.Text)
	}
	return strings.Join(lines, "\n")
}

// err sorts the faults; it is nil when there are none.
func (f Faults) err() error {
	if len(f) == 0 {
		return nil
	}
	slices.SortStableFunc(f, func(a, b Fault) int { return a.Line - b.Line })
	return f
}

// reader knows where each member of the text stands.
type reader struct {
	nodes     map[string]ast.Node // by field
	last      string              // member of the policy itself
	codes     map[string]bool
	languages map[purpose]*language
	faults    Faults
}

// open decodes the text, strictly: no unknown or repeated members, no aliases, one
// document.
func (r *reader) open(text []byte) (f file, ok bool) {
	if len(text) > maxText {
		r.faults = append(r.faults, Fault{Text: fmt.Sprintf("is longer than %d KiB", maxText>>10)})
		return f, false
	}
	if line, why := tangled(text); line > 0 {
		r.faults = append(r.faults, Fault{Line: line, Text: why})
		return f, false
	}
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		r.broken(err)
		return f, false
	}
	if len(tree.Docs) != 1 || tree.Docs[0].Body == nil {
		r.faults = append(r.faults, Fault{Text: "needs to hold one document with a policy"})
		return f, false
	}
	r.nodes = map[string]ast.Node{}
	r.walk("", tree.Docs[0].Body)
	if len(r.faults) > 0 {
		return f, false
	}
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&f); err != nil {
		r.broken(err)
		return f, false
	}
	return f, true
}

// The bounds of a text's form. The parser takes time with the square of each.
const (
	maxOpened  = 8000 // brackets, braces, marks of anchors, aliases and tags, conditions included
	maxDashes  = 3    // lists begun on one line
	maxBlank   = 1000 // empty lines
	maxRun     = 20   // empty lines one after another
	maxMembers = 6000 // names
)

// breaks are what YAML takes for the ends of lines.
var breaks = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// tangled returns the line on which a text passes these bounds and which one, 0 if it
// stays within.
func tangled(text []byte) (at int, why string) {
	opened, blank, run, members := 0, 0, 0, 0
	for line := range strings.Lines(breaks.Replace(string(text))) {
		at++
		for _, c := range "[{&!*" {
			opened += strings.Count(line, string(c))
		}
		members += names(line)
		dashes := 0
		words := strings.Fields(line)
		for _, word := range words {
			if len(word) != 1 || !strings.ContainsAny(word, "-?:") {
				break
			}
			dashes++
			if word == "?" { // names a member, too
				members++
			}
		}
		run++
		if len(words) > 0 {
			run = 0
		} else {
			blank++
		}
		switch {
		case opened > maxOpened || dashes > maxDashes:
			return at, "nests deeper than a policy does"
		case blank > maxBlank || run > maxRun:
			return at, fmt.Sprintf("has too many empty lines; %d one after another and %d in all are the most", maxRun, maxBlank)
		case members > maxMembers:
			return at, fmt.Sprintf("has more than %d members", maxMembers)
		}
	}
	return 0, ""
}

// names counts the members that a line may name with a colon: in "a: 1", in "a:" at
// its end and in {"a":1}.
func names(line string) (n int) {
	for i := range len(line) {
		if line[i] != ':' {
			continue
		}
		if i+1 == len(line) || strings.IndexByte(" \t\n,}]", line[i+1]) >= 0 || i > 0 && strings.IndexByte(`"'`, line[i-1]) >= 0 {
			n++
		}
	}
	return n
}

// walk notes where every member stands.
func (r *reader) walk(path string, node ast.Node) {
	switch n := node.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			r.member(path, v)
		}
	case *ast.MappingValueNode:
		r.member(path, n)
	case *ast.SequenceNode:
		for i, v := range n.Values {
			at := fmt.Sprintf("%s[%d]", path, i)
			r.nodes[at] = v
			r.walk(at, v)
		}
	case *ast.AliasNode, *ast.AnchorNode, *ast.TagNode, *ast.MergeKeyNode:
		r.faults = append(r.faults, Fault{node.GetToken().Position.Line, path, "is an alias, an anchor or a tag; write the value itself"})
	}
}

func (r *reader) member(path string, v *ast.MappingValueNode) {
	name := v.Key.GetToken().Value
	if _, merge := v.Key.(*ast.MergeKeyNode); merge {
		r.faults = append(r.faults, Fault{v.Key.GetToken().Position.Line, path, "merges another part; write the values themselves"})
		return
	}
	if path != "" {
		name = path + "." + name
	} else {
		r.last = name
	}
	r.nodes[name] = v.Value
	r.walk(name, v.Value)
}

// broken takes line and message out of what the decoder shows with a piece of the
// text.
func (r *reader) broken(err error) {
	var known yaml.Error
	if errors.As(err, &known) && known.GetToken() != nil && known.GetToken().Position != nil {
		r.faults = append(r.faults, Fault{known.GetToken().Position.Line, r.field(known.GetToken().Position.Line), known.GetMessage()})
		return
	}
	message, _, _ := strings.Cut(err.Error(), "\n")
	r.faults = append(r.faults, Fault{Text: message})
}

// field names the member that stands on a line, the innermost one.
func (r *reader) field(line int) (found string) {
	for name, node := range r.nodes {
		if t := node.GetToken(); t != nil && t.Position != nil && t.Position.Line == line && len(name) > len(found) {
			found = name
		}
	}
	return found
}

func (r *reader) has(path string) bool { return r.nodes[path] != nil }

// need reports whether a member is there, and that it is missing.
func (r *reader) need(path string) bool {
	if r.has(path) {
		return true
	}
	r.fault(path, "is needed")
	return false
}

// section checks an optional part: one without members sets nothing, and may be what
// is left of one that set something.
func (r *reader) section(path string) {
	switch n := r.nodes[path].(type) {
	case nil, *ast.MappingValueNode:
	case *ast.MappingNode:
		if len(n.Values) == 0 {
			r.fault(path, "is empty; leave it out where the bank sets none")
		}
	default:
		r.fault(path, "is empty; leave it out where the bank sets none")
	}
}

// quoted tells text from numbers.
func (r *reader) quoted(path string) bool {
	_, text := r.nodes[path].(*ast.StringNode)
	return text
}

// fault notes what is wrong with a member; with one that is not there, on the line
// of what it should be in.
func (r *reader) fault(path, text string) {
	f := Fault{Field: path, Text: text}
	for at := path; at != ""; at = at[:max(strings.LastIndexAny(at, ".["), 0)] {
		if node := r.nodes[at]; node != nil && node.GetToken() != nil {
			f.Line = node.GetToken().Position.Line
			break
		}
	}
	r.faults = append(r.faults, f)
}
