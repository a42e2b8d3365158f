package main

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// listValue is a list of texts, such as [a, b]; with paths those that are not
// absolute start at the directory of the configuration.
type listValue struct {
	to    *[]string
	paths bool
}

func (v listValue) set(node ast.Node) string {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		return "needs to be a list, such as [a, b]"
	}
	var all []string
	for _, item := range list.Values {
		text, fault := plainText(item)
		if fault != "" {
			return "has an item that " + fault
		}
		all = append(all, text)
	}
	*v.to = all
	return ""
}

func (v listValue) text() string {
	if len(*v.to) == 0 {
		return ""
	}
	var each []string
	for _, s := range *v.to {
		each = append(each, quoted(s))
	}
	return "[" + strings.Join(each, ", ") + "]"
}
