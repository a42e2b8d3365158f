package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"mohur/settle"
	"mohur/store"
	"mohur/tokens"
)

// listed is a list with cursors.
type listed[T any] func(ctx context.Context, cursor string, limit int) ([]T, string, error)

// pages reads a list to its end in pages of a size and expects full pages and
// the cursor "" exactly at the end.
func pages[T any](t testing.TB, list listed[T], limit int) (all []T) {
	t.Helper()
	for cursor := ""; ; {
		page, next, err := list(t.Context(), cursor, limit)
		if err != nil {
			t.Fatalf("page at %q: %v", cursor, err)
		}
		if cursor != "" && len(page) == 0 {
			t.Fatalf("the page at %q is empty: the one before was the last", cursor)
		}
		all = append(all, page...)
		if next == "" {
			return all
		}
		if len(page) != limit {
			t.Fatalf("a page of %d with more to follow, want %d", len(page), limit)
		}
		cursor = next
	}
}

// inPages expects a list to have these ids in this order, however it is paged.
func inPages[T any](t testing.TB, what string, list listed[T], id func(T) string, wanted ...string) {
	t.Helper()
	for _, limit := range []int{1, 2, 3, len(wanted), len(wanted) + 1, 200} {
		if limit == 0 {
			continue
		}
		if got := ids(pages(t, list, limit), id); !slices.Equal(got, wanted) {
			t.Errorf("%s in pages of %d: %q, want %q", what, limit, got, wanted)
		}
	}
}

// badCursors expects every cursor that the list did not give to be ErrCursor.
func badCursors[T any](t testing.TB, list listed[T], others ...string) {
	t.Helper()
	for _, cursor := range append(others, "x", "!!", "AAAA", string(make([]byte, 40)), "\xff\xfe", "AAAAAAAAAAAAAAAAAAAAAA==") {
		page, next, err := list(t.Context(), cursor, 10)
		if !errors.Is(err, store.ErrCursor) || len(page) > 0 || next != "" {
			t.Errorf("cursor %q: %d records, next %q, %v; want ErrCursor", cursor, len(page), next, err)
		}
	}
}

func tokenID(r tokens.Token) string { return r.ID }

func saveToken(t testing.TB, s Store, id string, edit func(*tokens.Token)) {
	t.Helper()
	r := token(id, 1)
	r.Credentials = nil
	edit(&r)
	want(t, s, settle.Done, tokens.SaveToken{Token: r})
}

