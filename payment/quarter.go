package payment

import (
	"context"
	"fmt"
	"slices"
	"time"

	"mohur/audit"
	"mohur/ident"
	"mohur/incident"
	"mohur/parties"
	"mohur/problem"
	"mohur/risk"
	"mohur/settle"
)

// quarterOf is the quarter of a year a day lies in: its name and its first day.
func quarterOf(day time.Time) (name string, first time.Time) {
	q := (int(day.Month()) - 1) / 3
	return fmt.Sprintf("%dQ%d", day.Year(), q+1), time.Date(day.Year(), time.Month(3*q+1), 1, 0, 0, 0, 0, day.Location())
}

// keptQuarters bounds what is remembered of the past.
const keptQuarters = 16

// CloseQuarters looks at the quarters that have ended and were counted from their first
// day. A band of the policy in force whose rate was above its reference in two of them
// in succession loses the exemption, once, with an incident (RTS Art. 20).
func (s *Service) CloseQuarters(ctx context.Context, by parties.Caller) error {
	a, err := s.analysis(ctx)
	if err != nil {
		return err
	}
	var effects []settle.Effect
	var events []audit.Event
	if a.Version == 0 {
		a.Since = s.Now().UTC()
		events = append(events, s.bankEvent(by, "exemption.counted", "begun", "", nil))
	}
	closed, lost, err := s.closed(ctx, &a)
	if err != nil {
		return err
	}
	for _, q := range closed {
		events = append(events, s.bankEvent(by, "exemption.quarter", q.Name, map[bool]string{true: "above", false: "within"}[q.Above], map[string]any{"quarter": q}))
	}
	for _, q := range lost {
		in := incident.Incident{
			ID: ident.New("in"), Kind: "exemption.stopped", Service: "n/a", Reference: "n/a", Cause: "fraud-rate-above-reference", At: s.Now().UTC(), State: "open", Version: 1,
			Content: fmt.Sprintf("payments up to %s AZN are not exempt by their risk any more: the fraud rate was above the reference for two quarters, to %s", FromMinor(q.Band, risk.Home).Value, q.Name),
		}
		effects = append(effects, incident.Save{Incident: in})
		events = append(events, s.bankEvent(by, "incident.opened", "open", in.Kind, map[string]any{"incident": in}))
	}
	if len(events) == 0 {
		return nil
	}
	a.Version++
	r, err := s.settle(ctx, append([]settle.Effect{SaveAnalysis{a}}, effects...), events...)
	if err != nil || r.Outcome == settle.Done {
		s.forgetRates()
	}
	return err // Stale: another node has done it
}

func (s *Service) forgetRates() {
	s.rates.mu.Lock()
	defer s.rates.mu.Unlock()
	s.rates.at = time.Time{}
}

// closed adds the quarters that have ended to what is known, and the bands that have lost
// their exemption by them.
func (s *Service) closed(ctx context.Context, a *Analysis) (closed, lost []Quarter, err error) {
	bands := s.Policy().Exemptions.TRA
	_, present := quarterOf(s.Now().In(s.Zone))
	for first := present.AddDate(0, -3*keptQuarters/2, 0); first.Before(present); first = first.AddDate(0, 3, 0) {
		if first.Before(a.Since) {
			continue
		}
		name, _ := quarterOf(first)
		for _, band := range bands {
			if a.quarter(name, band.UpTo) != nil {
				continue
			}
			of, err := s.tallied(ctx, band.UpTo, first, first.AddDate(0, 3, -1))
			if err != nil {
				return nil, nil, err
			}
			q := Quarter{Name: name, Band: band.UpTo, Fraud: of[FraudGround].sum, Total: all(of).sum}
			q.Above = q.Fraud > 0 && !risk.Within(q.Fraud, q.Total, band.Rate)
			former, _ := quarterOf(first.AddDate(0, -3, 0))
			if before := a.quarter(former, band.UpTo); q.Above && before != nil && before.Above && !a.stopped(band.UpTo) {
				a.Stopped, lost = append(a.Stopped, band.UpTo), append(lost, q)
			}
			a.Quarters, closed = append(a.Quarters, q), append(closed, q)
		}
	}
	if n := len(a.Quarters) - keptQuarters*max(len(bands), 1); n > 0 {
		a.Quarters = a.Quarters[n:]
	}
	return closed, lost, nil
}

func (a Analysis) quarter(name string, band int64) *Quarter {
	i := slices.IndexFunc(a.Quarters, func(q Quarter) bool { return q.Name == name && q.Band == band })
	if i < 0 {
		return nil
	}
	return &a.Quarters[i]
}

// GiveBack lets a band be exempt again after a quarter within its reference.
func (s *Service) GiveBack(ctx context.Context, by parties.Caller, band int64, reason string) (Analysis, error) {
	if err := needReason(reason); err != nil {
		return Analysis{}, err
	}
	a, err := s.analysis(ctx)
	if err != nil {
		return Analysis{}, err
	}
	if !a.stopped(band) {
		return Analysis{}, problem.New(problem.Conflict, "payments of this band have not lost their exemption")
	}
	name, first := quarterOf(s.Now().In(s.Zone))
	name, _ = quarterOf(first.AddDate(0, -3, 0))
	if last := a.quarter(name, band); last == nil || last.Above {
		return Analysis{}, problem.New(problem.Conflict, "the fraud rate of "+name+" was above the reference, or is not known: wait for a quarter within it")
	}
	a.Stopped = slices.DeleteFunc(slices.Clone(a.Stopped), func(b int64) bool { return b == band })
	a.Version++
	r, err := s.settle(ctx, []settle.Effect{SaveAnalysis{a}}, s.bankEvent(by, "exemption.given-back", FromMinor(band, risk.Home).Value, "", map[string]any{"reason": reason, "band": band}))
	if err != nil {
		return Analysis{}, err
	}
	if r.Outcome != settle.Done {
		return Analysis{}, errContended
	}
	s.forgetRates()
	return a, nil
}

// Ground is a line of the report of RTS Art. 21: what approved payments, and how many.
type Ground struct {
	Quarter string
	Band    int64  // qəpik; AboveBands: above the highest
	By      string // sca, the exemption, or fraud
	Sum     int64  // qəpik
	Count   int64
}

// AboveBands is the band of a Ground above the highest band.
const AboveBands = aboveBands

// Grounds reports what payments of the quarters from one day to another were approved
// by, and how the analysis stands.
func (s *Service) Grounds(ctx context.Context, from, to time.Time) ([]Ground, Analysis, error) {
	analysis, err := s.analysis(ctx)
	if err != nil {
		return nil, Analysis{}, err
	}
	_, first := quarterOf(from.In(s.Zone))
	out := []Ground{}
	for ; !first.After(to); first = first.AddDate(0, 3, 0) {
		name, _ := quarterOf(first)
		for _, band := range s.bands() {
			of, err := s.tallied(ctx, band, first, first.AddDate(0, 3, -1))
			if err != nil {
				return nil, Analysis{}, err
			}
			for _, by := range append(slices.Clone(grounds), FraudGround) {
				if t := of[by]; t != (tally{}) {
					out = append(out, Ground{Quarter: name, Band: band, By: by, Sum: t.sum, Count: t.count})
				}
			}
		}
	}
	return out, analysis, nil
}
