package api

import (
	"context"
	"maps"
	"slices"
	"time"

	"mohur/parties"
	"mohur/payment"
	"mohur/problem"
	"mohur/risk"
	"mohur/settle"
)

// limitsOut are a customer's limits and what of them is used up today (clause 5.32).
type limitsOut struct {
	Daily          dailyLimit     `json:"daily"`
	PerTransaction *payment.Money `json:"per_transaction,omitzero"`
	Channel        channelLimits  `json:"channel"`
	PerToken       *payment.Money `json:"per_token,omitzero"`
	Tokens         []tokenUsed    `json:"tokens,omitzero"`
	Raises         []raiseOut     `json:"raises,omitzero"`
	Exceeded       string         `json:"exceeded,omitzero"`
}

type dailyLimit struct {
	Limit payment.Money `json:"limit"`
	Used  payment.Money `json:"used"`
}

type channelLimits struct {
	PC       channelLimit `json:"pc"`
	Internet channelLimit `json:"internet"`
	Mobile   channelLimit `json:"mobile"`
}

type channelLimit struct {
	Limit *payment.Money `json:"limit,omitzero"`
	Used  payment.Money  `json:"used"`
}

type tokenUsed struct {
	Token string        `json:"token"`
	Used  payment.Money `json:"used"`
}

type raiseOut struct {
	Limit  string        `json:"limit"`
	Amount payment.Money `json:"amount"`
	From   time.Time     `json:"from"`
}

func qepik(n int64) payment.Money { return payment.FromMinor(n, risk.Home) }

// limitsOf writes how a customer stands with each limit; exceeded is the one that has
// stopped a payment.
func limitsOf(v payment.LimitsView, exceeded string) limitsOut {
	out := limitsOut{Exceeded: exceeded}
	for _, l := range v.Limits {
		var most *payment.Money
		if l.Set {
			m := qepik(l.Amount)
			most = &m
		}
		switch l.Name {
		case payment.Daily:
			out.Daily = dailyLimit{Limit: qepik(l.Amount), Used: qepik(l.Used)}
		case payment.PerTransaction:
			out.PerTransaction = most
		case payment.PerToken:
			out.PerToken = most
		case payment.PerChannel + string(parties.PC):
			out.Channel.PC = channelLimit{most, qepik(l.Used)}
		case payment.PerChannel + string(parties.Internet):
			out.Channel.Internet = channelLimit{most, qepik(l.Used)}
		case payment.PerChannel + string(parties.Mobile):
			out.Channel.Mobile = channelLimit{most, qepik(l.Used)}
		}
	}
	return out
}

// whole adds what is told of a customer, and not with each of his payments.
func (out limitsOut) whole(v payment.LimitsView) limitsOut {
	for _, id := range slices.Sorted(maps.Keys(v.Tokens)) {
		out.Tokens = append(out.Tokens, tokenUsed{id, qepik(v.Tokens[id])})
	}
	for _, r := range v.Raises {
		out.Raises = append(out.Raises, raiseOut{r.Limit, qepik(r.Amount), r.From.UTC()})
	}
	return out
}

// getLimits returns the limits of a customer. A front end sees those of the customers
// who are logged in with it.
func (x *exchange) getLimits(ctx context.Context) (reply, error) {
	if err := x.knows(ctx); err != nil {
		return reply{}, err
	}
	v, err := x.server.Payments.CustomerLimits(ctx, x.id("id"))
	if err != nil {
		return reply{}, err
	}
	return ok(limitsOf(v, "").whole(v))
}

// knows refuses a front end that the customer is not logged in with.
func (x *exchange) knows(ctx context.Context) error {
	if x.by.Only() {
		return x.mayKnow(ctx, x.id("id"))
	}
	_, err := x.server.Parties.Get(ctx, x.id("id"))
	return err
}

type limitsIn struct {
	PerTransaction *moneyIn        `json:"per_transaction"`
	Daily          *moneyIn        `json:"daily"`
	Channel        channelLimitsIn `json:"channel"`
	PerToken       *moneyIn        `json:"per_token"`
	Proof          *proof          `json:"proof"`
}

type channelLimitsIn struct {
	PC       *moneyIn `json:"pc"`
	Internet *moneyIn `json:"internet"`
	Mobile   *moneyIn `json:"mobile"`
}

// putLimits sets some of a customer's own limits: lower at once, higher with his proof
// and after the cooling period.
func (x *exchange) putLimits(ctx context.Context, in limitsIn) (reply, error) {
	if err := x.knows(ctx); err != nil {
		return reply{}, err
	}
	want := map[string]payment.Money{}
	for name, m := range map[string]*moneyIn{
		payment.PerTransaction: in.PerTransaction, payment.Daily: in.Daily, payment.PerToken: in.PerToken,
		payment.PerChannel + string(parties.PC): in.Channel.PC, payment.PerChannel + string(parties.Internet): in.Channel.Internet,
		payment.PerChannel + string(parties.Mobile): in.Channel.Mobile,
	} {
		if m != nil {
			want[name] = payment.Money{Value: m.Value, Currency: m.Currency}
		}
	}
	v, err := x.server.Payments.SetLimits(ctx, payment.SetLimitsCommand{
		Caller: x.by, Customer: x.id("id"), Want: want,
		Proof: func() ([]settle.Effect, error) { return x.limitsProof(ctx, in.Proof) },
	})
	if err != nil {
		return reply{}, err
	}
	return ok(limitsOf(v, "").whole(v))
}

// limitsProof checks the proof for a raise: one that the customer gave for exactly this
// request.
func (x *exchange) limitsProof(ctx context.Context, p *proof) ([]settle.Effect, error) {
	if p == nil || p.Authentication == "" || p.ActivationSecret != "" || p.Approval != "" {
		return nil, problem.New(problem.ProofRequired,
			"a higher limit needs the proof of an authentication: purpose action, limits.raise, over this request without its proof")
	}
	data, err := withoutProof(x.raw)
	if err != nil {
		return nil, err
	}
	return x.server.Authn.Spend(ctx, x.by, p.Authentication, x.id("id"), "limits.raise", data)
}
