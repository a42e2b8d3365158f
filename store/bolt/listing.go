package bolt

import (
	"context"
	"errors"
	"strings"

	"go.etcd.io/bbolt"

	"mohur/parties"
)

// How much a page of a list may be, and may cost. A snapshot reads scanChunk
// rows at most, so that a filter that nothing passes does not pin old pages; a
// call reads scanLimit rows at most, and a page that is short for that reason
// has a cursor to go on from.
const (
	defaultLimit = 50
	maxLimit     = 1000
	scanChunk    = 1000
	scanLimit    = 3 * scanChunk
)

// listing walks an index from its end, newest first, and returns what passes
// the filter.
type listing[T any] struct {
	table    table[T]
	index    bucket
	prefix   string                          // the part of the index that is walked
	from, to string                          // orders: from included, to not; "" is unbounded
	keep     func(reading, *T) (bool, error) // nil: everything
}

// item is a record with its place in the order.
type item[T any] struct {
	rec T
	at  string
}

// page returns at most limit records after the cursor. It reads one further, so
// that the cursor is "" exactly when nothing follows.
func (l listing[T]) page(ctx context.Context, s *Store, cursor string, limit int) ([]T, string, error) {
	at, err := l.start(cursor)
	if err != nil {
		return nil, "", err
	}
	limit = clampLimit(limit)
	var found []item[T]
	more := true
	for scanned := 0; more && len(found) <= limit && scanned < scanLimit; scanned += scanChunk {
		err := s.view(ctx, func(r reading) (err error) {
			found, at, more, err = l.chunk(r, found, at, limit+1)
			return err
		})
		if err != nil {
			return nil, "", err
		}
	}
	next := ""
	if len(found) > limit {
		found = found[:limit]
		next = l.cursor(found[limit-1].at)
	} else if more {
		next = l.cursor(at)
	}
	return records(found), next, nil
}

func records[T any](items []item[T]) []T {
	recs := make([]T, len(items))
	for i := range items {
		recs[i] = items[i].rec
	}
	return recs
}

func clampLimit(limit int) int {
	if limit <= 0 {
		return defaultLimit
	}
	return min(limit, maxLimit)
}

// chunk adds what it finds before at, until there are want. It returns where it
// stopped and whether anything may follow.
func (l listing[T]) chunk(r reading, found []item[T], at string, want int) ([]item[T], string, bool, error) {
	c := r.in(l.index).Cursor()
	k, id := before(c, l.prefix, at)
	for n := 0; k != nil; n++ {
		place, inside := strings.CutPrefix(string(k), l.prefix)
		if !inside || place < l.from {
			return found, at, false, nil
		}
		if n == scanChunk {
			return found, at, true, nil
		}
		rec, err := l.follow(r, id)
		if err != nil {
			return nil, "", false, err
		}
		at = place
		keep, err := l.passes(r, &rec)
		if err != nil {
			return nil, "", false, err
		}
		if keep {
			found = append(found, item[T]{rec, at})
		}
		if len(found) == want {
			return found, at, true, nil
		}
		k, id = c.Prev()
	}
	return found, at, false, nil
}

// follow loads the record an index row leads to. That it is not there is no
// "not found": the row and the record are written and removed together.
func (l listing[T]) follow(r reading, id []byte) (T, error) {
	rec, err := l.table.load(r, string(id))
	if errors.Is(err, parties.ErrNotFound) {
		return rec, damaged(l.index, string(id), errors.New("it leads to no record"))
	}
	return rec, err
}

// before returns the last row under prefix whose order is below at; at "" is
// the end.
func before(c *bbolt.Cursor, prefix, at string) (k, v []byte) {
	bound := prefix + at
	if at == "" {
		bound = after(prefix)
	}
	if bound == "" {
		return c.Last()
	}
	if k, _ = c.Seek([]byte(bound)); k == nil {
		return c.Last()
	}
	return c.Prev()
}

// after returns the smallest key above everything that begins with prefix, ""
// if there is none.
func after(prefix string) string {
	b := []byte(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] != 0xff {
			b[i]++
			return string(b[:i+1])
		}
	}
	return ""
}

// passes applies the filter, if there is one.
func (l listing[T]) passes(r reading, rec *T) (bool, error) {
	if l.keep == nil {
		return true, nil
	}
	return l.keep(r, rec)
}

// all returns everything at once, newest first. It is for what belongs to one
// customer or one serial: few, and needed whole.
func (l listing[T]) all(ctx context.Context, s *Store) (recs []T, err error) {
	err = s.view(ctx, func(r reading) (err error) {
		recs, err = l.walk(r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return recs, nil
}

func (l listing[T]) walk(r reading) (recs []T, err error) {
	c := r.in(l.index).Cursor()
	for k, id := before(c, l.prefix, ""); k != nil && strings.HasPrefix(string(k), l.prefix); k, id = c.Prev() {
		rec, err := l.follow(r, id)
		if err != nil {
			return nil, err
		}
		keep, err := l.passes(r, &rec)
		if err != nil {
			return nil, err
		}
		if keep {
			recs = append(recs, rec)
		}
	}
	return recs, nil
}
