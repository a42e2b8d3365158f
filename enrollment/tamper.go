package enrollment

import (
	"context"
	"time"

	"mohur/audit"
	"mohur/ident"
	"mohur/incident"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
)

// tampered takes a credential or PIN out of use whose stored state is not what
// the server wrote, and opens an incident.
func (s *Service) tampered(ctx context.Context, row settle.Hot, cause string, at time.Time) ([]settle.Effect, error) {
	signed, err := row.Quarantined(ctx, s.HSM)
	if err != nil {
		return nil, problem.Away(err)
	}
	return []settle.Effect{
		settle.Quarantine{Hot: signed},
		incident.Save{Incident: incident.Incident{
			ID: ident.New("in"), Kind: "credential.quarantined", Service: "n/a", Reference: "n/a", Cause: cause,
			Content: "the stored state of " + row.ID + " is not what the server wrote; it was taken out of use", At: at.UTC(), State: "open", Version: 1,
		}},
	}, nil
}

// quarantinePIN settles the quarantine of a tampered PIN. The request is refused;
// the next one, with a proof, replaces the PIN.
func (s *Service) quarantinePIN(ctx context.Context, c parties.Customer, row settle.Hot, indexed uint64) error {
	row.Version = indexed
	effects, err := s.tampered(ctx, row, "pin-record-changed", s.Now())
	if err != nil {
		return err
	}
	r, err := s.settle(ctx, effects, audit.Event{
		Name: "credential.quarantined", Outcome: "quarantined", Reason: "pin-record-changed",
		Person: audit.Person{Pseudonym: c.Pseudonym, Key: c.Key}, Detail: map[string]any{"credential": row.ID},
	})
	if err != nil {
		return err
	}
	if r.Outcome != settle.Done {
		return errContended
	}
	return problem.New(problem.Conflict, "the customer's PIN was tampered with and taken out of use; set it again")
}