// testTokens: by serial, which several may have, and by customer, who changes.
func testTokens(t *testing.T, s Store) {
	bySerial := func(serial string) []string {
		list, err := s.TokensBySerial(t.Context(), serial)
		if err != nil {
			t.Fatal(err)
		}
		return ids(list, tokenID)
	}
	of := func(customer string) []string {
		list, err := s.TokensOf(t.Context(), customer)
		if err != nil {
			t.Fatal(err)
		}
		return ids(list, tokenID)
	}
	for i, id := range []string{"a", "b", "c"} {
		saveToken(t, s, id, func(r *tokens.Token) {
			r.Serial, r.CreatedAt = "same", epoch.Add(time.Duration(i)*time.Second)
		})
	}
	saveToken(t, s, "d", func(r *tokens.Token) { r.Serial = "" })
	saveToken(t, s, "e", func(r *tokens.Token) { r.Serial = "same2" })
	expect(t, "serial", bySerial("same"), "c", "b", "a")
	expect(t, "beginning of a serial", bySerial("sam"))
	expect(t, "no serial", bySerial(""))
	expect(t, "nobody's", of(""))

	assign := func(id, customer string, version uint64) {
		r, err := s.Token(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		r.Customer, r.Version = customer, version
		want(t, s, settle.Done, tokens.SaveToken{Token: r})
	}
	assign("a", "cu-1", 2)
	assign("c", "cu-1", 2)
	assign("b", "cu-2", 2)
	expect(t, "cu-1", of("cu-1"), "c", "a")
	assign("c", "cu-2", 3)
	expect(t, "cu-1 after one went", of("cu-1"), "a")
	expect(t, "cu-2", of("cu-2"), "c", "b")
	assign("c", "", 4)
	expect(t, "cu-2 after it was given back", of("cu-2"), "b")
	expect(t, "beginning of a customer", of("cu-"))
	expect(t, "serial after moves", bySerial("same"), "c", "b", "a")
}

func expect(t testing.TB, what string, got []string, wanted ...string) {
	t.Helper()
	if !slices.Equal(got, wanted) {
		t.Errorf("%s: %q, want %q", what, got, wanted)
	}
}

// testTokenLists: newest first, by filter, with cursors.
func testTokenLists(t *testing.T, s Store) {
	list := func(f tokens.Filter) listed[tokens.Token] {
		return func(ctx context.Context, cursor string, limit int) ([]tokens.Token, string, error) {
			return s.Tokens(ctx, f, cursor, limit)
		}
	}
	inPages(t, "empty", list(tokens.Filter{}), tokenID)
	badCursors(t, list(tokens.Filter{}))
	for i := range 6 {
		saveToken(t, s, fmt.Sprint("t", i), func(r *tokens.Token) {
			r.CreatedAt = epoch.Add(time.Duration(i/2) * time.Minute) // two of the same moment
			r.State = []tokens.State{tokens.InStock, tokens.Assigned, tokens.Active}[i%3]
			r.Customer = []string{"", "cu-1", "cu-2"}[i%3]
			r.Batch, r.Branch = fmt.Sprint("batch", i/3), fmt.Sprint("branch", i/4)
			r.Serial, r.Model = fmt.Sprint("SN", i/2), []string{"C200", "Vasco"}[i/5]
		})
	}
	c := addCredential("cr", "SN9")
	c.Credential.Kind = tokens.OCRA
	want(t, s, settle.Done, c)
	saveToken(t, s, "old", func(r *tokens.Token) {
		r.CreatedAt, r.Batch, r.Branch, r.Credentials = epoch.Add(-time.Hour), "x", "x", []string{"cr"}
		r.Serial, r.State = "SN9", tokens.Revoked
	})
	for what, c := range map[string]struct {
		filter tokens.Filter
		want   []string
	}{
		"all":                 {tokens.Filter{}, []string{"t5", "t4", "t3", "t2", "t1", "t0", "old"}},
		"state":               {tokens.Filter{State: tokens.Assigned}, []string{"t4", "t1"}},
		"customer":            {tokens.Filter{Customer: "cu-2"}, []string{"t5", "t2"}},
		"customer and state":  {tokens.Filter{Customer: "cu-2", State: tokens.InStock}, nil},
		"batch":               {tokens.Filter{Batch: "batch0"}, []string{"t2", "t1", "t0"}},
		"branch":              {tokens.Filter{Branch: "branch1"}, []string{"t5", "t4"}},
		"serial":              {tokens.Filter{Serial: "SN1"}, []string{"t3", "t2"}},
		"serial and customer": {tokens.Filter{Serial: "SN1", Customer: "cu-2"}, []string{"t2"}},
		"kind":                {tokens.Filter{Kind: tokens.OCRA}, []string{"old"}},
		"another kind":        {tokens.Filter{Kind: tokens.HOTP}, nil},
		"part of a serial":    {tokens.Filter{Query: "n2"}, []string{"t5", "t4"}},
		"part of a model":     {tokens.Filter{Query: "VASC"}, []string{"t5"}},
		"part of the maker":   {tokens.Filter{Query: "feit", Batch: "x"}, []string{"old"}},
		"part of nothing":     {tokens.Filter{Query: "nothing"}, nil},
	} {
		inPages(t, what, list(c.filter), tokenID, c.want...)
	}
	testStableCursor(t, s, list(tokens.Filter{}))
}

// testStableCursor: what is written between two pages neither repeats nor hides
// what was there.
func testStableCursor(t *testing.T, s Store, list listed[tokens.Token]) {
	page, next, err := list(t.Context(), "", 2)
	if err != nil || next == "" {
		t.Fatal(next, err)
	}
	expect(t, "first page", ids(page, tokenID), "t5", "t4")
	saveToken(t, s, "newest", func(r *tokens.Token) { r.CreatedAt = epoch.Add(time.Hour) })
	page, next, err = list(t.Context(), next, 2)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "second page", ids(page, tokenID), "t3", "t2")

	_, other, err := s.Incidents(t.Context(), next, 2)
	if !errors.Is(err, store.ErrCursor) {
		t.Errorf("a cursor of tokens for incidents: %q, %v; want ErrCursor", other, err)
	}
	if page, _, err := list(t.Context(), "", 0); err != nil || len(page) != 8 {
		t.Errorf("no limit: %d of 8 tokens, %v", len(page), err)
	}
	if page, _, err := list(t.Context(), "", 1<<40); err != nil || len(page) != 8 {
		t.Errorf("a boundless limit: %d of 8 tokens, %v", len(page), err)
	}
}
