package api

import (
	"net/url"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"mohur/problem"
)

// parseQuery reads a query as strictly as a body: a name that the route does not
// know would filter nothing and so show more than was asked for.
func parseQuery(raw string, known []string) (url.Values, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, invalid("query", "cannot be read")
	}
	var c problem.Check
	for name, all := range values {
		c.Unless(slices.Contains(known, name), told(name, "query"), "is not a parameter of this route")
		c.Unless(len(all) == 1, told(name, "query"), "is there twice")
		c.Unless(len(all[0]) <= maxID && utf8.ValidString(all[0]), told(name, "query"), "is too long or not UTF-8")
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	return values, nil
}

// told is a name from outside as it may be told back, or what it was a name in.
func told(name, in string) string {
	if len(name) > maxName || !possibleID(name) {
		return in
	}
	return name
}

// filter reads the parameters of a list and collects what is wrong with them.
type filter struct {
	values url.Values
	check  problem.Check
}

func (x *exchange) filter() *filter { return &filter{values: x.query} }

func (f *filter) text(name string) string { return f.values.Get(name) }

// among returns a parameter that has to be one of a set, "" when it is not there.
func among[T ~string](f *filter, name string, set []T) T {
	v := T(f.values.Get(name))
	f.check.Unless(v == "" || slices.Contains(set, v), name, "is none of the values this can have")
	return v
}

func (f *filter) moment(name string) time.Time {
	v := f.values.Get(name)
	if v == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, v)
	f.check.Unless(err == nil, name, "needs to be a time of RFC 3339")
	return t.UTC()
}

func (f *filter) number(name string) uint64 {
	v := f.values.Get(name)
	if v == "" {
		return 0
	}
	n, err := strconv.ParseUint(v, 10, 53)
	f.check.Unless(err == nil, name, "needs to be a whole number")
	return n
}

// The length of a page of a list.
const (
	defaultPage = 50
	maxPage     = 200
)

func (f *filter) limit() int {
	v := f.values.Get("limit")
	if v == "" {
		return defaultPage
	}
	n, err := strconv.Atoi(v)
	f.check.Unless(err == nil && n >= 1 && n <= maxPage, "limit", "needs to be 1 to 200")
	return n
}

func (f *filter) cursor() string { return f.values.Get("cursor") }

// page is what a list answers.
type page[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor"`
}

// pageOf makes a page of what a store gave.
func pageOf[A, B any](items []A, next string, f func(A) B) page[B] {
	out := page[B]{Items: make([]B, 0, len(items)), NextCursor: next}
	for _, item := range items {
		out.Items = append(out.Items, f(item))
	}
	return out
}
