package main

import (
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"mohur/authn/lock"
)

// locksValue is a ladder of locks, such as [1m, 5m, 30m].
type locksValue struct{ to *[]time.Duration }

func (v locksValue) set(node ast.Node) string {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		return "needs to be a list of times, such as [1m, 5m, 30m]"
	}
	var ladder []time.Duration
	for _, item := range list.Values {
		text, fault := plainText(item)
		d, err := time.ParseDuration(text)
		if fault != "" || err != nil {
			return "needs to be a list of times with their units, such as [1m, 5m, 30m]"
		}
		ladder = append(ladder, d)
	}
	if fault := lock.Fault(ladder); fault != "" {
		return fault
	}
	*v.to = ladder
	return ""
}

func (v locksValue) text() string {
	var each []string
	for _, d := range *v.to {
		each = append(each, short(d))
	}
	return "[" + strings.Join(each, ", ") + "]"
}
