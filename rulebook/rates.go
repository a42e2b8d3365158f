package rulebook

import (
	"context"
	"fmt"
	"maps"
	"math/bits"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"mohur/audit"
	"mohur/parties"
	"mohur/problem"
	"mohur/risk"
	"mohur/settle"
)

// DefaultMaxAge is how long a rate is used after the end of its day: over a long
// week-end.
const DefaultMaxAge = 96 * time.Hour

// apart is how long after a rate the next one is a change of its own, if the bank's
// day is another one by then. What follows sooner, also over midnight, is one change.
const apart = 12 * time.Hour

// Rates are the rates of exchange as they stand: of each currency the newest.
type Rates struct {
	Date     string           `json:"date"` // of the newest, the bank's day
	Quotes   map[string]Quote `json:"quotes"`
	Source   string           `json:"source"`             // whose rates they are
	By       string           `json:"by"`                 // id of who sent the newest
	Checker  string           `json:"checker,omitempty"`  // id of who approved them
	Approval string           `json:"approval,omitempty"` // id of that approval
	At       time.Time        `json:"at"`
	Version  uint64           `json:"version"`
	MAC      []byte           `json:"mac,omitempty"`
}

// Quote is what one unit of a currency is worth.
type Quote struct {
	Rate   string    `json:"rate"` // AZN, decimal text
	Date   string    `json:"date"`
	Before string    `json:"before"`      // what a further change of the same sitting is measured against
	At     time.Time `json:"at,omitzero"` // when it was set, by the server's clock; zero: nobody knows
}

// SaveRates writes the rates if the stored ones have the version before them.
type SaveRates struct{ Rates Rates }

// RatesID is the id of the one record.
const RatesID = "rates"

// EffectKey names the record.
func (s SaveRates) EffectKey() string { return "rates/" + RatesID }

// quoted is a quote made ready.
type quoted struct {
	currency string
	rate     risk.Rate
	until    time.Time
}

// Rates are those that may be used at now: an older one counts as none. The map is
// not to be changed.
func (b *Book) Rates(now time.Time) risk.Rates {
	out := risk.Rates{}
	for _, q := range b.held.Load().quotes {
		if !now.After(q.until) {
			out[q.currency] = q.rate
		}
	}
	return out
}

// RatesNow are those that may be used now.
func (b *Book) RatesNow() risk.Rates { return b.Rates(b.Now()) }

// Until is when a quote of that day is too old.
func (b *Book) Until(date string) time.Time {
	day, err := time.ParseInLocation(time.DateOnly, date, b.Zone)
	if err != nil {
		return time.Time{}
	}
	return day.AddDate(0, 0, 1).Add(b.MaxAge)
}

// Quotes returns the rates as they were last read of the store.
func (b *Book) Quotes() Rates { return b.held.Load().rates }

// readRates reads the rates. Where that fails, those read before stay, and grow older.
func (b *Book) readRates(ctx context.Context, next, old *pages) error {
	if old != nil {
		next.rates, next.quotes = old.rates, old.quotes
	}
	rates, err := optional(b.Store.ExchangeRates(ctx))
	switch {
	case err != nil:
		return err
	case rates.Version == next.rates.Version:
		return nil
	case rates.Version < next.rates.Version:
		return unusable("the rates of exchange are older ones that were put back")
	}
	next.rates, next.quotes = rates, nil
	for _, currency := range slices.Sorted(maps.Keys(rates.Quotes)) {
		q := rates.Quotes[currency]
		places, known := b.Places(currency)
		micro, ok := micros(q.Rate)
		if known && ok {
			next.quotes = append(next.quotes, quoted{currency, fraction(micro, places), b.Until(q.Date)})
		}
	}
	return nil
}

// scale is the finest step of a rate: a millionth of a manat.
const scale = 1_000_000

var rateForm = regexp.MustCompile(`^(0|[1-9][0-9]{0,8})(\.[0-9]{1,6})?$`)

// micros reads a rate exactly, in millionths; false if it is none.
func micros(text string) (int64, bool) {
	if !rateForm.MatchString(text) {
		return 0, false
	}
	whole, frac, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole+(frac + "000000")[:6], 10, 64)
	return n, err == nil && n > 0
}

// fraction is a rate of minor units of a currency with so many decimal places, in
// lowest terms.
func fraction(micro int64, places int) risk.Rate {
	r := risk.Rate{Qepik: micro * 100, Per: scale}
	for range places {
		r.Per *= 10
	}
	a, b := r.Qepik, r.Per
	for b != 0 {
		a, b = b, a%b
	}
	return risk.Rate{Qepik: r.Qepik / a, Per: r.Per / a}
}

// RatesCommand sets rates of a day.
type RatesCommand struct {
	Caller   parties.Caller
	Date     string // the bank's day, 2026-11-22
	Rates    map[string]string
	Source   string
	TwoSaid  bool // a second person has approved it, or none is asked for
	Checker  string
	Approval string
}

// Change is what became of one currency.
type Change struct {
	From string `json:"from,omitempty"` // "" : there was none
	To   string `json:"to"`
}

