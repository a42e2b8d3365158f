package api

import (
	"mohur/parties"
	"mohur/payment"
)

// audits reports whether the caller only looks at what others did: he sees what was
// decided and why, and of people no more than it takes to tell them apart.
func (x *exchange) audits() bool {
	return x.by.Has(parties.Auditor) &&
		!x.by.Has(parties.Frontend, parties.Core, parties.Helpdesk, parties.Operator, parties.Supervisor, parties.Security)
}

// partyOf writes one side of a payment. An auditor sees no name, and the end of the
// account.
func (x *exchange) partyOf(p payment.Party) partyOut {
	out := partyOut(p)
	if x.audits() {
		out.Name, out.Account = "", ending(p.Account)
	}
	return out
}

// ending is the last four characters of an account, nothing of a short one.
func ending(account string) string {
	if r := []rune(account); len(r) > 8 {
		return "…" + string(r[len(r)-4:])
	}
	return "…"
}
