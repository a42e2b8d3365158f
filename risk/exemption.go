package risk

import "time"

// Exemptions are those a bank may switch on beside the counted low-value one
// (Articles 13 to 15 and 18 of the PSD2 RTS). The zero value exempts nothing. Each
// is named in the answer, the authorization and the log.
type Exemptions struct {
	TrustedPayees Exemption // payee_trusted: the customer put the payee on his list, with a proof
	Recurring     Exemption // recurring: one of a series whose first was proven, same payee and amount
	OwnAccounts   Exemption // own_account: between accounts of one person at this bank
	TRA           []Band    // transaction risk analysis, by rising UpTo; empty: off
	TRAScore      int       // a higher score is never exempt by it
}

// Exemption lets payments go without a proof of their own. What is not known of a
// payment never exempts it.
type Exemption struct {
	UpTo     int64 // qəpik, the highest amount; 0: off
	MaxScore int   // a higher score is never exempt
}

// Band is one exemption threshold value of Article 18 with the fraud rate that the
// bank may not pass to use it.
type Band struct {
	UpTo int64 // qəpik, the highest amount
	Rate int64 // in millionths: 0.015 % is 150
}

// FraudRate is what the payments of one band came to in the last 90 days (Article
// 19). Sums are qəpik.
type FraudRate struct {
	UpTo    int64 // of the Band
	Fraud   int64 // of the payments found to be fraudulent
	Total   int64 // of all
	Stopped bool  // the rate was above the reference for two quarters: the exemption is lost until it is given back (Article 20)
}

// Exception switches a rule off for the payments its condition holds for, for a time
// that ends by itself. A condition that cannot be judged excepts nothing.
type Exception struct {
	Code  string
	Text  string
	Rule  string // code of the rule
	When  Condition
	From  time.Time
	Until time.Time // it ends then
}

// exemption names what lets a payment go without a proof, "" for nothing. Those
// that spend nothing the customer could need later come first, the counted one
// last. All of them are off where in.Exempt is.
func (p Policy) exemption(in Payment, facts Facts, score int) string {
	amount, rated := facts["amount"].(int64)
	if !in.Exempt || !rated {
		return ""
	}
	for _, e := range []struct {
		name, fact string
		Exemption
	}{
		{"own_account", "own_account", p.Exemptions.OwnAccounts},
		{"trusted_payee", "payee_trusted", p.Exemptions.TrustedPayees},
		{"recurring", "recurring", p.Exemptions.Recurring},
	} {
		if facts[e.fact] == true && amount <= e.UpTo && score <= e.MaxScore {
			return e.name
		}
	}
	switch {
	case p.analysed(in, facts, amount, score):
		return "tra"
	case p.lowValue(in, score):
		return "low_value"
	}
	return ""
}

// lowValue is the counted exemption (Article 16). The store counts again when it
// settles: two payments at once never pass it together. The count is of qəpik, so
// it is for payments in AZN alone.
func (p Policy) lowValue(in Payment, score int) bool {
	return in.Currency == Home && in.Minor <= p.LowValueEach && score <= p.MaxExemptScore &&
		in.LowValueCount < p.LowValueInRow && in.LowValueSum <= p.LowValueSum-in.Minor
}

// analysed is the exemption by transaction risk analysis (Article 18): nothing that
// the article names may be found, and all of it was looked for.
func (p Policy) analysed(in Payment, facts Facts, amount int64, score int) bool {
	_, here := facts["country"]
	_, there := facts["payee_country"]
	if score > p.Exemptions.TRAScore || !here || !there || facts["device_known"] != true {
		return false
	}
	for _, sign := range []string{"malware", "compromised", "country_changed", "payee_new"} {
		if facts[sign] != false {
			return false
		}
	}
	for _, b := range p.Exemptions.TRA {
		if amount <= b.UpTo {
			return b.open(in.FraudRates)
		}
	}
	return false
}

// open reports whether the payments of the band were honest enough. A band whose
// rate nobody knows is not.
func (b Band) open(rates []FraudRate) bool {
	known := false
	for _, r := range rates {
		if r.UpTo != b.UpTo {
			continue
		}
		if r.Stopped || !Within(r.Fraud, r.Total, b.Rate) {
			return false
		}
		known = true
	}
	return known
}

// excepts returns the exception that switches a rule off at a time, if there is one.
func (p Policy) excepts(rule string, facts Facts, at time.Time) (Exception, bool) {
	for _, e := range p.Exceptions {
		if e.Rule != rule || at.IsZero() || at.Before(e.From) || !at.Before(e.Until) {
			continue
		}
		if holds, err := try(e.When, facts); holds && err == nil {
			return e, true
		}
	}
	return Exception{}, false
}
