package tokens_test

import (
	"errors"
	"testing"
	"time"

	"mohur/tokens"
)

// Clause 4.3.2: a token's life has legal moves and no others. The table is
// written out again here, from the contract.
func TestClause4_3_2_OnlyLegalMoves(t *testing.T) {
	want := map[tokens.Move]map[tokens.State]tokens.State{
		tokens.Reserve:  {tokens.InStock: tokens.Reserved},
		tokens.Assign:   {tokens.InStock: tokens.Assigned, tokens.Reserved: tokens.Assigned},
		tokens.Ship:     {tokens.Assigned: tokens.Shipped},
		tokens.Deliver:  {tokens.Assigned: tokens.Delivered, tokens.Shipped: tokens.Delivered},
		tokens.Activate: {tokens.Delivered: tokens.Active},
		tokens.Suspend:  {tokens.Active: tokens.Suspended},
		tokens.Resume:   {tokens.Suspended: tokens.Active},
		tokens.Revoke: {
			tokens.InStock: tokens.Revoked, tokens.Reserved: tokens.Revoked, tokens.Assigned: tokens.Revoked, tokens.Shipped: tokens.Revoked,
			tokens.Delivered: tokens.Revoked, tokens.Active: tokens.Revoked, tokens.Suspended: tokens.Revoked, tokens.Expired: tokens.Revoked,
		},
		tokens.Return:  {tokens.Revoked: tokens.Returned},
		tokens.Wipe:    {tokens.Returned: tokens.Wiped},
		tokens.Destroy: {tokens.Returned: tokens.Destroyed},
		tokens.Restock: {tokens.Wiped: tokens.InStock},
		tokens.Expire:  {tokens.Active: tokens.Expired},
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, m := range append(tokens.Moves(), "fly") {
		for _, from := range tokens.States() {
			before := tokens.Token{State: from, Version: 7, History: make([]tokens.Change, 1, 8)}
			after, err := before.Apply(m, at, "why", "who")
			to, legal := want[m][from]
			if !legal {
				var illegal *tokens.MoveError
				if !errors.As(err, &illegal) || after.State != "" {
					t.Errorf("%s from %s: %v, %v", m, from, after.State, err)
				}
				continue
			}
			if err != nil || after.State != to || after.Version != 8 || len(after.History) != 2 {
				t.Errorf("%s from %s: %+v, %v", m, from, after, err)
				continue
			}
			if last := after.History[1]; last != (tokens.Change{At: at, From: from, To: to, Move: m, Reason: "why", By: "who"}) {
				t.Errorf("%s from %s left %+v", m, from, last)
			}
			if before.State != from || before.Version != 7 || before.History[:2][1] != (tokens.Change{}) {
				t.Errorf("%s from %s changed the token it was given", m, from)
			}
		}
	}
}
