package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"mohur/enrollment"
	"mohur/settle"
	"mohur/tokens"
)

// testSecrets: the open ones of a customer for a purpose, newest first; those
// for activation only of their token.
func testSecrets(t *testing.T, s Store) {
	save := func(id, customer, purpose, token string, age time.Duration) {
		r := secret(id, 1)
		r.Customer, r.Purpose, r.Token, r.CreatedAt = customer, purpose, token, epoch.Add(-age)
		want(t, s, settle.Done, enrollment.SaveSecret{Secret: r})
	}
	save("a", "cu-1", "activate", "tk-1", 3*time.Second)
	save("b", "cu-1", "activate", "tk-1", 1*time.Second)
	save("c", "cu-1", "activate", "tk-2", 2*time.Second)
	save("d", "cu-1", "pin", "", 2*time.Second)
	save("e", "cu-1", "pin", "tk-9", 1*time.Second)
	save("f", "cu-2", "pin", "", 0)
	open := func(customer, purpose, token string) []string {
		list, err := s.OpenSecrets(t.Context(), customer, purpose, token)
		if err != nil {
			t.Fatal(err)
		}
		return ids(list, func(r enrollment.Secret) string { return r.ID })
	}
	expect(t, "activate tk-1", open("cu-1", "activate", "tk-1"), "b", "a")
	expect(t, "activate tk-2", open("cu-1", "activate", "tk-2"), "c")
	expect(t, "activate no token", open("cu-1", "activate", ""))
	expect(t, "pin", open("cu-1", "pin", ""), "e", "d")
	expect(t, "pin, token given", open("cu-1", "pin", "tk-1"), "e", "d")
	expect(t, "another purpose", open("cu-1", "enroll", ""))
	expect(t, "another customer", open("cu-2", "pin", ""), "f")
	expect(t, "nobody's", open("cu-", "pin", ""))
	for id, state := range map[string]string{"b": "used", "e": "dead"} {
		r := secret(id, 2)
		r.State = state
		want(t, s, settle.Done, enrollment.SaveSecret{Secret: r})
	}
	expect(t, "after use", open("cu-1", "activate", "tk-1"), "a")
	expect(t, "after too many tries", open("cu-1", "pin", ""), "d")
}

// testImports: those that run are asked for at the next start.
func testImports(t *testing.T, s Store) {
	running := func() []string {
		list, err := s.UnfinishedImports(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		names := ids(list, func(r tokens.Import) string { return r.ID })
		slices.Sort(names)
		return names
	}
	expect(t, "none", running())
	for _, id := range []string{"a", "b", "c"} {
		want(t, s, settle.Done, tokens.SaveImport{Import: importRecord(id, 1)})
	}
	expect(t, "begun", running(), "a", "b", "c")
	for id, state := range map[string]tokens.ImportState{"a": tokens.ImportCompleted, "b": tokens.ImportFailed} {
		r := importRecord(id, 2)
		r.State, r.EndedAt = state, epoch
		want(t, s, settle.Done, tokens.SaveImport{Import: r})
		got, err := s.Import(t.Context(), id)
		same(t, "import", got, err, r)
	}
	expect(t, "ended", running(), "c")
}

// testPermits: one is used by one.
func testPermits(t *testing.T, s Store) {
	_, err := s.Permit(t.Context(), "im-1")
	absent(t, "permit", err)
	p := tokens.Permit{
		ID: "im-1", File: tokens.PlainFile{SHA256: "00", Size: 7, Name: "seeds.csv", Format: "oath-csv", Profile: "oath", Batch: "B", Branch: "Baku"},
		State: tokens.PermitAsked, Approval: "ap-1", Maker: "~ayla", Version: 1,
	}
	want(t, s, settle.Done, tokens.SavePermit{Permit: p})
	want(t, s, settle.Exists, tokens.SavePermit{Permit: p})
	p.State, p.Checker, p.ExpiresAt, p.Version = tokens.PermitOpen, "~orkhan", epoch, 2
	want(t, s, settle.Done, tokens.SavePermit{Permit: p})
	got, err := s.Permit(t.Context(), "im-1")
	same(t, "permit", got, err, p)
	var done atomic.Int64
	p.State, p.Version = tokens.PermitUsed, 3
	parallel(16, func(int) {
		if settled(t, s, tokens.SavePermit{Permit: p}).Outcome == settle.Done {
			done.Add(1)
		}
	})
	if done.Load() != 1 {
		t.Errorf("used %d times", done.Load())
	}
}

// testLargeCommand: an import writes hundreds of tokens in one command, whole,
// and others are answered beside it.
func testLargeCommand(t *testing.T, s Store) {
	const commands, size = 4, 500
	parallel(commands+8, func(i int) {
		if i >= commands {
			for v := range 20 {
				want(t, s, settle.Done, settle.SwapHot{Hot: hot(fmt.Sprint("beside", i), uint64(v)+1)})
			}
			return
		}
		var effects []settle.Effect
		for n := range size {
			id := fmt.Sprintf("%d-%04d", i, n)
			effects = append(effects, tokens.SaveToken{Token: token(id, 1)}, addCredential("cr-"+id, "S-"+id))
		}
		want(t, s, settle.Done, effects...)
	})
	got := pages(t, func(ctx context.Context, cursor string, limit int) ([]tokens.Token, string, error) {
		return s.Tokens(ctx, tokens.Filter{Kind: tokens.TOTP}, cursor, limit)
	}, 150)
	if len(got) != commands*size {
		t.Errorf("%d tokens of %d", len(got), commands*size)
	}
	entries := tail(t, s)
	last := []settle.Effect{}
	for n := range size {
		last = append(last, tokens.SaveToken{Token: token(fmt.Sprint("z", n), 1)})
	}
	want(t, s, settle.Exists, append(last, addCredential("cr-new", "S-new"), addCredential("cr-0-0000", "S"))...)
	_, err := s.Token(t.Context(), "z0")
	absent(t, "a token of an import that failed", err)
	if tail(t, s) != entries {
		t.Error("an import that failed has an entry")
	}
}
