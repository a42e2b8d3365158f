package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"mohur/risk"
)

// The bounds of what may go without a rule or a proof.
const (
	maxExceptions = 50
	maxException  = 92 * 24 * time.Hour // a quarter: then somebody decides again
)

type loginRule struct {
	Code     string `yaml:"code"`
	Text     string `yaml:"text"`
	When     string `yaml:"when"`
	ACR      string `yaml:"acr"`
	Decision string `yaml:"decision"`
	From     string `yaml:"from"`
	Until    string `yaml:"until"`
}

type exemption struct {
	UpTo    string `yaml:"up_to"`
	Highest int64  `yaml:"highest_score"`
}

type exemptions struct {
	OwnAccounts   exemption `yaml:"own_accounts"`
	TrustedPayees exemption `yaml:"trusted_payees"`
	Recurring     exemption `yaml:"recurring"`
	TRA           struct {
		Highest int64  `yaml:"highest_score"`
		Bands   []band `yaml:"bands"`
	} `yaml:"tra"`
}

type band struct {
	UpTo string `yaml:"up_to"`
	Rate string `yaml:"fraud_rate"`
}

type exception struct {
	Code  string `yaml:"code"`
	Text  string `yaml:"text"`
	Rule  string `yaml:"rule"`
	When  string `yaml:"when"`
	From  string `yaml:"from"`
	Until string `yaml:"until"`
}

// login reads the rules on log-ins. They ask for two factors or for no log-in at all.
func (r *reader) login(rules []loginRule, p *risk.Policy) {
	if r.has("login.rules") {
		r.list("login.rules", len(rules), maxRules)
	}
	for i, u := range rules[:min(len(rules), maxRules)] {
		at := fmt.Sprintf("login.rules[%d].", i)
		r.named(at, u.Code, u.Text)
		if r.has(at+"acr") && u.ACR != "strong" {
			r.fault(at+"acr", "needs to be strong; a rule that asks for less asks for nothing")
		}
		if r.has(at+"decision") && u.Decision != string(risk.Rejected) {
			r.fault(at+"decision", "needs to be rejected, or left out")
		}
		if !r.has(at+"acr") && !r.has(at+"decision") {
			r.fault(at+"acr", "is needed, or decision: a rule asks for something")
		}
		from, until := r.span(at, u.From, u.Until)
		p.LoginRules = append(p.LoginRules, risk.Rule{
			Code: u.Code, Text: u.Text, Demand: risk.Demand{Decision: risk.Decision(u.Decision), ACR: u.ACR},
			When: r.when(at+"when", u.When, ofLogin), From: from, Until: until,
		})
	}
}

// exempt reads the optional exemptions. One that is left out is off.
func (r *reader) exempt(e exemptions, p *risk.Policy) {
	const at = "payments.exemptions."
	r.section("payments.exemptions")
	one := func(name string, e exemption) risk.Exemption {
		if !r.has(at + name) {
			return risk.Exemption{}
		}
		return risk.Exemption{UpTo: r.below(at+name+".up_to", e.UpTo, p), MaxScore: int(r.number(at+name+".highest_score", e.Highest, 0, risk.MaxScore))}
	}
	p.Exemptions = risk.Exemptions{
		OwnAccounts: one("own_accounts", e.OwnAccounts), TrustedPayees: one("trusted_payees", e.TrustedPayees), Recurring: one("recurring", e.Recurring),
	}
	if !r.has(at + "tra") {
		return
	}
	p.Exemptions.TRAScore = int(r.number(at+"tra.highest_score", e.TRA.Highest, 0, risk.MaxScore))
	reference := risk.ReferenceBands()
	r.list(at+"tra.bands", len(e.TRA.Bands), len(reference))
	for i, b := range e.TRA.Bands[:min(len(e.TRA.Bands), len(reference))] {
		path := fmt.Sprintf("%stra.bands[%d].", at, i)
		band := risk.Band{UpTo: r.below(path+"up_to", b.UpTo, p), Rate: r.rate(path+"fraud_rate", b.Rate)}
		if i > 0 && band.UpTo <= p.Exemptions.TRA[i-1].UpTo || band.UpTo == 0 && r.has(path+"up_to") {
			r.fault(path+"up_to", "needs to be more than 0 and than the band before; bands: [] turns the exemption off")
		}
		// The reference is that of the band's place, or of its amount if that is stricter.
		place := max(i, slices.IndexFunc(reference, func(ref risk.Band) bool { return band.UpTo <= ref.UpTo }))
		if highest := reference[len(reference)-1].UpTo; band.UpTo > highest {
			r.fault(path+"up_to", fmt.Sprintf("is more than %s, which EUR 500 comes to: above it no analysis exempts", amount(highest)))
		} else if limit := reference[place].Rate; band.Rate > limit {
			r.fault(path+"fraud_rate", fmt.Sprintf("is more than the reference rate for a band of this place and amount, %s %%", percent(limit)))
		}
		p.Exemptions.TRA = append(p.Exemptions.TRA, band)
	}
}

