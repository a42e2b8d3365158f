package payment

import (
	"context"
	"errors"
	"math/bits"
	"slices"
	"sync"
	"time"

	"mohur/audit"
	"mohur/parties"
	"mohur/problem"
	"mohur/risk"
)

// Analysis is what the bank knows of its transaction risk analysis: one record.
type Analysis struct {
	ID       string    `json:"id"`
	Bands    []int64   `json:"bands"` // payments are counted by these thresholds, qəpik,
	Since    time.Time `json:"since"` // since then
	Quarters []Quarter `json:"quarters,omitempty"`
	Stopped  []Lost    `json:"stopped,omitempty"`
	Back     []Given   `json:"back,omitempty"` // what was given back, by when
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

// Lost is a band that has lost the exemption: of payments above Over to UpTo, qəpik,
// whatever the bands of a later policy are.
type Lost struct {
	Over int64 `json:"over"`
	UpTo int64 `json:"up_to"`
}

// Given is a band that got the exemption back: quarters to this one do not end it again.
type Given struct {
	UpTo    int64  `json:"up_to"`
	Quarter string `json:"quarter"`
}

// AnalysisID is the id of the one record there is.
const AnalysisID = "tra"

// SaveAnalysis writes the record if the stored one has the version before it.
type SaveAnalysis struct{ Analysis Analysis }

// EffectKey names the record.
func (s SaveAnalysis) EffectKey() string { return "analysis/" + s.Analysis.ID }

// stopped reports whether a band has payments in it that lost the exemption.
func (a Analysis) stopped(band Lost) bool {
	return slices.ContainsFunc(a.Stopped, func(l Lost) bool { return l.Over < band.UpTo && band.Over < l.UpTo })
}

// span is a band as the policy has it, with where it begins.
func span(bands []risk.Band, i int) Lost {
	l := Lost{UpTo: bands[i].UpTo}
	if i > 0 {
		l.Over = bands[i-1].UpTo
	}
	return l
}

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

// rates are the sums behind the fraud rates, as they were computed last. Decisions read
// them and never compute them.
type rates struct {
	mu   sync.Mutex
	at   time.Time
	sums []risk.FraudRate // by band of Analysis.Bands
}

// ratesFor is how long computed rates are used.
const ratesFor = 5 * time.Minute

// RefreshRates computes what the bank's payments of the last 90 days came to, by band.
// Of a band's own rate and that of all payments (RTS Art. 19(1)) the higher one counts.
func (s *Service) RefreshRates(ctx context.Context) error {
	if len(s.Policy().Exemptions.TRA) == 0 {
		return nil
	}
	now, whole := s.Now(), risk.FraudRate{}
	today := now.In(s.Zone)
	var out []risk.FraudRate
	for _, band := range s.bands() {
		of, err := s.tallied(ctx, band, today.AddDate(0, 0, -fraudDays), today)
		if err != nil {
			return err
		}
		r := risk.FraudRate{UpTo: band, Fraud: of[FraudGround].sum, Total: all(of).sum}
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
	s.rates.mu.Lock()
	defer s.rates.mu.Unlock()
	s.rates.at, s.rates.sums = now, out
	return nil
}

// fraudRates are the rates by the policy's bands. While payments have not been counted by
// just these for 90 days, or nobody has computed them lately, they are not known, and
// nothing is exempt by them.
func (x *draft) fraudRates() []risk.FraudRate {
	s := x.service
	bands := s.Policy().Exemptions.TRA
	if len(bands) == 0 {
		return nil
	}
	a, err := s.analysis(x.ctx)
	if err != nil || a.Since.IsZero() || x.now.Before(a.Since.AddDate(0, 0, fraudDays)) || !slices.Equal(a.Bands, thresholds(bands)) {
		return nil
	}
	s.rates.mu.Lock()
	defer s.rates.mu.Unlock()
	if age := x.now.Sub(s.rates.at); s.rates.at.IsZero() || age < 0 || age > ratesFor || len(s.rates.sums) != len(bands) {
		return nil
	}
	out := slices.Clone(s.rates.sums)
	for i := range out {
		if out[i].UpTo != bands[i].UpTo {
			return nil // computed by those of another policy
		}
		out[i].Stopped = a.stopped(span(bands, i))
	}
	return out
}

func thresholds(bands []risk.Band) []int64 {
	out := make([]int64, 0, len(bands))
	for _, b := range bands {
		out = append(out, b.UpTo)
	}
	return out
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

func (s *Service) bankEvent(by parties.Caller, name, outcome, reason string, detail map[string]any) audit.Event {
	return audit.Event{Name: name, Outcome: outcome, Reason: reason, Policy: s.Policy().Version, Caller: by.ID, Request: by.Request, Detail: detail}
}
