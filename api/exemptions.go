package api

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"mohur/payment"
	"mohur/problem"
	"mohur/risk"
)

type fraudIn struct {
	Confirmed *bool  `json:"confirmed"`
	Reason    string `json:"reason"`
}

// check implements checked.
func (in fraudIn) check(*exchange, bool) error {
	var c problem.Check
	c.Unless(in.Confirmed != nil, "confirmed", "needs to be true or false")
	c.Unless(in.Reason != "" && len(in.Reason) <= maxFact, "reason", "needs 1 to 500 bytes")
	return c.Err()
}

// unfraud: to say that a payment was no fraud after all lowers the bank's rate, and takes
// two people.
func unfraud(x *exchange, ctx context.Context) (bool, error) {
	in, err := decode[fraudIn](x.raw)
	if err != nil || in.Confirmed != nil && *in.Confirmed {
		return false, err
	}
	return outsideDevelopment(x, ctx)
}

// markFraud records that the bank has found a payment fraudulent, or not after all.
func (x *exchange) markFraud(ctx context.Context, in fraudIn) (reply, error) {
	if err := in.check(x, false); err != nil {
		return reply{}, err
	}
	return x.changed(ctx, func(id string) (payment.View, error) {
		return x.server.Payments.Fraud(ctx, x.by, id, *in.Confirmed, in.Reason)
	})
}

type giveBackIn struct {
	Band   moneyIn `json:"band"`
	Reason string  `json:"reason"`
}

type analysisOut struct {
	CountedSince *time.Time      `json:"counted_since,omitzero"`
	Stopped      []payment.Money `json:"stopped"`
}

// giveBack lets a band of the transaction risk analysis be exempt again (RTS Art. 20).
func (x *exchange) giveBack(ctx context.Context, in giveBackIn) (reply, error) {
	var c problem.Check
	band, err := payment.Money{Value: in.Band.Value, Currency: in.Band.Currency}.Minor()
	c.Unless(err == nil && in.Band.Currency == risk.Home, "band", "needs to be the highest amount of the band in AZN, as the policy has it")
	if err := c.Err(); err != nil {
		return reply{}, err
	}
	a, err := x.server.Payments.GiveBack(ctx, x.by, band, in.Reason)
	if err != nil {
		return reply{}, err
	}
	return ok(analysisOf(a))
}

func analysisOf(a payment.Analysis) analysisOut {
	out := analysisOut{Stopped: []payment.Money{}}
	if !a.Since.IsZero() {
		at := a.Since.UTC()
		out.CountedSince = &at
	}
	for _, band := range a.Stopped {
		out.Stopped = append(out.Stopped, payment.FromMinor(band.UpTo, risk.Home))
	}
	return out
}

// groundsOut is what payments were approved by, as RTS Art. 21 has them recorded.
type groundsOut struct {
	Items    []groundOut `json:"items"`
	Analysis analysisOut `json:"analysis"`
}

type groundOut struct {
	Quarter string        `json:"quarter"`
	Band    string        `json:"band"`
	Ground  string        `json:"ground"`
	Value   payment.Money `json:"value"`
	Count   int64         `json:"count"`
	Average payment.Money `json:"average"`
	Percent string        `json:"percent"`
}

// reportExemptions tells, by quarter and band, what payments were approved by and what
// was fraud: value, count, average, and the share in the value of all.
func (x *exchange) reportExemptions(ctx context.Context) (reply, error) {
	f := x.filter()
	from, to := f.moment("from"), f.moment("to")
	if to.IsZero() {
		to = x.server.Now()
	}
	if from.IsZero() {
		from = to
	}
	f.check.Unless(!to.Before(from) && to.Sub(from) <= 400*24*time.Hour, "from", "needs to be before to, and 400 days before it at most")
	if err := f.check.Err(); err != nil {
		return reply{}, err
	}
	all, analysis, err := x.server.Payments.Grounds(ctx, from, to)
	if err != nil {
		return reply{}, err
	}
	whole := map[[2]any]int64{}
	for _, g := range all {
		if g.By != payment.FraudGround {
			whole[[2]any{g.Quarter, g.Band}] += g.Sum
		}
	}
	out := groundsOut{Items: []groundOut{}, Analysis: analysisOf(analysis)}
	for _, g := range all {
		out.Items = append(out.Items, groundOf(g, whole[[2]any{g.Quarter, g.Band}]))
	}
	return ok(out)
}

func groundOf(g payment.Ground, whole int64) groundOut {
	out := groundOut{Quarter: g.Quarter, Band: "above", Ground: g.By, Value: payment.FromMinor(g.Sum, risk.Home), Count: g.Count, Percent: percent(g.Sum, whole)}
	if g.Band != payment.AboveBands {
		out.Band = payment.FromMinor(g.Band, risk.Home).Value
	}
	if g.Count > 0 {
		out.Average = payment.FromMinor(g.Sum/g.Count, risk.Home)
	}
	return out
}

// percent is a part of a whole in percent with three places, exact and rounded up.
func percent(part, whole int64) string {
	if whole <= 0 {
		return ""
	}
	n := new(big.Int).Mul(big.NewInt(part), big.NewInt(100_000))
	n.Add(n, big.NewInt(whole-1)).Div(n, big.NewInt(whole))
	return fmt.Sprintf("%d.%03d", n.Int64()/1000, n.Int64()%1000)
}
