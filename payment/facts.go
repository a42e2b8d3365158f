package payment

import (
	"time"

	"mohur/authn"
	"mohur/problem"
	"mohur/risk"
)

// facts fills in what the server knows of a payment beside amount and signals. What
// it does not know is left out, which raises the risk.
func (x *draft) facts(in *risk.Payment, cmd CreateCommand, session authn.Session) error {
	s := x.service
	f := risk.Facts{"service": cmd.Service, "channel": string(cmd.Channel), "payee_country": cmd.Payee.Country}
	if age := x.now.Sub(session.AuthTime); age >= 0 {
		f["session_age"] = int64(age / time.Second)
	}
	if cmd.Amount.Currency == risk.Home {
		sum, err := s.Store.Reserved(x.ctx, s.dayKey(x.customer.ID, risk.Home, x.now), x.now)
		if err != nil {
			return problem.Away(err)
		}
		f["day_sum"] = sum
	}
	in.Facts = f
	return nil
}

// needs is the level a transaction's proof must reach: what was decided, and never
// less than the policy in force.
func (s *Service) needs(t Transaction) authn.ACR {
	decided, now := authn.ACR(t.NeedACR), authn.ACR(s.Policy().PaymentACR)
	if decided.Rank() < now.Rank() {
		return now
	}
	return decided
}

// shows is what the proof must have shown the customer, in the same way.
func (s *Service) shows(t Transaction) string {
	if seen[t.NeedShown] < seen[s.Policy().PaymentShown] {
		return s.Policy().PaymentShown
	}
	return t.NeedShown
}
