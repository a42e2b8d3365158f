package api

import (
	"reflect"
	"testing"
	"time"

	"mohur/parties"
	"mohur/payment"
)

// Whose signature became void, which may be because he is suspended, is for those who
// decide; to others it is a step without a name.
func TestClause4_3_5_AVoidSignatureHasNoName(t *testing.T) {
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for _, signer := range []string{"C-1", "C-2"} { // the customer whose payment it is, and another
		for _, event := range []string{"", payment.EventVoid} {
			tx := payment.Transaction{Customer: "C-1", Client: "cl", Timeline: []payment.Step{{At: at, State: payment.PendingProof, Reason: payment.EventVoid, By: signer, Event: event}}}
			for _, role := range []parties.Role{parties.Frontend, parties.Helpdesk, parties.Core} {
				x := &exchange{by: parties.Caller{Roles: []parties.Role{role}}}
				if got := x.timelineOf(tx)[0]; !reflect.DeepEqual(got, stepOut{At: at, State: "pending_proof"}) {
					t.Errorf("%s of %s: %+v", role, signer, got)
				}
			}
			x := &exchange{by: parties.Caller{Roles: []parties.Role{parties.Security}}}
			if got := x.timelineOf(tx)[0]; got.By != signer || got.Reason != payment.EventVoid {
				t.Errorf("security: %+v", got)
			}
		}
	}
}
