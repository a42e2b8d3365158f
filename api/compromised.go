package api

import (
	"context"
	"time"

	"mohur/compromised"
	"mohur/problem"
)

type compromisedIn struct {
	Mode  string          `json:"mode"`
	Items []compromisedTo `json:"items"`
}

type compromisedTo struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

// compromisedOut tells how long the list is, and never what is on it.
type compromisedOut struct {
	Version   uint64         `json:"version"`
	UpdatedAt *time.Time     `json:"updated_at,omitzero"`
	Counts    map[string]int `json:"counts"`
	Most      int            `json:"most"`
}

func compromisedOf(s compromised.State) compromisedOut {
	out := compromisedOut{Version: s.Version, Counts: map[string]int{}, Most: compromised.MaxItems}
	for kind, n := range s.Counts {
		out.Counts[string(kind)] = n
	}
	if !s.At.IsZero() {
		at := s.At.UTC()
		out.UpdatedAt = &at
	}
	return out
}

// getCompromised tells the counts of the bank's list of compromised things.
func (x *exchange) getCompromised(ctx context.Context) (reply, error) {
	l := x.server.Payments.Compromised
	if err := l.Refresh(ctx); err != nil {
		return reply{}, problem.Away(err)
	}
	s, _ := l.State()
	return ok(compromisedOf(s))
}

func (in compromisedIn) items() []compromised.Item {
	items := make([]compromised.Item, len(in.Items))
	for i, item := range in.Items {
		items[i] = compromised.Item{Kind: compromised.Kind(item.Kind), Value: item.Value}
	}
	return items
}

func (in compromisedIn) check(*exchange, bool) error {
	return compromised.Check(compromised.Mode(in.Mode), in.items())
}

// takesOff: what is put on the list only holds payments up, and one person does that at
// once; taking anything off it takes two people.
func (x *exchange) takesOff(context.Context) (bool, error) {
	if x.server.Development {
		return false, nil
	}
	in, err := decode[compromisedIn](x.raw)
	return compromised.Mode(in.Mode) != compromised.Add, err
}

// putCompromised changes the list.
func (x *exchange) putCompromised(ctx context.Context, in compromisedIn) (reply, error) {
	s, err := x.server.Payments.Compromised.Change(ctx, x.by, compromised.Mode(in.Mode), in.items())
	if err != nil {
		return reply{}, err
	}
	return ok(compromisedOf(s))
}
