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
