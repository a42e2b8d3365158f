package api

import (
	"context"
	"time"

	"mohur/payment"
	"mohur/problem"
)

// listedIn replaces a customer's list: version is that of the list it replaces.
type listedIn struct {
	Version *uint64   `json:"version"`
	Items   []partyIn `json:"items"`
	Proof   *proof    `json:"proof"`
}

type accountsIn struct {
	Version *uint64     `json:"version"`
	Items   []accountIn `json:"items"`
}

type accountIn struct {
	Account string `json:"account"`
	Bank    string `json:"bank"`
}

type listedOut struct {
	Version   uint64       `json:"version"`
	UpdatedAt *time.Time   `json:"updated_at,omitzero"`
	Items     []trustedOut `json:"items"`
}

type trustedOut struct {
	Name       string    `json:"name,omitzero"`
	Account    string    `json:"account"`
	Bank       string    `json:"bank"`
	Country    string    `json:"country,omitzero"`
	CountsFrom time.Time `json:"counts_from"`
}

func (x *exchange) listedOf(l payment.Listed) listedOut {
	out := listedOut{Version: l.Version, Items: []trustedOut{}}
	if !l.UpdatedAt.IsZero() {
		at := l.UpdatedAt.UTC()
		out.UpdatedAt = &at
	}
	for _, i := range l.Items {
		p := x.partyOf(i.Party)
		out.Items = append(out.Items, trustedOut{Name: p.Name, Account: p.Account, Bank: p.Bank, Country: p.Country, CountsFrom: i.From.UTC()})
	}
	return out
}

func (x *exchange) getPayees(ctx context.Context) (reply, error) {
	return x.getListed(ctx, payment.Trusted)
}

func (x *exchange) getAccounts(ctx context.Context) (reply, error) {
	return x.getListed(ctx, payment.Own)
}

func (x *exchange) getListed(ctx context.Context, kind payment.ListKind) (reply, error) {
	if err := x.mayKnow(ctx, x.id("id")); err != nil {
		return reply{}, err
	}
	l, err := x.server.Payments.Payees(ctx, kind, x.id("id"))
	if err != nil {
		return reply{}, err
	}
	return ok(x.listedOf(l))
}

// putPayees replaces the payees a customer trusts. Any change is a step-up (RTS Art.
// 13): the proof is of this very list, in place of that version.
func (x *exchange) putPayees(ctx context.Context, in listedIn) (reply, error) {
	if err := whole(in.Version, in.Items != nil); err != nil {
		return reply{}, err
	}
	if in.Proof == nil || in.Proof.Authentication == "" || in.Proof.ActivationSecret != "" || in.Proof.Approval != "" {
		return reply{}, problem.New(problem.ProofRequired, "a change of the trusted payees needs the proof of an authentication: purpose action, payees.add, over this request without its proof")
	}
	if err := x.mayKnow(ctx, x.id("id")); err != nil {
		return reply{}, err
	}
	data, err := withoutProof(x.raw)
	if err != nil {
		return reply{}, err
	}
	spent, err := x.server.Authn.Spend(ctx, x.by, in.Proof.Authentication, x.id("id"), "payees.add", data)
	if err != nil {
		return reply{}, err
	}
	cmd := payment.PutPayeesCommand{Kind: payment.Trusted, Proof: spent}
	for _, p := range in.Items {
		cmd.Items = append(cmd.Items, p.party())
	}
	return x.putListed(ctx, cmd, *in.Version)
}

// putAccounts replaces what the bank knows of a customer's own accounts. It opens an
// exemption, so it takes two people.
func (x *exchange) putAccounts(ctx context.Context, in accountsIn) (reply, error) {
	if err := whole(in.Version, in.Items != nil); err != nil {
		return reply{}, err
	}
	cmd := payment.PutPayeesCommand{Kind: payment.Own}
	for _, a := range in.Items {
		cmd.Items = append(cmd.Items, payment.Party{Account: a.Account, Bank: a.Bank})
	}
	return x.putListed(ctx, cmd, *in.Version)
}

// whole refuses a request that leaves out what would then be taken for an empty list.
func whole(version *uint64, items bool) error {
	var c problem.Check
	c.Unless(version != nil, "version", "is needed: that of the list that is replaced, 0 where there is none")
	c.Unless(items, "items", "is needed: the whole list, [] for an empty one")
	return c.Err()
}

func (x *exchange) putListed(ctx context.Context, cmd payment.PutPayeesCommand, version uint64) (reply, error) {
	cmd.Caller, cmd.Customer, cmd.Replaces = x.by, x.id("id"), version
	l, err := x.server.Payments.PutPayees(ctx, cmd)
	if err != nil {
		return reply{}, err
	}
	return ok(x.listedOf(l))
}
