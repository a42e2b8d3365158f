package api

import (
	"context"
	"errors"
	"slices"
	"time"

	"mohur/authn"
	"mohur/problem"
)

// activityOut is what a customer is told of his log-ins (clause 5.34): when, and over
// which channel. Nothing says which factor failed.
type activityOut struct {
	LastLoginAt            *time.Time `json:"last_login_at,omitzero"`
	LastLoginLocal         string     `json:"last_login_local,omitzero"`
	LastLoginChannel       string     `json:"last_login_channel,omitzero"`
	PreviousLoginAt        *time.Time `json:"previous_login_at,omitzero"`
	PreviousLoginLocal     string     `json:"previous_login_local,omitzero"`
	PreviousLoginChannel   string     `json:"previous_login_channel,omitzero"`
	LastFailedLoginAt      *time.Time `json:"last_failed_login_at,omitzero"`
	LastFailedLoginLocal   string     `json:"last_failed_login_local,omitzero"`
	LastFailedLoginChannel string     `json:"last_failed_login_channel,omitzero"`
	FailedLastDay          int        `json:"failed_last_day"`
	Recent                 []loginOut `json:"recent"`
}

type loginOut struct {
	At      time.Time `json:"at"`
	Local   string    `json:"local"`
	Channel string    `json:"channel"`
	Outcome string    `json:"outcome"`
}

// earlierOut is shown to a customer who has just logged in.
type earlierOut struct {
	PreviousLoginAt        *time.Time `json:"previous_login_at,omitzero"`
	PreviousLoginLocal     string     `json:"previous_login_local,omitzero"`
	PreviousLoginChannel   string     `json:"previous_login_channel,omitzero"`
	LastFailedLoginAt      *time.Time `json:"last_failed_login_at,omitzero"`
	LastFailedLoginLocal   string     `json:"last_failed_login_local,omitzero"`
	LastFailedLoginChannel string     `json:"last_failed_login_channel,omitzero"`
}

// getActivity returns the last log-ins of a customer. A front end sees those of the
// customers who are logged in with it.
func (x *exchange) getActivity(ctx context.Context) (reply, error) {
	id := x.id("id")
	if err := x.mayKnow(ctx, id); err != nil {
		return reply{}, err
	}
	a, err := x.server.Authn.Habits(ctx, id)
	if err != nil {
		return reply{}, problem.Away(err)
	}
	out := activityOut{FailedLastDay: a.FailedSince(x.server.Now().Add(-24 * time.Hour)), Recent: []loginOut{}}
	out.LastLoginAt, out.LastLoginLocal, out.LastLoginChannel = x.when(a.LastLogin())
	out.PreviousLoginAt, out.PreviousLoginLocal, out.PreviousLoginChannel = x.when(a.PreviousLogin())
	out.LastFailedLoginAt, out.LastFailedLoginLocal, out.LastFailedLoginChannel = x.when(a.LastFailed())
	out.Recent = append(x.logins(a.Granted, "granted"), x.logins(a.Refused, "refused")...)
	slices.SortStableFunc(out.Recent, func(a, b loginOut) int { return b.At.Compare(a.At) })
	return ok(out)
}

// mayKnow lets the bank's people know of any customer, and a front end of those who
// have a live session with it. To it nobody else exists.
func (x *exchange) mayKnow(ctx context.Context, customer string) error {
	if x.by.Has(readers...) {
		_, err := x.server.Parties.Get(ctx, customer)
		return err
	}
	open, err := x.server.Store.Sessions(ctx, customer)
	if err != nil {
		return problem.Away(err)
	}
	for _, s := range open {
		if !x.by.MayAct(s.Client, s.Channel) {
			continue
		}
		_, _, err := x.server.Authn.Introspect(ctx, x.by, s.ID)
		if !errors.Is(err, authn.ErrDead) {
			return err
		}
	}
	return problem.New(problem.NotFound, "there is no such customer")
}

// earlier is what is shown with a log-in: what was before it.
func (x *exchange) earlier(before *authn.Activity) *earlierOut {
	if before == nil {
		return nil
	}
	var out earlierOut
	out.PreviousLoginAt, out.PreviousLoginLocal, out.PreviousLoginChannel = x.when(before.LastLogin())
	out.LastFailedLoginAt, out.LastFailedLoginLocal, out.LastFailedLoginChannel = x.when(before.LastFailed())
	return &out
}

func (x *exchange) when(l authn.LogIn, was bool) (at *time.Time, local, channel string) {
	if !was {
		return nil, "", ""
	}
	utc := l.At.UTC()
	return &utc, x.local(utc), string(l.Channel)
}

func (x *exchange) logins(list []authn.LogIn, outcome string) []loginOut {
	out := []loginOut{}
	for _, l := range slices.Backward(list) {
		out = append(out, loginOut{At: l.At.UTC(), Local: x.local(l.At), Channel: string(l.Channel), Outcome: outcome})
	}
	return out
}

// local is a time by the bank's clock, with its offset (RFC 3339).
func (x *exchange) local(t time.Time) string {
	return t.In(x.server.Payments.Zone).Format(time.RFC3339)
}