// below is an amount that a customer's proof could approve.
func (r *reader) below(path, text string, p *risk.Policy) int64 {
	n := r.amount(path, text)
	if n > p.LinkedUpTo {
		r.fault(path, "is more than payments.proof_up_to")
	}
	return n
}

// exceptions reads what switches rules off for a time.
func (r *reader) exceptions(list []exception, p *risk.Policy) {
	if r.has("exceptions") {
		r.list("exceptions", len(list), maxExceptions)
	}
	for i, e := range list[:min(len(list), maxExceptions)] {
		at := fmt.Sprintf("exceptions[%d].", i)
		r.named(at, e.Code, e.Text)
		if r.need(at+"rule") && !slices.ContainsFunc(p.Rules, func(u risk.Rule) bool { return u.Code == e.Rule }) {
			r.fault(at+"rule", fmt.Sprintf("%.40q is the code of no rule in rules", e.Rule))
		}
		from, until := r.span(at, e.From, e.Until)
		if !r.has(at + "from") {
			from = p.From
		}
		if r.need(at+"until") && !until.IsZero() && !from.IsZero() && (until.Sub(from) > maxException || !until.After(from)) {
			r.fault(at+"until", "needs to be later than from (left out: effective_from), and within 92 days of it; then it is decided again")
		}
		p.Exceptions = append(p.Exceptions, risk.Exception{
			Code: e.Code, Text: e.Text, Rule: e.Rule, When: r.when(at+"when", e.When, ofRules), From: from, Until: until,
		})
	}
}

// span reads when something is in force; either end may be left out.
func (r *reader) span(at, from, until string) (start, end time.Time) {
	if r.has(at + "from") {
		start = r.time(at+"from", from)
	}
	if r.has(at + "until") {
		end = r.time(at+"until", until)
	}
	if !start.IsZero() && !end.IsZero() && !end.After(start) {
		r.fault(at+"until", "needs to be later than from")
	}
	return start, end
}

// The years of a time. Outside of them it cannot be written everywhere.
const firstYear, lastYear = 2000, 9000

func (r *reader) time(path, text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		r.fault(path, `needs to be a time such as "2027-01-01T00:00:00+04:00"`)
	} else if year := at.UTC().Year(); year < firstYear || year > lastYear {
		r.fault(path, fmt.Sprintf("needs to be within the years %d to %d", firstYear, lastYear))
	}
	return at
}

var rateForm = regexp.MustCompile(`^([0-9]{1,2})(?:\.([0-9]{1,4}))? ?%$`)

// rate reads a percentage exactly, into millionths.
func (r *reader) rate(path, text string) int64 {
	if !r.need(path) {
		return 0
	}
	m := rateForm.FindStringSubmatch(text)
	if m == nil || !r.quoted(path) {
		r.fault(path, `needs to be a percentage in quotes with at most four places, such as "0.015 %"`)
		return 0
	}
	n, err := strconv.ParseInt(m[1]+(m[2] + "0000")[:4], 10, 64)
	if err != nil {
		r.fault(path, err.Error())
	}
	return n
}

// percent writes millionths as a percentage.
func percent(rate int64) string {
	return fmt.Sprintf("%d.%03d", rate/10_000, rate%10_000/10)
}
