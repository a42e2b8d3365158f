package payment

import (
	"mohur/problem"
	"mohur/risk"
)

// Places returns the decimal places of a currency (ISO 4217), false for one that the
// server does not know.
func Places(currency string) (int, bool) {
	n, known := exponents[currency]
	return n, known
}

// exchange are the rates of today: without them every payment in another currency is
// held.
func (s *Service) exchange() risk.Rates {
	if s.Rates == nil {
		return nil
	}
	return s.Rates()
}

// rated places a held payment in the bands by the rate of today, if it was made while
// there was none.
func (x *draft) rated() error {
	if x.t.home() > 0 {
		return nil
	}
	home, rated := x.service.exchange().Home(x.t.Minor, x.t.Currency)
	if !rated {
		return unrated(x.t)
	}
	x.t.Home = home
	return nil
}

// unrated is why a payment goes no further.
func unrated(t Transaction) error {
	return problem.New(problem.Conflict, "there is no exchange rate for "+t.Currency+": the payment cannot be placed in a band; set the rate of the day, or reject it")
}
