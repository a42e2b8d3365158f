package bolt

import (
	"context"
	"fmt"

	"mohur/approval"
	"mohur/audit"
	"mohur/authn"
	"mohur/authn/pin"
	"mohur/ca"
	"mohur/compromised"
	"mohur/custody"
	"mohur/enrollment"
	"mohur/incident"
	"mohur/notify"
	"mohur/parties"
	"mohur/payment"
	"mohur/rulebook"
	"mohur/settle"
	"mohur/store"
	"mohur/tokens"
)

// change makes an effect ready. This is the whole list of what can change.
func (s *Store) change(e settle.Effect) (change, error) {
	switch e := e.(type) {
	case settle.SwapHot:
		return swapHot(e.Hot)
	case settle.RequireHot:
		return requireHot(e), nil
	case settle.Quarantine:
		return quarantine(e.Hot)
	case settle.Reserve:
		return s.reserve(e)
	case settle.Release:
		return release(e)
	case settle.Remember:
		return s.remember(e)
	case parties.SaveCustomer:
		return customers.save(&e.Customer)
	case parties.RequireCustomer:
		return customers.require(e.ID, e.Version), nil
	case parties.SaveClient:
		return clients.save(&e.Client)
	case parties.RequireClient:
		return clients.require(e.ID, e.Version), nil
	case parties.SaveHolder:
		return holders.save(&e.Holder)
	case parties.RequireHolder:
		return holders.require(e.ID, e.Version), nil
	case parties.RequireNoHolder:
		return noHolder(e.ID), nil
	case tokens.SaveToken:
		return tokenRecords.save(&e.Token)
	case tokens.NameToken:
		return nameToken(e)
	case tokens.AddCredential:
		return addCredential(e)
	case approval.Save:
		return approvals.save(&e.Approval)
	case custody.SaveHalf:
		return halves.save(&e.Half)
	case custody.RemoveHalf:
		return removeHalf(e), nil
	case rulebook.SavePolicy:
		return adoptedPolicies.save(&e.Policy)
	case rulebook.SaveHead:
		return policyHeads.save(&e.Head)
	case rulebook.SaveShadow:
		return shadowPolicies.save(&e.Shadow)
	case rulebook.SaveRates:
		return exchangeRates.save(&e.Rates)
	case ca.SaveAuthority:
		return authorities.save(&e.Authority)
	case ca.SaveCertificate:
		return saveCertificate(e.Certificate)
	case tokens.SaveMetadata:
		return metadata.save(&e.Metadata)
	case tokens.SavePermit:
		return permits.save(&e.Permit)
	case tokens.SaveImport:
		return imports.save(&e.Import)
	case pin.Save:
		return pins.save(&e.Record)
	case enrollment.SaveSecret:
		return secrets.save(&e.Secret)
	case authn.SaveAttempt:
		return attempts.save(&e.Attempt)
	case authn.SaveActivity:
		return activities.save(&e.Activity)
	case authn.SaveSession:
		return sessions.save(&e.Session)
	case authn.RequireSession:
		return sessions.require(e.ID, e.Version), nil
	case payment.SaveTransaction:
		return saveTransaction(e.Transaction)
	case payment.SaveLimits:
		return limits.save(&e.Limits)
	case payment.KeepDecision:
		return keepDecision(e.Decision), nil
	case payment.SaveVelocity:
		return velocities.save(&e.Velocity)
	case payment.SavePayeeHistory:
		return payeeHistories.save(&e.History)
	case compromised.Save:
		return compromisedList.save(&e.Record)
	case payment.SavePayeeList:
		return payeeLists.save(&e.List)
	case payment.RequirePayeeList:
		return payeeLists.require(e.ID, e.Version), nil
	case payment.SaveSeries:
		return series.save(&e.Series)
	case payment.RequireSeries:
		return series.require(e.ID, e.Version), nil
	case payment.SaveAnalysis:
		return analyses.save(&e.Analysis)
	case incident.Save:
		return incidents.save(&e.Incident)
	case notify.Queue:
		return notices.save(&e.Notice)
	}
	return nil, store.ErrUnknownEffect
}

// command is a settle.Command made ready.
type command struct {
	effects []settle.Effect
	changes []change
	entries []audit.Draft
	node    string
}

// Settle implements settle.Store. Once it has begun to wait it is not taken
// back: if the context ends first, the error wraps store.ErrOutcomeUnknown and
// the context's, and the write may have happened or may still happen.
func (s *Store) Settle(ctx context.Context, c settle.Command) (settle.Result, error) {
	ready, err := s.ready(c)
	if err != nil {
		return settle.Result{}, err
	}
	// Not the caller's variable: a caller who has left may not be written to.
	result := new(settle.Result)
	err = s.submit(ctx, request{
		key:    ready.key(),
		weight: len(c.Effects) + len(c.Entries),
		run: func(w *writing) (done bool, err error) {
			*result, err = ready.run(w)
			return result.Outcome == settle.Done, err
		},
	})
	if err != nil {
		return settle.Result{}, err
	}
	return *result, nil
}

func (s *Store) ready(c settle.Command) (command, error) {
	if len(c.Entries) == 0 {
		return command{}, store.ErrNoEntry
	}
	ready := command{effects: c.Effects, entries: c.Entries, node: s.node}
	ready.changes = make([]change, len(c.Effects))
	for i, e := range c.Effects {
		change, err := s.change(e)
		if err != nil {
			return command{}, fmt.Errorf("store: effect %d, %T: %w", i, e, err)
		}
		ready.changes[i] = change
	}
	return ready, nil
}

// key is what a batch is sorted by.
func (c command) key() string {
	if len(c.effects) == 0 {
		return ""
	}
	return c.effects[0].EffectKey()
}

// run stages the whole command, every effect seeing those before it.
func (c command) run(w *writing) (settle.Result, error) {
	for i, change := range c.changes {
		outcome, err := change(w)
		if err != nil {
			return settle.Result{}, fmt.Errorf("store: effect %d, %T: %w", i, c.effects[i], err)
		}
		if outcome != settle.Done {
			return settle.Result{Outcome: outcome, Effect: c.effects[i]}, nil
		}
	}
	first, err := w.append(c.node, c.entries)
	if err != nil {
		return settle.Result{}, err
	}
	return settle.Result{Outcome: settle.Done, Seq: first}, nil
}
