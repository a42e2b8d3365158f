package payment

import (
	"math"

	"mohur/audit"
	"mohur/ident"
	"mohur/incident"
	"mohur/problem"
	"mohur/risk"
	"mohur/settle"
)

// The counted exemption of a customer is kept in a hot row: its failures are the
// exempt payments since the last proof, its counter their sum in qəpik. So it
// has the MAC, the version and the index of one: who can write to the database
// does not get more payments without a proof.
func allowanceID(customer string) string { return "allowance/" + customer }

// allowance reads the row into the risk's input. A row that was tampered with is
// quarantined and exempts nothing any more.
func (x *draft) allowance(in *risk.Payment) error {
	s := x.service
	rows, err := s.Store.Hot(x.ctx, allowanceID(x.customer.ID))
	if err != nil {
		return problem.Away(err)
	}
	r := rows[0]
	if !r.Found && r.Indexed == 0 {
		x.spent = settle.Hot{ID: allowanceID(x.customer.ID), State: settle.HotLive, Owner: settle.OwnerOf(x.customer.ID)}
		return nil
	}
	r.Hot.ID = allowanceID(x.customer.ID)
	intact, err := r.Intact(x.ctx, s.HSM)
	if err != nil {
		return problem.Away(err)
	}
	x.spent = r.Hot
	if !intact || r.Hot.Owner != settle.OwnerOf(x.customer.ID) {
		if err := x.tampered(r.Indexed); err != nil {
			return err
		}
	}
	if x.spent.State != settle.HotLive || x.spent.Fails == math.MaxUint8 {
		in.Exempt = false
	}
	in.LowValueCount, in.LowValueSum = int64(x.spent.Fails), int64(min(x.spent.Counter, math.MaxInt64))
	return nil
}

// tampered takes the row out of use and opens an incident, with whatever is
// decided for the payment.
func (x *draft) tampered(indexed uint64) error {
	x.spent.Version, x.spent.Owner = indexed, settle.OwnerOf(x.customer.ID)
	signed, err := x.spent.Quarantined(x.ctx, x.service.HSM)
	if err != nil {
		return problem.Away(err)
	}
	x.spent, x.counted = signed, signed.Version
	in := incident.Incident{
		ID: ident.New("in"), Kind: "allowance.quarantined", Service: string(x.t.Channel), Reference: x.t.Reference, Cause: "row-changed",
		Content: "the count of a customer's exempt payments is not what the server wrote; nothing is exempt any more", At: x.now.UTC(), State: "open", Version: 1,
	}
	x.effects = append(x.effects, settle.Quarantine{Hot: signed}, incident.Save{Incident: in})
	x.events = append(x.events, audit.Event{
		Name: "incident.opened", Outcome: "open", Reason: in.Kind, Policy: x.t.Policy, Person: audit.Person{Pseudonym: x.customer.Pseudonym, Key: x.customer.Key},
		Caller: x.by.ID, Request: x.by.Request, Detail: in,
	})
	return nil
}

// spend counts one more exempt payment.
func (x *draft) spend() error {
	next := x.spent.Next()
	next.Fails++
	next.Counter += uint64(x.t.Minor)
	return x.swapAllowance(next)
}

// replenish starts the count again after a proof of the customer's own (RTS Art. 16).
func (x *draft) replenish() error {
	if !x.t.provenBy(x.customer.ID) {
		return nil
	}
	var in risk.Payment
	if err := x.allowance(&in); err != nil {
		return err
	}
	if x.spent.State != settle.HotLive || x.spent.Fails == 0 && x.spent.Counter == 0 {
		return nil
	}
	next := x.spent.Next()
	next.Fails, next.Counter = 0, 0
	return x.swapAllowance(next)
}

func (x *draft) swapAllowance(next settle.Hot) error {
	signed, err := next.Sign(x.ctx, x.service.HSM)
	if err != nil {
		return problem.Away(err)
	}
	x.counted = signed.Version
	x.effects = append(x.effects, settle.SwapHot{Hot: signed})
	return nil
}
