package payment_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"mohur/payment"
	"mohur/risk/policy"
	"mohur/rulebook"
)

// Clause 5.6: while policies come into force one after the other, each payment is
// judged by one of them from begin to end: the one whose version it carries.
func TestClause5_6_OnePolicyFromBeginToEnd(t *testing.T) {
	p := newPayer(t)
	stop := make(chan struct{})
	var mu sync.Mutex
	byVersion := map[int][]payment.Transaction{}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				v, err := p.b.Payments.Create(t.Context(), p.command("1.00"))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				byVersion[v.Transaction.Policy] = append(byVersion[v.Transaction.Policy], v.Transaction)
				mu.Unlock()
			}
		})
	}
	const last = 6
	for version := 2; version <= last; version++ {
		from := p.b.Clock.Now().Truncate(time.Second)
		// Every second version exempts nothing and asks to be shown.
		each, shown := "50.00", "none"
		if version%2 == 0 {
			each, shown = "0.00", "agent"
		}
		text := strings.NewReplacer("version: 1", fmt.Sprint("version: ", version), `"2015-12-21T00:00:00+04:00"`, fmt.Sprintf("%q", from.Format(time.RFC3339)),
			`each: "50.00"`, fmt.Sprintf("each: %q", each), "shown: none", "shown: "+shown).Replace(string(policy.Default().Source))
		if _, err := p.b.Book.Adopt(t.Context(), rulebook.AdoptCommand{Caller: p.b.Staff(), YAML: text, From: from, Board: "1"}); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	group.Wait()
	if v := p.pay(p.command("1.00")); v.Transaction.Policy != last || v.Transaction.State != payment.PendingProof || v.Transaction.NeedShown != "agent" {
		t.Errorf("at the end: %+v", v.Transaction)
	}
	for version, all := range byVersion {
		for _, x := range all {
			if strict := version%2 == 0; strict && (x.State != payment.PendingProof || x.NeedShown != "agent") || !strict && x.NeedShown == "agent" {
				t.Errorf("version %d: %s, shown %s", version, x.State, x.NeedShown)
			}
		}
	}
}
