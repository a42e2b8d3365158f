package risk

import (
	"maps"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// Home is the bank's own currency: amounts are compared in it.
const Home = "AZN"

// Facts are what is known of a payment, by the names of Terms: int64, bool or
// string. A name that is not there is missing.
type Facts map[string]any

// Kind is the kind of value a fact has.
type Kind string

// The kinds of facts. There are no decimal fractions: amounts are qəpik.
const (
	Number Kind = "number"
	Truth  Kind = "truth"
	Word   Kind = "text"
)

// Term is a fact that conditions may speak of.
type Term struct {
	Name  string
	Kind  Kind
	Given bool // the server knows it of every payment, but for faults; else what it rests on may not be told
	About string
}

// Terms returns every fact a condition may speak of. Sums are qəpik, ages seconds.
func Terms() []Term {
	return []Term{
		{"amount", Number, true, "the amount in qəpik, by the rate of the day, rounded up; azn(\"20.00\") writes one"},
		{"currency", Word, true, "the currency of the payment, ISO 4217"},
		{"score", Number, true, "the score, 0 to 100; not in scores"},
		{"service", Word, true, "information or transactional"},
		{"channel", Word, true, "pc, internet or mobile"},
		{"hour", Number, true, "the hour of the bank's clock, 0 to 23"},
		{"weekday", Number, true, "the day of the bank's calendar, 0 (Sunday) to 6"},
		{"country", Word, false, "where the customer is, as the front end tells it, ISO 3166"},
		{"device_known", Truth, false, "the customer has logged in from the device before"},
		{"network_changed", Truth, false, "the network differs from that of the log-in"},
		{"country_changed", Truth, false, "the country differs from that of the log-in; at a log-in, from that of the last one"},
		{"payer_country", Word, false, "the country of the payer's bank, of an IBAN"},
		{"payee_country", Word, true, "the country of the payee"},
		{"payee_new", Truth, true, "the customer has never paid the payee"},
		{"payees", Number, true, "payees of a bulk file, 1 of a single payment"},
		{"day_sum", Number, true, "approved payments of the day, without this one"},
		{"day_count", Number, true, "how many they are"},
		{"hour_sum", Number, true, "approved payments of the last hour, without this one"},
		{"hour_count", Number, true, "how many they are"},
		{"payee_day_sum", Number, true, "approved payments of the day to this payee, without this one: a payment that is split"},
		{"payee_day_count", Number, true, "how many they are"},
		{"failed_attempts", Number, true, "refused answers of the customer in the last 24 hours"},
		{"session_age", Number, true, "seconds since the log-in"},
		{"token_age", Number, false, "seconds since the access token was signed"},
		{"contacts_age", Number, true, "seconds since phone or address were changed"},
		{"credential_age", Number, true, "seconds since the token was activated"},
		{"mds_status", Word, true, "what the metadata says of a FIDO key's model: ok, warned, unknown; none of other tokens"},
		{"compromised", Truth, true, "account, device or address is on a list of compromised ones"},
		{"malware", Truth, false, "the front end found malware"},
		{"payee_trusted", Truth, true, "the payee is on the customer's list, by a proof of his"},
		{"own_account", Truth, true, "payer and payee are accounts of one person at this bank"},
		{"recurring", Truth, true, "one of a series whose first was proven, of the same payee and amount"},
		{"company", Truth, true, "the payment is of a holder that is not the customer himself"},
	}
}

// LoginTerms returns those of Terms that a rule on log-ins may speak of.
func LoginTerms() []Term {
	return slices.DeleteFunc(Terms(), func(t Term) bool { return !slices.Contains(atLogin, t.Name) })
}

var atLogin = []string{
	"score", "channel", "hour", "weekday", "country", "device_known", "country_changed", "failed_attempts", "contacts_age", "compromised", "malware",
}

var kinds = func() map[string]Kind {
	out := map[string]Kind{}
	for _, t := range Terms() {
		out[t.Name] = t.Kind
	}
	return out
}()

// MaxWord is the longest text a fact may have, in bytes; a longer one counts as
// missing. It bounds what a condition costs.
const MaxWord = 64

// facts are those of the payment, with what is computed here. rated is false when
// nobody knows the amount in AZN.
func (in Payment) facts() (facts Facts, rated bool) {
	facts = make(Facts, len(kinds))
	facts.take(in.Facts)
	for _, computed := range []string{"amount", "currency", "score"} {
		delete(facts, computed)
	}
	amount, rated := in.Rates.home(in.Minor, in.Currency)
	if rated {
		facts["amount"] = amount
	}
	facts.take(Facts{"currency": in.Currency})
	facts.surround(in.Signals, in.At)
	return facts, rated
}

// surround fills in what time and signals tell. Malware that anybody found was found.
func (f Facts) surround(s Signals, at time.Time) {
	for _, computed := range []string{"country", "hour", "weekday"} {
		delete(f, computed)
	}
	f.take(Facts{"country": s.Country})
	if s.Malware != nil && f["malware"] != true {
		f["malware"] = *s.Malware
	}
	if !at.IsZero() {
		f["hour"], f["weekday"] = int64(at.Hour()), int64(at.Weekday())
	}
}

// take copies what has the kind its name promises. Anything else stays missing.
func (f Facts) take(from Facts) {
	maps.Copy(f, from)
	for name := range from {
		ok := false
		switch v := from[name].(type) {
		case int64:
			ok = kinds[name] == Number && v >= 0
		case bool:
			ok = kinds[name] == Truth
		case string:
			ok = kinds[name] == Word && v != "" && len(v) <= MaxWord && (!strings.HasSuffix(name, "country") || iso3166(v))
		}
		if !ok {
			delete(f, name)
		}
	}
}

// Rate is what a currency is worth, as a fraction of whole numbers: so many of
// its minor units (Per) are so many qəpik (Qepik). 1 USD at 1.7000 AZN is 17 to 10.
type Rate struct {
	Qepik int64
	Per   int64
}

// Rates are those of one day, by ISO 4217 code.
type Rates map[string]Rate

// maxAmount keeps amounts whole in JSON too (RFC 8785: below 2^53).
const maxAmount = 1 << 53

// home is an amount in qəpik, rounded up: a conversion never puts a payment into
// a lower band. It is exact; what does not fit has no rate.
func (r Rates) home(minor int64, currency string) (int64, bool) {
	if minor <= 0 {
		return 0, false
	}
	if currency == Home {
		return minor, true
	}
	rate := r[currency]
	if rate.Qepik <= 0 || rate.Per <= 0 {
		return 0, false
	}
	hi, lo := bits.Mul64(uint64(minor), uint64(rate.Qepik))
	if hi >= uint64(rate.Per) {
		return 0, false
	}
	q, rest := bits.Div64(hi, lo, uint64(rate.Per))
	if q >= maxAmount {
		return 0, false
	}
	if rest > 0 {
		q++
	}
	return int64(q), true
}

// iso3166 is the form of a country's code. What is written otherwise is not known: "ir"
// is not to pass where "IR" is named.
func iso3166(v string) bool {
	return len(v) == 2 && v[0] >= 'A' && v[0] <= 'Z' && v[1] >= 'A' && v[1] <= 'Z'
}
