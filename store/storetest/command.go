package storetest

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"mohur/audit"
	"mohur/notify"
	"mohur/parties"
	"mohur/payment"
	"mohur/settle"
	"mohur/store"
	"mohur/tokens"
)

// command is a command with an entry.
func command(effects ...settle.Effect) settle.Command {
	return settle.Command{Effects: effects, Entries: []audit.Draft{draft("test.command")}}
}

// stranger is an effect no store knows.
type stranger struct{}

func (stranger) EffectKey() string { return "stranger" }

// testSingles: the effects that are not a record with versions.
func testSingles(t *testing.T, s Store) {
	want(t, s, settle.Done, notify.Queue{Notice: notice("no-1")})
	want(t, s, settle.Exists, notify.Queue{Notice: notice("no-1")})

	add := addCredential("cr-1", "S1")
	want(t, s, settle.Done, add)
	got, err := s.Credential(t.Context(), "cr-1")
	same(t, "credential", got, err, add.Credential)
	_, err = s.Credential(t.Context(), "cr-2")
	absent(t, "credential", err)
	want(t, s, settle.Exists, add)

	wrong := addCredential("cr-2", "S2")
	wrong.Hot.Version = 2
	refused(t, s, command(wrong))
	wrong = addCredential("cr-2", "S2")
	wrong.Hot.ID = "cr-1"
	refused(t, s, command(wrong))
	_, err = s.Credential(t.Context(), "cr-2")
	absent(t, "refused credential", err)
}

// testCommands: a command is there with everything or with nothing.
func testCommands(t *testing.T, s Store) {
	want(t, s, settle.Done, parties.SaveCustomer{Customer: customer("taken", 1)}, settle.SwapHot{Hot: hot("h", 1)})

	if err := refused(t, s, settle.Command{}); !errors.Is(err, store.ErrNoEntry) {
		t.Errorf("empty command: %v, want ErrNoEntry", err)
	}
	err := refused(t, s, settle.Command{Effects: []settle.Effect{settle.Release{Key: "k"}}})
	if !errors.Is(err, store.ErrNoEntry) {
		t.Errorf("a command without an entry: %v, want ErrNoEntry", err)
	}
	r, err := s.Settle(t.Context(), settle.Command{Entries: []audit.Draft{draft("test.entry")}})
	if err != nil || r.Outcome != settle.Done {
		t.Errorf("an entry alone: %s, %v", r.Outcome, err)
	}
	t.Run("the third effect fails", func(t *testing.T) { testThirdFails(t, s) })
	t.Run("effects see those before them", func(t *testing.T) { testOwnEffects(t, s) })
}

func testThirdFails(t *testing.T, s Store) {
	year10000 := payment.SaveTransaction{Transaction: transaction("tx", 1)}
	year10000.Transaction.CreatedAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) // has no JSON
	long := parties.SaveClient{Client: client(string(make([]byte, 1<<16)), 1)}
	for _, c := range []struct {
		name    string
		third   settle.Effect
		outcome settle.Outcome // 0: an error
	}{
		{"stale record", parties.SaveCustomer{Customer: customer("taken", 3)}, settle.Stale},
		{"stale row", settle.SwapHot{Hot: hot("h", 3)}, settle.Stale},
		{"taken", parties.SaveCustomer{Customer: customer("taken", 1)}, settle.Exists},
		{"over", settle.Reserve{Key: "third", Amount: 2, Ceiling: 1}, settle.Over},
		{"unknown", stranger{}, 0},
		{"not encodable", year10000, 0},
		{"key too long", long, 0},
		{"below zero", settle.Reserve{Key: "third", Amount: -1, Ceiling: 1}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			first := settle.SwapHot{Hot: hot("h-"+c.name, 1)}
			second := settle.Reserve{Key: "s-" + c.name, Amount: 5, Ceiling: 9}
			last := notify.Queue{Notice: notice("no-" + c.name)}
			before := tail(t, s)
			r, err := s.Settle(t.Context(), command(first, second, c.third, last))
			if (err != nil) != (c.outcome == 0) || r.Outcome != c.outcome {
				t.Errorf("%s, %v; want %s", r.Outcome, err, c.outcome)
			}
			if c.outcome != 0 && r.Effect.EffectKey() != c.third.EffectKey() {
				t.Errorf("%v decided, not the third effect", r.Effect)
			}
			untouched(t, s, c.name, before)
		})
	}
}

// untouched expects nothing of a command whose third effect failed.
func untouched(t *testing.T, s Store, name string, before uint64) {
	t.Helper()
	if after := tail(t, s); after != before {
		t.Errorf("the log has grown from %d to %d", before, after)
	}
	rows, err := s.Hot(t.Context(), "h-"+name)
	if err != nil || rows[0].Found || rows[0].Indexed != 0 {
		t.Errorf("the first effect is there: %+v, %v", rows, err)
	}
	if sum, err := s.Reserved(t.Context(), "s-"+name, epoch); sum != 0 || err != nil {
		t.Errorf("the second effect is there: %d, %v", sum, err)
	}
	notices, err := s.Notices(t.Context(), 1000)
	if err != nil || slices.ContainsFunc(notices, func(n notify.Notice) bool { return n.ID == "no-"+name }) {
		t.Errorf("the effect behind is there: %v", err)
	}
}

func testOwnEffects(t *testing.T, s Store) {
	reserve := settle.Reserve{Key: "own", Amount: 6, Ceiling: 10}
	want(t, s, settle.Over, reserve, reserve)
	want(t, s, settle.Done, reserve, settle.Release{Key: "own", Amount: 4}, reserve)
	if sum, err := s.Reserved(t.Context(), "own", epoch); sum != 8 || err != nil {
		t.Errorf("sum %d, %v; want 8", sum, err)
	}
	want(t, s, settle.Done, settle.Release{Key: "own", Amount: 8}, reserve, settle.Release{Key: "own", Amount: math.MaxInt64}, settle.Reserve{Key: "own", Amount: math.MaxInt64, Ceiling: math.MaxInt64})
	want(t, s, settle.Done, settle.SwapHot{Hot: hot("own", 1)}, settle.SwapHot{Hot: hot("own", 2)})
	want(t, s, settle.Stale, settle.SwapHot{Hot: hot("own", 3)}, settle.SwapHot{Hot: hot("own", 3)})
	want(t, s, settle.Done, tokens.SaveToken{Token: token("own", 1)}, tokens.SaveToken{Token: token("own", 2)})
	want(t, s, settle.Exists, tokens.SaveToken{Token: token("own-2", 1)}, tokens.SaveToken{Token: token("own-2", 1)})
	got, err := s.Token(t.Context(), "own")
	same(t, "token saved twice in a command", got, err, token("own", 2))
	_, err = s.Token(t.Context(), "own-2")
	absent(t, "token of a command that failed", err)
}
