package enrollment

import (
	"context"

	"mohur/audit"
	"mohur/authn/fido"
	"mohur/ident"
	"mohur/incident"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
)

// rechecker is who the log names for a suspension by the metadata.
var rechecker = parties.Caller{Kind: "host", ID: "host:metadata", Name: "metadata", Source: "local"}

// Rechecked is what came of a check of all enrolled keys.
type Rechecked struct {
	Keys      int            // looked at
	Suspended int            // now
	Findings  []fido.Finding // keys that would not be enrolled today, and those suspended; by token
}

// recheckPage is how many tokens are read at once.
const recheckPage = 500

// RecheckKeys holds every enrolled FIDO2 key against the metadata and the policy as
// they are now. What they speak against is suspended, with an incident and a notice,
// each in one write; an error says that not all of them were looked at.
func (s *Service) RecheckKeys(ctx context.Context, m *fido.Metadata) (Rechecked, error) {
	var out Rechecked
	var failed error
	held := func(yield func(string, fido.Record) bool) {
		for cursor := ""; ; {
			page, next, err := s.Store.Tokens(ctx, tokens.Filter{Kind: tokens.FIDO}, cursor, recheckPage)
			if err != nil {
				failed = problem.Away(err)
				return
			}
			for _, t := range page {
				if t.State != tokens.Active && t.State != tokens.Suspended {
					continue
				}
				for _, id := range t.Credentials {
					r, err := s.keyRecord(ctx, id)
					if err != nil {
						failed = err
						return
					}
					if r == nil {
						continue
					}
					out.Keys++
					if !yield(t.ID, *r) {
						return
					}
				}
			}
			if cursor = next; cursor == "" {
				return
			}
		}
	}
	for f := range s.FIDO.Policy.Recheck(held, m, s.Now()) {
		out.Findings = append(out.Findings, f)
	}
	for _, f := range out.Findings {
		if !f.Suspend {
			continue
		}
		done, err := s.suspendKey(ctx, f)
		if err != nil {
			return out, err
		}
		if done {
			out.Suspended++
		}
	}
	return out, failed
}

// mayReturn refuses a token whose FIDO2 key the metadata or the policy speaks
// against: it would be suspended again by the next check, and used until then.
func (s *Service) mayReturn(ctx context.Context, t tokens.Token) error {
	if t.Profile != tokens.FIDOProfile {
		return nil
	}
	for _, id := range t.Credentials {
		r, err := s.keyRecord(ctx, id)
		if err != nil {
			return err
		}
		if r == nil {
			continue
		}
		this := func(yield func(string, fido.Record) bool) { yield(t.ID, *r) }
		for f := range s.FIDO.Policy.Recheck(this, s.FIDO.metadata(), s.Now()) {
			if f.Suspend {
				return problem.New(problem.Conflict, "the key must not be used any more: "+f.Reason.Text()+"; revoke the token and give out another")
			}
		}
	}
	return nil
}

// suspendKey suspends a token unless it is out of use already.
func (s *Service) suspendKey(ctx context.Context, f fido.Finding) (bool, error) {
	for range maxTries {
		t, err := s.Token(ctx, f.ID)
		if err != nil || t.State != tokens.Active {
			return false, err
		}
		cmd := MoveCommand{Caller: rechecker, Token: t.ID, Move: tokens.Suspend, Reason: string(f.Reason), Note: f.Detail}
		next, effects, err := s.moved(ctx, t, cmd)
		if err != nil {
			return false, err
		}
		event, err := s.moveEvent(ctx, t, next, cmd)
		if err != nil {
			return false, err
		}
		in := incident.Incident{
			ID: ident.New("in"), Kind: "credential.compromised", Service: "n/a", Reference: "n/a", Cause: string(f.Reason),
			Content: "the FIDO2 key of token " + t.ID + " was suspended: " + f.Reason.Text(), At: s.Now().UTC(), State: "open", Version: 1,
		}
		effects = append(effects, incident.Save{Incident: in})
		if c, err := s.known(ctx, t.Customer); err != nil {
			return false, err
		} else if c != nil {
			told, err := s.notices(ctx, *c, "credential-suspended")
			if err != nil {
				return false, err
			}
			effects = append(effects, told...)
		}
		r, err := s.settle(ctx, effects, event, audit.Event{
			Name: "incident.opened", Outcome: "open", Reason: in.Kind, Person: event.Person, Caller: rechecker.ID, Detail: in,
		})
		if err != nil {
			return false, err
		}
		if r.Outcome == settle.Done {
			return true, nil
		}
	}
	return false, errContended
}
