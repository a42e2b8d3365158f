package payment

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"mohur/parties"
	"mohur/problem"
	"mohur/risk"
	"mohur/settle"
)

// errOver says that a payment would pass the limit that Transaction.Limit names.
var errOver = errors.New("payment: a limit is full")

// Standing is how a customer stands with one limit, in qəpik.
type Standing struct {
	Name   string
	Amount int64 // in force: the lower one of the bank's and his own
	Set    bool  // false: nothing limits it
	Used   int64 // today; of PerTransaction and PerToken nothing is told here
}

// LimitsView is how a customer stands with all of them.
type LimitsView struct {
	Limits []Standing       // by LimitNames
	Tokens map[string]int64 // what each token has confirmed today, by its id
	Raises []Raise          // that wait
}

// CustomerLimits returns how a customer stands with his limits now (clause 5.32).
func (s *Service) CustomerLimits(ctx context.Context, customer string) (LimitsView, error) {
	l, err := s.limitsOf(ctx, customer)
	if err != nil {
		return LimitsView{}, err
	}
	return s.standings(l), nil
}

func (s *Service) standings(l Limits) LimitsView {
	now, p := s.Now(), s.Policy()
	v := LimitsView{Raises: l.pending(now)}
	sums := l.sums(dayOf(now, s.Zone))
	for _, name := range LimitNames() {
		amount, set := l.inForce(p, name, now)
		v.Limits = append(v.Limits, Standing{Name: name, Amount: amount, Set: set, Used: sums[name]})
	}
	for name, used := range sums {
		if token, is := strings.CutPrefix(name, ofToken); is {
			if v.Tokens == nil {
				v.Tokens = map[string]int64{}
			}
			v.Tokens[token] = used
		}
	}
	return v
}

// limitsOf reads the record; a customer who has none has set and paid nothing.
func (s *Service) limitsOf(ctx context.Context, customer string) (Limits, error) {
	l, err := s.Store.Limits(ctx, customer)
	switch {
	case errors.Is(err, parties.ErrNotFound):
		return Limits{Customer: customer}, nil
	case err != nil:
		return Limits{}, problem.Away(err)
	}
	return l, nil
}

// home is the amount that limits count, in qəpik; 0 where there is no rate for it.
func (t Transaction) home() int64 {
	if t.Home == 0 && t.Currency == risk.Home { // from before it was kept
		return t.Minor
	}
	return t.Home
}

// capped rejects at once what no proof could bring under the limit of one payment.
func (x *draft) capped(decided risk.Decision) (risk.Decision, error) {
	if decided == risk.Rejected {
		return decided, nil
	}
	l, err := x.service.limitsOf(x.ctx, x.customer.ID)
	if err != nil {
		return decided, err
	}
	if most, set := l.inForce(x.service.Policy(), PerTransaction, x.now); !set || x.t.home() <= most {
		return decided, nil
	}
	x.t.Limit, x.t.Exemption = PerTransaction, ""
	x.t.Decision, x.t.Reasons = string(risk.Rejected), append(x.t.Reasons, limitExceeded)
	return risk.Rejected, nil
}

// why says what has rejected the payment.
func (x *draft) why() string {
	if x.t.Limit != "" {
		return limitExceeded
	}
	return "policy"
}

// limitExceeded is the reason of a payment that a limit has stopped.
const limitExceeded = "limit-exceeded"

// reserve takes the payment's part of every limit it counts against, in the write that
// approves it. errOver says that one is full; what has no amount in qəpik is never
// approved.
func (x *draft) reserve() error {
	amount := x.t.home()
	if amount <= 0 {
		return problem.New(problem.Conflict, "there is no exchange rate for "+x.t.Currency+": the payment cannot be placed in a band")
	}
	if err := x.paysWith(); err != nil {
		return err
	}
	l, err := x.service.limitsOf(x.ctx, x.customer.ID)
	if err != nil {
		return err
	}
	l = l.settled(x.now)
	if x.t.Reserved, x.t.Limit = l.take(x.service.Policy(), amount, x.t.Channel, x.token, dayOf(x.now, x.service.Zone), x.now); x.t.Limit != "" {
		return errOver
	}
	l.Version++
	x.effects = append(x.effects, SaveLimits{l})
	return x.reserveToken(amount)
}

// reserveToken counts the payment in the record of the signer whose token confirms it,
// where that is not the customer who made it: what a token confirms is one sum, for
// whomever it does.
func (x *draft) reserveToken(amount int64) error {
	owner := x.signing().ID
	if owner == x.customer.ID || x.token == "" {
		return nil
	}
	l, err := x.service.limitsOf(x.ctx, owner)
	if err != nil {
		return err
	}
	l = l.settled(x.now)
	held, fits := l.takeToken(x.service.Policy(), amount, x.token, dayOf(x.now, x.service.Zone), x.now)
	if !fits {
		x.t.Reserved, x.t.Limit = nil, PerToken
		x.effects = slices.DeleteFunc(x.effects, func(e settle.Effect) bool { _, is := e.(SaveLimits); return is })
		return errOver
	}
	x.t.Reserved = append(x.t.Reserved, held)
	l.Version++
	x.effects = append(x.effects, SaveLimits{l})
	return nil
}

// paysWith finds the token that the payment counts against: of the proof, or where none
// is needed of the session. One that is gone counts as one without a name.
func (x *draft) paysWith() error {
	if x.token != "" || x.paysBy == "" {
		return nil
	}
	c, err := x.service.Authn.Store.Credential(x.ctx, x.paysBy)
	if err != nil && !errors.Is(err, parties.ErrNotFound) {
		return problem.Away(err)
	}
	x.token = c.Token
	return nil
}

// release gives back what the transaction holds of the day's limits. The counted
// exemption is not refilled: it counts what was let through without a proof.
func (x *draft) release() error {
	byOwner := map[string][]Reservation{}
	for _, r := range x.t.Reserved {
		owner := cmp.Or(r.Owner, x.customer.ID)
		byOwner[owner] = append(byOwner[owner], r)
	}
	for owner, held := range byOwner {
		l, err := x.service.limitsOf(x.ctx, owner)
		if err != nil {
			return err
		}
		if l.giveBack(held) {
			l.Version++
			x.effects = append(x.effects, SaveLimits{l})
		}
	}
	x.t.Reserved = nil
	return nil
}
