package api

import (
	"context"
	"errors"
	"time"

	"mohur/enrollment"
	"mohur/incident"
	"mohur/parties"
)

type incidentOut struct {
	ID        string              `json:"id"`
	Kind      string              `json:"kind"`
	Service   string              `json:"service"`
	Reference string              `json:"reference"`
	Cause     string              `json:"cause"`
	Content   string              `json:"content"`
	At        time.Time           `json:"at"`
	Measures  string              `json:"measures"`
	State     string              `json:"state"`
	Details   *enrollment.Details `json:"details,omitzero"` // what a customer told; for security only
}

func incidentOf(i incident.Incident) incidentOut {
	return incidentOut{
		ID: i.ID, Kind: i.Kind, Service: i.Service, Reference: i.Reference, Cause: i.Cause, Content: i.Content, At: i.At.UTC(),
		Measures: i.Measures, State: i.State,
	}
}

// listIncidents lists the register of clause 5.9, newest first.
func (x *exchange) listIncidents(ctx context.Context) (reply, error) {
	f := x.filter()
	limit := f.limit()
	if err := f.check.Err(); err != nil {
		return reply{}, err
	}
	items, next, err := x.server.Store.Incidents(ctx, f.cursor(), limit)
	if err != nil {
		return reply{}, listFault(err)
	}
	out := pageOf(items, next, incidentOf)
	if !x.by.Has(parties.Security) {
		return ok(out)
	}
	for i, in := range items {
		d, there, err := x.server.Enrollment.Details(ctx, in)
		if err != nil {
			return reply{}, err
		}
		if there {
			out.Items[i].Details = &d
		}
	}
	return ok(out)
}

// isMissing reports whether a store says that there is no such record.
func isMissing(err error) bool { return errors.Is(err, parties.ErrNotFound) }
