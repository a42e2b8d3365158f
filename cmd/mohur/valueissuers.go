package main

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// issuersValue is a list of issuer profiles, each with settings of its own.
type issuersValue struct{ to *[]issuerConfig }

func (v issuersValue) set(node ast.Node) string {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		return "needs to be a list of issuer profiles, each beginning with - name:"
	}
	all := make([]issuerConfig, len(list.Values))
	var wrong []string
	for n, item := range list.Values {
		found := &faults{lines: map[string]int{}}
		r := reader{faults: found, known: map[string]value{}}
		for _, s := range all[n].settings() {
			r.known[s.key] = s.value
		}
		r.mapping("", item)
		for _, f := range found.list {
			wrong = append(wrong, strings.TrimSpace(fmt.Sprintf("profile %d, line %d: %s %s", n+1, f.line, f.key, f.text)))
		}
	}
	if len(wrong) > 0 {
		return strings.Join(wrong, "; ")
	}
	*v.to = all
	return ""
}

func (v issuersValue) text() string {
	if len(*v.to) == 0 {
		return ""
	}
	var each []string
	for i := range *v.to {
		var members []string
		var none issuerConfig
		empty := none.settings()
		for n, s := range (*v.to)[i].settings() {
			if text := s.value.text(); text != "" && text != empty[n].value.text() {
				members = append(members, s.key+": "+text)
			}
		}
		each = append(each, "{"+strings.Join(members, ", ")+"}")
	}
	return "[" + strings.Join(each, ", ") + "]"
}

// settings are those of all profiles, for what goes through every value.
func (v issuersValue) settings() (all []setting) {
	for i := range *v.to {
		all = append(all, (*v.to)[i].settings()...)
	}
	return all
}
