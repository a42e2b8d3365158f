package payment

import (
	"cmp"
	"context"
	"errors"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"sync"
	"time"

	"mohur/audit"
	"mohur/parties"
	"mohur/problem"
	"mohur/risk"
	"mohur/settle"
)

// What payments without a proof come to, and how much of all was fraud, is counted by
// day, by band and by what let them go (RTS Art. 19 and 21). A payment is counted when
// it is approved, and its count given back if it is not made.
const (
	sharePrefix  = "share/"
	shareKeep    = 400 * 24 * time.Hour
	fraudDays    = 90
	provenGround = "sca"
)

// FraudGround is the ground of a Ground that tells what was fraudulent.
const FraudGround = "fraud"

// grounds are what a payment can be approved by.
var grounds = []string{provenGround, "low_value", "trusted_payee", "recurring", "own_account", "tra"}

// aboveBands is the band of what is above the highest one.
const aboveBands = math.MaxInt64

// bands are the thresholds that payments are counted by: those of the policy, or the
// reference ones while it has none, so that a bank knows its rates before it uses them.
func (s *Service) bands() []int64 {
	of := s.Policy().Exemptions.TRA
	if len(of) == 0 {
		of = risk.ReferenceBands()
	}
	var out []int64
	for _, b := range of {
		out = append(out, b.UpTo)
	}
	return append(out, aboveBands)
}

// shareKey names a running sum: of a day of the bank's clock, a band and a share.
func shareKey(day string, band int64, share, what string) string {
	return sharePrefix + day + "/" + strconv.FormatInt(band, 10) + "/" + share + "/" + what
}

// count takes the payment into what the bank's rates are computed from.
func (x *draft) count() {
	day, bands := x.now.In(x.service.Zone), x.service.bands()
	i, _ := slices.BinarySearch(bands, x.t.Home)
	x.t.Counted = Counted{Day: day.Format(time.DateOnly), Band: bands[i], Ground: cmp.Or(x.t.Exemption, provenGround)}
	x.effects = append(x.effects, x.t.Counted.add(x.t.Home)...)
}

// Counted says where a payment was counted; the zero value: nowhere.
type Counted struct {
	Day    string `json:"day"` // of the bank's clock
	Band   int64  `json:"band"`
	Ground string `json:"ground"` // what approved it: sca, or the exemption
}

func (c Counted) add(amount int64) []settle.Effect {
	var out []settle.Effect
	for what, n := range map[string]int64{"sum": amount, "count": 1} {
		out = append(out, settle.Reserve{Key: shareKey(c.Day, c.Band, c.Ground, what), Amount: n, Ceiling: math.MaxInt64, Until: c.until()})
	}
	return out
}

func (c Counted) take(amount int64) []settle.Effect {
	var out []settle.Effect
	for what, n := range map[string]int64{"sum": amount, "count": 1} {
		out = append(out, settle.Release{Key: shareKey(c.Day, c.Band, c.Ground, what), Amount: n})
	}
	return out
}

// until is when the sums of a day are forgotten.
func (c Counted) until() time.Time {
	day, err := time.Parse(time.DateOnly, c.Day)
	if err != nil {
		return time.Time{}
	}
	return day.Add(shareKeep)
}

// discount takes a payment that was not made out of the counts.
func (x *draft) discount() {
	if x.t.Counted == (Counted{}) {
		return
	}
	x.effects = append(x.effects, x.t.Counted.take(x.t.Home)...)
	if c := x.t.Counted; x.t.Fraud != nil {
		c.Ground = FraudGround
		x.effects = append(x.effects, c.take(x.t.Home)...)
	}
	x.t.Counted = Counted{}
}

// FraudMark says that the bank has found a payment to be fraudulent.
type FraudMark struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
}

// Fraud records that a payment was fraudulent, or that it was not after all. Its value
// counts on the day of the payment (RTS Art. 19).
func (s *Service) Fraud(ctx context.Context, by parties.Caller, id string, found bool, reason string) (View, error) {
	if err := needReason(reason); err != nil {
		return View{}, err
	}
	name := map[bool]string{true: "transaction.fraud", false: "transaction.fraud-withdrawn"}[found]
	return s.change(ctx, by, id, name, func(x *draft) error {
		switch {
		case x.t.Counted == (Counted{}):
			return problem.New(problem.Conflict, "the payment was never approved, or not made: it is "+string(x.t.State))
		case found == (x.t.Fraud != nil):
			return problem.New(problem.Conflict, "that is on record already")
		}
		c := x.t.Counted
		c.Ground = FraudGround
		if !found {
			x.t.Fraud = nil
			x.effects = append(x.effects, c.take(x.t.Home)...)
			return nil
		}
		x.t.Fraud = &FraudMark{At: x.now.UTC(), By: by.ID, Reason: reason}
		x.effects = append(x.effects, c.add(x.t.Home)...)
		return nil
	})
}

// tally is what the payments of some days came to.
type tally struct{ sum, count int64 }

