package enrollment

import (
	"context"
	"errors"
	"strings"

	"mohur/audit"
	"mohur/authn/pin"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
)

// versions returns an entry for every hot row that the effects write, with the
// pseudonym of its credential and the version it will have. So the log knows the
// last version of every row, and a row that was put back together with its index
// is found against it. A new credential is at version 1 and needs no entry.
func (s *Service) versions(ctx context.Context, effects []settle.Effect, about audit.Event) ([]audit.Event, error) {
	var events []audit.Event
	for _, e := range effects {
		var row settle.Hot
		switch e := e.(type) {
		case settle.SwapHot:
			row = e.Hot
		case settle.Quarantine:
			row = e.Hot
		default:
			continue
		}
		pseudonym, err := s.pseudonym(ctx, row.ID, effects)
		if err != nil {
			return nil, err
		}
		if pseudonym == "" {
			continue // its record was removed: no entry could be found by anybody
		}
		events = append(events, audit.Event{
			Name: "credential.moved", Outcome: row.State.String(), Reason: about.Name, Person: about.Person,
			Credential: pseudonym, Version: row.Version, Caller: about.Caller, Request: about.Request,
			Detail: map[string]any{"credential": row.ID},
		})
	}
	return events, nil
}

// pseudonym is what audit headers say for a hot row. That of a first PIN is in
// the very effects that write it.
func (s *Service) pseudonym(ctx context.Context, id string, effects []settle.Effect) (string, error) {
	for _, e := range effects {
		if p, ok := e.(pin.Save); ok && pin.HotID(p.Record.Customer) == id {
			return p.Record.Pseudonym, nil
		}
	}
	var pseudonym string
	var err error
	if customer, ok := strings.CutPrefix(id, pin.HotID("")); ok {
		var rec pin.Record
		rec, err = s.Store.PIN(ctx, customer)
		pseudonym = rec.Pseudonym
	} else {
		cred, e := s.Store.Credential(ctx, id)
		pseudonym, err = cred.Pseudonym, e
	}
	if err != nil && !errors.Is(err, parties.ErrNotFound) {
		return "", problem.Away(err)
	}
	return pseudonym, nil
}
