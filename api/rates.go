package api

import (
	"context"
	"maps"
	"slices"
	"time"

	"mohur/rulebook"
)

type ratesIn struct {
	Date   string            `json:"date"`
	Rates  map[string]string `json:"rates"`
	Source string            `json:"source"`
}

// command is a second person's where there is one, and nobody waits for him in
// development.
func (in ratesIn) command(x *exchange) rulebook.RatesCommand {
	return rulebook.RatesCommand{
		Caller: x.by, Date: in.Date, Rates: in.Rates, Source: in.Source, TwoSaid: x.approved || x.server.Development, Checker: x.checker, Approval: x.approval,
	}
}

func (in ratesIn) check(x *exchange, _ bool) error { return x.server.Rules.CheckRates(in.command(x)) }

type ratesOut struct {
	Date       string    `json:"date,omitzero"` // of the newest
	Source     string    `json:"source,omitzero"`
	SetBy      string    `json:"set_by,omitzero"`
	ApprovedBy string    `json:"approved_by,omitzero"`
	SetAt      time.Time `json:"set_at,omitzero"`
	Rates      []rateOut `json:"rates"`
}

type rateOut struct {
	Currency string    `json:"currency"`
	Value    string    `json:"value"` // AZN for one unit
	Date     string    `json:"date"`
	Until    time.Time `json:"until"`
	Usable   bool      `json:"usable"`
}

func (x *exchange) ratesOf(r rulebook.Rates) ratesOut {
	book := x.server.Rules
	usable := book.RatesNow()
	out := ratesOut{Date: r.Date, Source: r.Source, SetBy: r.By, ApprovedBy: r.Checker, SetAt: r.At.UTC(), Rates: []rateOut{}}
	for _, currency := range slices.Sorted(maps.Keys(r.Quotes)) {
		q := r.Quotes[currency]
		_, fresh := usable[currency]
		out.Rates = append(out.Rates, rateOut{Currency: currency, Value: q.Rate, Date: q.Date, Until: book.Until(q.Date).UTC(), Usable: fresh})
	}
	return out
}

// ratesJump: a rate that is far from the one before, or the first of its currency,
// takes two people.
func (x *exchange) ratesJump(ctx context.Context) (bool, error) {
	if x.server.Development {
		return false, nil
	}
	in, err := decode[ratesIn](x.raw)
	if err != nil {
		return false, err
	}
	far, err := x.server.Rules.Jumps(ctx, in.command(x))
	return len(far) > 0, err
}

// putRates sets rates of exchange of a day.
func (x *exchange) putRates(ctx context.Context, in ratesIn) (reply, error) {
	r, err := x.server.Rules.SetRates(ctx, in.command(x))
	if err != nil {
		return reply{}, err
	}
	return ok(x.ratesOf(r))
}

// getRates returns the rates as they stand.
func (x *exchange) getRates(context.Context) (reply, error) {
	return ok(x.ratesOf(x.server.Rules.Quotes()))
}