// CheckRates refuses what cannot be a list of rates.
func (b *Book) CheckRates(cmd RatesCommand) error { return b.checkRates(cmd, b.Quotes()) }

func (b *Book) checkRates(cmd RatesCommand, stand Rates) error {
	var c problem.Check
	today := b.Now().In(b.Zone).Format(time.DateOnly)
	day, err := time.Parse(time.DateOnly, cmd.Date)
	c.Unless(err == nil && day.Format(time.DateOnly) == cmd.Date, "date", "needs to be a day such as "+today)
	c.Unless(cmd.Date <= today, "date", "is still to come; today is "+today)
	c.Unless(cmd.Date >= stand.Date, "date", "is before "+stand.Date+", of which there are rates already")
	c.Unless(printable(cmd.Source), "source", "needs to say whose rates they are: 1 to 64 printable characters")
	c.Unless(len(cmd.Rates) > 0, "rates", "needs at least one currency")
	for _, currency := range slices.Sorted(maps.Keys(cmd.Rates)) {
		name := fmt.Sprintf("%.8s", currency) // by characters
		_, known := b.Places(currency)
		c.Unless(known && currency != risk.Home, "rates."+name, "is not a currency with a rate; it needs to be an ISO 4217 code that the server knows, such as USD")
		_, ok := micros(cmd.Rates[currency])
		c.Unless(ok, "rates."+name, `needs to be what one unit is worth in AZN: decimal text with at most six places, more than zero, such as "1.7000"`)
	}
	return c.Err()
}

// Jumps lists the currencies whose rate waits for a second person: it differs by more
// than a tenth from the last one that was set on a day before, by the server's clock,
// or there was none to compare it with.
func (b *Book) Jumps(ctx context.Context, cmd RatesCommand) ([]string, error) {
	stand, err := optional(b.Store.ExchangeRates(ctx))
	if err != nil {
		return nil, problem.Away(err)
	}
	return b.jumps(cmd, stand, b.Now()), nil
}

func (b *Book) jumps(cmd RatesCommand, stand Rates, now time.Time) []string {
	var out []string
	for _, currency := range slices.Sorted(maps.Keys(cmd.Rates)) {
		was, had := micros(b.measure(stand.Quotes[currency], now))
		is, ok := micros(cmd.Rates[currency])
		if !had || !ok || far(was, is) {
			out = append(out, currency)
		}
	}
	return out
}

// measure is what a rate that is set now is compared with: many small steps in one
// sitting are one step, whatever days they are said to be of.
func (b *Book) measure(q Quote, now time.Time) string {
	same := now.In(b.Zone).Format(time.DateOnly) == q.At.In(b.Zone).Format(time.DateOnly)
	if q.At.IsZero() || same || now.Sub(q.At) < apart {
		return q.Before
	}
	return q.Rate
}

// far reports whether two rates differ by more than a tenth of the first.
func far(was, is int64) bool {
	d := max(was-is, is-was)
	hi, lo := bits.Mul64(uint64(d), 10)
	return hi > 0 || lo > uint64(was)
}

// SetRates stores rates. Currencies that are left out keep theirs, which grow older.
func (b *Book) SetRates(ctx context.Context, cmd RatesCommand) (Rates, error) {
	stand, err := optional(b.Store.ExchangeRates(ctx))
	if err != nil {
		return Rates{}, problem.Away(err)
	}
	if err := b.checkRates(cmd, stand); err != nil {
		return Rates{}, err
	}
	now := b.Now()
	if j := b.jumps(cmd, stand, now); len(j) > 0 && !cmd.TwoSaid {
		return Rates{}, problem.New(problem.Conflict, fmt.Sprintf("the rates were changed meanwhile, and %s now waits for a second person; send them again", strings.Join(j, ", ")))
	}
	next := Rates{
		Date: cmd.Date, Quotes: maps.Clone(stand.Quotes), Source: cmd.Source, By: cmd.Caller.ID, Checker: cmd.Checker, Approval: cmd.Approval,
		At: now.UTC(), Version: stand.Version + 1,
	}
	if next.Quotes == nil {
		next.Quotes = map[string]Quote{}
	}
	changes := map[string]Change{}
	for currency, rate := range cmd.Rates {
		was := stand.Quotes[currency]
		q := Quote{Rate: rate, Date: cmd.Date, Before: b.measure(was, now), At: now.UTC()}
		if cmd.TwoSaid {
			q.Before = rate
		}
		next.Quotes[currency], changes[currency] = q, Change{From: was.Rate, To: rate}
	}
	r, err := settle.Write(ctx, b.Settler, b.Audit, []settle.Effect{SaveRates{next}}, []audit.Event{b.event(cmd.Caller, "rates.set", "set", b.InForce().Version, map[string]any{
		"date": cmd.Date, "rates": changes, "rates_source": cmd.Source, "checker": cmd.Checker, "approval": cmd.Approval,
	})})
	if err != nil {
		return Rates{}, err
	}
	b.turn(ctx)
	if r.Outcome != settle.Done {
		return Rates{}, problem.New(problem.Conflict, "the rates were changed by somebody else meanwhile; send them again")
	}
	return next, nil
}