// tallied reads the sums of the days from first to last, by share.
func (s *Service) tallied(ctx context.Context, band int64, first, last time.Time) (map[string]tally, error) {
	out := map[string]tally{}
	for day := first; !day.After(last); day = day.AddDate(0, 0, 1) {
		for _, share := range append([]string{FraudGround}, grounds...) {
			t := out[share]
			for what, n := range map[string]*int64{"sum": &t.sum, "count": &t.count} {
				v, err := s.Store.Reserved(ctx, shareKey(day.Format(time.DateOnly), band, share, what), s.Now())
				if err != nil {
					return nil, problem.Away(err)
				}
				if *n += v; *n < 0 {
					*n = math.MaxInt64
				}
			}
			out[share] = t
		}
	}
	return out, nil
}

// all is what they came to together, fraudulent or not.
func all(of map[string]tally) (t tally) {
	for _, share := range grounds {
		t.sum, t.count = saturated(t.sum, of[share].sum), t.count+of[share].count
	}
	return t
}

func saturated(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// rateCache keeps the fraud rates for a minute.
type rateCache struct {
	mu    sync.Mutex
	at    time.Time
	rates []risk.FraudRate
}

// ratesFor is how long computed rates are used.
const ratesFor = time.Minute

// fraudRates are what the bank's payments of the last 90 days came to, by band of the
// policy. While there are not yet 90 days, or a part is away, nobody knows, and nothing
// is exempt by them. Of a band's own rate and that of all payments (Art. 19(1)) the
// higher one counts.
func (s *Service) fraudRates(ctx context.Context) []risk.FraudRate {
	bands := s.Policy().Exemptions.TRA
	if len(bands) == 0 {
		return nil
	}
	s.rates.mu.Lock()
	defer s.rates.mu.Unlock()
	now := s.Now()
	if age := now.Sub(s.rates.at); age >= 0 && age < ratesFor && !s.rates.at.IsZero() {
		return s.rates.rates
	}
	rates, err := s.ratesOf(ctx, bands, now)
	if err != nil {
		return nil
	}
	s.rates.at, s.rates.rates = now, rates
	return rates
}

func (s *Service) ratesOf(ctx context.Context, bands []risk.Band, now time.Time) ([]risk.FraudRate, error) {
	state, err := s.analysis(ctx)
	if err != nil || state.Since.IsZero() || now.Before(state.Since.AddDate(0, 0, fraudDays)) {
		return nil, err
	}
	today := now.In(s.Zone)
	out, whole := make([]risk.FraudRate, 0, len(bands)), risk.FraudRate{}
	for _, band := range s.bands() {
		of, err := s.tallied(ctx, band, today.AddDate(0, 0, -fraudDays), today)
		if err != nil {
			return nil, err
		}
		r := risk.FraudRate{UpTo: band, Fraud: of[FraudGround].sum, Total: all(of).sum, Stopped: state.stopped(band)}
		whole.Fraud, whole.Total = saturated(whole.Fraud, r.Fraud), saturated(whole.Total, r.Total)
		if band != aboveBands {
			out = append(out, r)
		}
	}
	for i, r := range out {
		if higher(whole, r) {
			out[i].Fraud, out[i].Total = whole.Fraud, whole.Total
		}
	}
	return out, nil
}

// higher reports whether one rate is higher than another, exactly. What has no
// payments has no rate, and is the highest.
func higher(a, b risk.FraudRate) bool {
	if a.Total == 0 || b.Total == 0 {
		return b.Total != 0
	}
	ah, al := bits.Mul64(uint64(a.Fraud), uint64(b.Total))
	bh, bl := bits.Mul64(uint64(b.Fraud), uint64(a.Total))
	return ah > bh || ah == bh && al > bl
}

// Analysis is what the bank knows of its transaction risk analysis: one record.
type Analysis struct {
	ID       string    `json:"id"`
	Since    time.Time `json:"since"` // payments are counted since then
	Quarters []Quarter `json:"quarters,omitempty"`
	Stopped  []int64   `json:"stopped,omitempty"` // bands that have lost the exemption
	Version  uint64    `json:"version"`
	MAC      []byte    `json:"mac,omitempty"`
}

// Quarter is what the payments of a band came to in a quarter of a year.
type Quarter struct {
	Name  string `json:"name"` // "2026Q4"
	Band  int64  `json:"band"` // qəpik
	Fraud int64  `json:"fraud"`
	Total int64  `json:"total"`
	Above bool   `json:"above"` // the rate was above the reference
}

// AnalysisID is the id of the one record there is.
const AnalysisID = "tra"

// SaveAnalysis writes the record if the stored one has the version before it.
type SaveAnalysis struct{ Analysis Analysis }

// EffectKey names the record.
func (s SaveAnalysis) EffectKey() string { return "analysis/" + s.Analysis.ID }

func (a Analysis) stopped(band int64) bool { return slices.Contains(a.Stopped, band) }

// analysis returns the record, an empty one where there is none yet.
func (s *Service) analysis(ctx context.Context) (Analysis, error) {
	a, err := s.Store.Analysis(ctx, AnalysisID)
	if errors.Is(err, parties.ErrNotFound) {
		return Analysis{ID: AnalysisID}, nil
	}
	if err != nil {
		return Analysis{}, problem.Away(err)
	}
	return a, nil
}

func (s *Service) bankEvent(by parties.Caller, name, outcome, reason string, detail map[string]any) audit.Event {
	return audit.Event{Name: name, Outcome: outcome, Reason: reason, Policy: s.Policy().Version, Caller: by.ID, Request: by.Request, Detail: detail}
}
