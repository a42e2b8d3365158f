package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// value is where a setting goes. set returns what is wrong with a node, "" when
// it was taken.
type value interface {
	set(node ast.Node) (fault string)
	// text is the value as YAML; "" when it has none.
	text() string
}

type textValue struct{ to *string }

func (v textValue) set(node ast.Node) string {
	s, fault := plainText(node)
	if fault == "" {
		*v.to = s
	}
	return fault
}

func (v textValue) text() string { return quoted(*v.to) }

// pathValue is a path; one that is not absolute starts at the directory of the
// configuration.
type pathValue struct{ to *string }

func (v pathValue) set(node ast.Node) string { return textValue(v).set(node) }
func (v pathValue) text() string             { return textValue(v).text() }

func plainText(node ast.Node) (text, fault string) {
	n, ok := node.(*ast.StringNode)
	switch {
	case !ok:
		return "", "needs to be text; put it in quotes if it looks like a number"
	case n.Value == "":
		return "", "is empty; leave the line out for the default"
	case strings.ContainsAny(n.Value, "\x00\r\n"):
		return "", "needs to be one line"
	}
	return n.Value, ""
}

// quoted writes s as YAML: as it is where that reads back as s, in quotes else.
func quoted(s string) string {
	if s == "" {
		return ""
	}
	plain := strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./:_-") == ""
	if _, err := strconv.ParseFloat(s, 64); plain && err != nil && !strings.HasSuffix(s, ":") && !strings.ContainsRune("-:.", rune(s[0])) {
		return s
	}
	return strconv.Quote(s)
}

type boolValue struct{ to *bool }

func (v boolValue) set(node ast.Node) string {
	n, ok := node.(*ast.BoolNode)
	if !ok {
		return "needs to be true or false"
	}
	*v.to = n.Value
	return ""
}

func (v boolValue) text() string { return strconv.FormatBool(*v.to) }

type intValue struct {
	to        *int
	low, high int
}

func (v intValue) set(node ast.Node) string {
	n, ok := node.(*ast.IntegerNode)
	if !ok {
		return "needs to be a whole number"
	}
	i, err := strconv.ParseInt(fmt.Sprint(n.Value), 10, 64)
	if err != nil || i < int64(v.low) || i > int64(v.high) {
		return fmt.Sprintf("needs to be from %d to %d", v.low, v.high)
	}
	*v.to = int(i)
	return ""
}

func (v intValue) text() string { return strconv.Itoa(*v.to) }

type durationValue struct {
	to        *time.Duration
	low, high time.Duration
}

func (v durationValue) set(node ast.Node) string {
	s, fault := plainText(node)
	d, err := time.ParseDuration(s)
	switch {
	case fault != "" || err != nil:
		return "needs to be a time with its unit, such as 90s, 5m or 12h"
	case d < v.low || d > v.high:
		return fmt.Sprintf("needs to be from %s to %s", short(v.low), short(v.high))
	}
	*v.to = d
	return ""
}

func (v durationValue) text() string { return short(*v.to) }

// short writes 5m for 5m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
