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

// countedQuarters are those that are computed anew, for which the sums are kept;
// keptQuarters bounds what is remembered, by band.
const (
	countedQuarters = 4
	keptQuarters    = 48
)

// CloseQuarters looks at the last quarters that have ended and were counted from their
// first day: anew each time, for fraud is found late. A band of the policy in force whose
// rate was above its reference in two of them in succession loses the exemption, once,
// with an incident (RTS Art. 20).
func (s *Service) CloseQuarters(ctx context.Context, by parties.Caller) error {
	a, err := s.analysis(ctx)
	if err != nil {
		return err
	}
	bands := s.bands()
	bands = bands[:len(bands)-1]
	var effects []settle.Effect
	var events []audit.Event
	if !slices.Equal(a.Bands, bands) { // what was counted by others says nothing of these
		a.Bands, a.Since = bands, s.Now().UTC()
		events = append(events, s.bankEvent(by, "exemption.counted", "begun", "", map[string]any{"bands": bands}))
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
	_, err = s.settle(ctx, append([]settle.Effect{SaveAnalysis{a}}, effects...), events...)
	return err // Stale: another node has done it
}

// closed brings what is known of the quarters that have ended up to date, and ends the
// exemption of bands by them. It returns what has changed.
func (s *Service) closed(ctx context.Context, a *Analysis) (changed, lost []Quarter, err error) {
	bands := s.Policy().Exemptions.TRA
	_, present := quarterOf(s.Now().In(s.Zone))
	for first := present.AddDate(0, -3*countedQuarters, 0); first.Before(present); first = first.AddDate(0, 3, 0) {
		if first.Before(a.Since) {
			continue
		}
		former, _ := quarterOf(first.AddDate(0, -3, 0))
		for i, band := range bands {
			q, err := s.quarter(ctx, first, band)
			if err != nil {
				return nil, nil, err
			}
			if a.put(q) {
				changed = append(changed, q)
			}
			before := a.quarter(former, band.UpTo)
			if q.Above && before != nil && before.Above && q.Name > a.givenBack(band.UpTo) && !a.stopped(span(bands, i)) {
				a.Stopped, lost = append(slices.Clone(a.Stopped), span(bands, i)), append(lost, q)
			}
		}
	}
	return changed, lost, nil
}

// quarter computes what the payments of a band came to in the quarter that begins on a
// day.
func (s *Service) quarter(ctx context.Context, first time.Time, band risk.Band) (Quarter, error) {
	name, _ := quarterOf(first)
	of, err := s.tallied(ctx, band.UpTo, first, first.AddDate(0, 3, -1))
	if err != nil {
		return Quarter{}, err
	}
	q := Quarter{Name: name, Band: band.UpTo, Fraud: of[FraudGround].sum, Total: all(of).sum}
	q.Above = q.Fraud > 0 && !risk.Within(q.Fraud, q.Total, band.Rate)
	return q, nil
}

// put keeps a quarter, and reports whether it says anything new of it.
func (a *Analysis) put(q Quarter) (news bool) {
	if have := a.quarter(q.Name, q.Band); have != nil {
		if *have == q {
			return false
		}
		a.Quarters = slices.Clone(a.Quarters)
		*a.quarter(q.Name, q.Band) = q
		return true
	}
	a.Quarters = append(slices.Clone(a.Quarters), q)
	if n := len(a.Quarters) - keptQuarters; n > 0 {
		a.Quarters = a.Quarters[n:]
	}
	return true
}

func (a *Analysis) quarter(name string, band int64) *Quarter {
	i := slices.IndexFunc(a.Quarters, func(q Quarter) bool { return q.Name == name && q.Band == band })
	if i < 0 {
		return nil
	}
	return &a.Quarters[i]
}

// givenBack is the quarter up to which a band has been looked at by people.
func (a *Analysis) givenBack(band int64) (quarter string) {
	for _, g := range a.Back {
		if g.UpTo >= band && g.Quarter > quarter {
			quarter = g.Quarter
		}
	}
	return quarter
}

// GiveBack lets a band be exempt again after a quarter within its reference, as that is
// known now. band is the highest amount of what was lost, in qəpik.
func (s *Service) GiveBack(ctx context.Context, by parties.Caller, band int64, reason string) (Analysis, error) {
	if err := needReason(reason); err != nil {
		return Analysis{}, err
	}
	a, err := s.analysis(ctx)
	if err != nil {
		return Analysis{}, err
	}
	at := slices.IndexFunc(a.Stopped, func(l Lost) bool { return l.UpTo == band })
	if at < 0 {
		return Analysis{}, problem.New(problem.Conflict, "payments of this band have not lost their exemption")
	}
	name, err := s.within(ctx, a, a.Stopped[at])
	if err != nil {
		return Analysis{}, err
	}
	a.Stopped = slices.Delete(slices.Clone(a.Stopped), at, at+1)
	a.Back = append(slices.Clone(a.Back), Given{UpTo: band, Quarter: name})
	a.Version++
	r, err := s.settle(ctx, []settle.Effect{SaveAnalysis{a}}, s.bankEvent(by, "exemption.given-back", FromMinor(band, risk.Home).Value, "", map[string]any{"reason": reason, "band": band, "quarter": name}))
	if err != nil {
		return Analysis{}, err
	}
	if r.Outcome != settle.Done {
		return Analysis{}, errContended
	}
	return a, nil
}

// within returns the last quarter if every band that has payments of the lost one was
// within its reference in it.
func (s *Service) within(ctx context.Context, a Analysis, lost Lost) (quarter string, err error) {
	_, present := quarterOf(s.Now().In(s.Zone))
	first := present.AddDate(0, -3, 0)
	name, _ := quarterOf(first)
	refused := problem.New(problem.Conflict, "the fraud rate of "+name+" was above the reference, or is not known: wait for a quarter within it")
	bands := s.Policy().Exemptions.TRA
	if first.Before(a.Since) || len(bands) == 0 {
		return "", refused
	}
	for i, b := range bands {
		if (Analysis{Stopped: []Lost{lost}}).stopped(span(bands, i)) {
			q, err := s.quarter(ctx, first, b)
			if err != nil {
				return "", err
			}
			if q.Above || q.Total == 0 {
				return "", refused
			}
		}
	}
	return name, nil
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
