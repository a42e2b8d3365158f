package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"mohur/parties"
	"mohur/payment"
	"mohur/problem"
	"mohur/risk"
)

// holderIn replaces a holder as a whole: version is that of the one it replaces.
type holderIn struct {
	Version *uint64     `json:"version"`
	Name    string      `json:"name"`
	Signers []string    `json:"signers"`
	Rules   []signingIn `json:"rules"`
}

type signingIn struct {
	UpTo     *moneyIn `json:"up_to"` // not there: every larger amount
	Required int      `json:"required"`
}

type holderOut struct {
	ID        string       `json:"id"`
	Name      string       `json:"name,omitzero"`
	Signers   []string     `json:"signers"`
	Rules     []signingOut `json:"rules"`
	Version   uint64       `json:"version"`
	CreatedAt time.Time    `json:"created_at"`
	UpdatedAt time.Time    `json:"updated_at"`
}

type signingOut struct {
	UpTo     *payment.Money `json:"up_to,omitzero"`
	Required int            `json:"required"`
}

// holderOutOf writes a holder; an auditor does not see its name.
func (x *exchange) holderOutOf(h parties.Holder, name string) holderOut {
	out := holderOut{ID: h.ID, Name: name, Signers: h.Signers, Version: h.Version, CreatedAt: h.CreatedAt.UTC(), UpdatedAt: h.UpdatedAt.UTC()}
	if x.audits() {
		out.Name = ""
	}
	for _, r := range h.Rules {
		rule := signingOut{Required: r.Required}
		if r.UpTo > 0 {
			bound := payment.FromMinor(r.UpTo, risk.Home)
			rule.UpTo = &bound
		}
		out.Rules = append(out.Rules, rule)
	}
	return out
}

// rules reads the amounts of the rules.
func (in holderIn) rules() ([]parties.SigningRule, error) {
	var c problem.Check
	out := make([]parties.SigningRule, len(in.Rules))
	for i, r := range in.Rules {
		out[i].Required = r.Required
		if r.UpTo == nil {
			continue
		}
		minor, err := payment.Money{Value: r.UpTo.Value, Currency: r.UpTo.Currency}.Minor()
		at := fmt.Sprintf("rules[%d].up_to", i)
		if err != nil {
			c.Unless(false, at, err.Error())
			continue
		}
		c.Unless(r.UpTo.Currency == risk.Home, at, "needs to be in "+risk.Home+": payments in other currencies are compared by the rate of the day")
		out[i].UpTo = minor
	}
	return out, c.Err()
}

// putHolder creates or changes who signs for an account that several people, or a
// company, hold.
func (x *exchange) putHolder(ctx context.Context, in holderIn) (reply, error) {
	var c problem.Check
	c.Unless(in.Version != nil, "version", "is needed: that of the holder that is replaced, 0 where there is none")
	if err := c.Err(); err != nil {
		return reply{}, err
	}
	rules, err := in.rules()
	if err != nil {
		return reply{}, err
	}
	h, fresh, err := x.server.Parties.PutHolder(ctx, parties.HolderCommand{Caller: x.by, ID: x.id("id"), Name: in.Name, Signers: in.Signers, Rules: rules, Replaces: *in.Version})
	if err != nil {
		return reply{}, err
	}
	out := reply{status: http.StatusOK, body: x.holderOutOf(h, in.Name)}
	if fresh {
		out.status = http.StatusCreated
	}
	return out, nil
}

// getHolder returns a holder.
func (x *exchange) getHolder(ctx context.Context) (reply, error) {
	h, name, err := x.server.Parties.GetHolder(ctx, x.id("id"))
	if err != nil {
		return reply{}, err
	}
	return ok(x.holderOutOf(h, name))
}
