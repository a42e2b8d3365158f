package payment

import (
	"context"
	"time"

	"mohur/authn"
	"mohur/parties"
	"mohur/risk"
)

// With counts a payment as an approval does.
func (v Velocity) With(at time.Time, zone *time.Location, amount int64) Velocity {
	return v.with(at, zone, amount)
}

// Hour and DayOf are what a decision is told of it.
func (v Velocity) Hour(at time.Time) (count, sum int64) { return v.hour(at) }

// DayOf is what the day adds up to.
func (v Velocity) DayOf(at time.Time, zone *time.Location) (count, sum int64) { return v.day(at, zone) }

// IBANCountry is the country an account says by itself.
func IBANCountry(account string) string {
	country, _ := ibanCountry(account)
	return country
}

// Share is what a part of a payment is in qəpik.
func Share(part, whole, home int64) (int64, error) { return share(part, whole, home) }

// MaxRemembered is of how many payees of a batch a history is kept.
const MaxRemembered = maxRemembered

// Facts and judgement of one payment, as Create makes them, and nothing else.
func (s *Service) Judge(ctx context.Context, cmd CreateCommand, session authn.Session, c parties.Customer) (risk.Result, error) {
	now := s.Now()
	minor, err := cmd.Amount.Minor()
	if err != nil {
		return risk.Result{}, err
	}
	in := risk.Payment{Minor: minor, Currency: cmd.Amount.Currency, At: now.In(s.Zone), Signals: cmd.Signals, Exempt: true}
	x := &draft{service: s, ctx: ctx, by: cmd.Caller, customer: c, now: now}
	if err := x.allowance(&in); err != nil {
		return risk.Result{}, err
	}
	if err := x.facts(&in, cmd, session); err != nil {
		return risk.Result{}, err
	}
	if err := x.exemptions(&in, cmd); err != nil {
		return risk.Result{}, err
	}
	return s.Policy().Decide(in), nil
}
