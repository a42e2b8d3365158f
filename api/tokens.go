package api

import (
	"context"
	"time"

	"mohur/enrollment"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
)

type tokenOut struct {
	ID           string          `json:"id"`
	Manufacturer string          `json:"manufacturer"`
	Model        string          `json:"model"`
	Serial       string          `json:"serial,omitzero"`
	Profile      string          `json:"profile"`
	State        string          `json:"state"`
	Customer     string          `json:"customer,omitzero"`
	Branch       string          `json:"branch,omitzero"`
	Batch        string          `json:"batch,omitzero"`
	Import       string          `json:"import,omitzero"`
	Credentials  []credentialOut `json:"credentials"`
	History      []changeOut     `json:"history"`
	CreatedAt    time.Time       `json:"created_at"`
}

type credentialOut struct {
	ID          string     `json:"id"`
	Kind        string     `json:"kind"`
	Label       string     `json:"label"`
	State       string     `json:"state"` // inert, live, suspended, revoked, quarantined, damaged
	Locked      bool       `json:"locked"`
	LockedUntil *time.Time `json:"locked_until,omitzero"` // not there when locked for good
	UsesLeft    *uint64    `json:"uses_left,omitzero"`    // of a key of limited uses; not for front ends
}

type changeOut struct {
	At     time.Time `json:"at"`
	From   string    `json:"from"`
	To     string    `json:"to"`
	Move   string    `json:"move"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
}

// token answers with a token that was just changed.
func (x *exchange) token(ctx context.Context, t tokens.Token) (reply, error) {
	out, err := x.tokenOf(ctx, t)
	if err != nil {
		return reply{}, settled(err)
	}
	return ok(out)
}

// tokenOf writes a token as the caller may see it. A front end may name any
// token, since a loss is reported for any; so it is told of its state and
// credentials, not whose it is and where it has been.
func (x *exchange) tokenOf(ctx context.Context, t tokens.Token) (tokenOut, error) {
	out := tokenOut{
		ID: t.ID, Manufacturer: t.Manufacturer, Model: t.Model, Serial: t.Serial, Profile: t.Profile, State: string(t.State), CreatedAt: t.CreatedAt.UTC(),
	}
	var err error
	if out.Credentials, err = x.credentialsOf(ctx, t); err != nil {
		return tokenOut{}, err
	}
	if x.by.Only() {
		return out, nil
	}
	out.Customer, out.Branch, out.Batch, out.Import = t.Customer, t.Branch, t.Batch, t.Import
	for _, h := range t.History {
		out.History = append(out.History, changeOut{
			At: h.At.UTC(), From: string(h.From), To: string(h.To), Move: string(h.Move), Reason: h.Reason, By: h.By,
		})
	}
	return out, nil
}

// credentialsOf reads the credentials of a token with their condition as it is
// now.
func (x *exchange) credentialsOf(ctx context.Context, t tokens.Token) ([]credentialOut, error) {
	rows, err := x.server.Store.Hot(ctx, t.Credentials...)
	if err != nil {
		return nil, problem.Away(err)
	}
	out := make([]credentialOut, 0, len(t.Credentials))
	for i, id := range t.Credentials {
		c, err := x.server.Store.Credential(ctx, id)
		if err != nil {
			return nil, problem.Away(err) // a token whose credential is gone is damaged, not "not found"
		}
		told := credentialOf(c, rows[i], x.server.Now())
		if left := c.Left(rows[i].Hot); c.MaxUses != 0 && !x.by.Only() {
			told.UsesLeft = &left
		}
		out = append(out, told)
	}
	return out, nil
}

func credentialOf(c tokens.Credential, row settle.HotRead, now time.Time) credentialOut {
	out := credentialOut{ID: c.ID, Kind: string(c.Kind), Label: c.Label, State: row.Hot.State.String(), Locked: row.Hot.Locked(now)}
	if !row.Found || row.Indexed != row.Hot.Version {
		out.State = "damaged" // the next answer quarantines it
	}
	if out.Locked && row.Hot.LockedUntil != settle.LockedForGood {
		until := time.Unix(row.Hot.LockedUntil, 0).UTC()
		out.LockedUntil = &until
	}
	return out
}

// listTokens lists the tokens that pass the filter, newest first.
func (x *exchange) listTokens(ctx context.Context) (reply, error) {
	f := x.filter()
	want := tokens.Filter{
		State: among(f, "state", tokens.States()), Kind: among(f, "kind", []tokens.Kind{tokens.HOTP, tokens.TOTP, tokens.OCRA, tokens.FIDO, tokens.Card}),
		Customer: f.text("customer"), Batch: f.text("batch"), Branch: f.text("branch"), Serial: f.text("serial"), Query: f.text("q"),
	}
	limit := f.limit()
	if err := f.check.Err(); err != nil {
		return reply{}, err
	}
	items, next, err := x.server.Store.Tokens(ctx, want, f.cursor(), limit)
	if err != nil {
		return reply{}, listFault(err)
	}
	out := page[tokenOut]{Items: make([]tokenOut, 0, len(items)), NextCursor: next}
	for _, t := range items {
		o, err := x.tokenOf(ctx, t)
		if err != nil {
			return reply{}, err
		}
		out.Items = append(out.Items, o)
	}
	return ok(out)
}

// listFault maps the error of a list read from the store: a cursor that is none
// is the caller's, everything else is the store's.
func listFault(err error) error {
	if problem.Is(err, problem.Invalid) {
		return err
	}
	return problem.Away(err)
}

// getToken returns one token by id or "serial:…".
func (x *exchange) getToken(ctx context.Context) (reply, error) {
	t, err := x.server.Enrollment.Token(ctx, x.id("ref"))
	if err != nil {
		return reply{}, err
	}
	out, err := x.tokenOf(ctx, t)
	if err != nil {
		return reply{}, err
	}
	return ok(out)
}

type reportIn struct {
	Kind    string `json:"kind"`
	Details string `json:"details"`
}

// reportToken takes a token out of use at once (clause 5.17.3).
func (x *exchange) reportToken(ctx context.Context, in reportIn) (reply, error) {
	return x.moved(ctx, func(by parties.Caller, ref string) (tokens.Token, error) {
		return x.server.Enrollment.Report(ctx, by, ref, in.Kind, in.Details)
	})
}

// unlockToken ends the locks of a token's credentials (clause 5.22).
func (x *exchange) unlockToken(ctx context.Context, in reasonIn) (reply, error) {
	return x.moved(ctx, func(by parties.Caller, ref string) (tokens.Token, error) {
		return x.server.Enrollment.Unlock(ctx, by, ref, in.Reason)
	})
}

type resyncIn struct {
	Codes        []string   `json:"codes"`
	CredentialID string     `json:"credential_id"`
	Customer     string     `json:"customer"`
	Context      *contextIn `json:"context"`
}

// resyncToken moves a token that has run out of its window to where it is, by two
// codes of it in a row (clause 5.23).
func (x *exchange) resyncToken(ctx context.Context, in resyncIn) (reply, error) {
	if len(in.Codes) != 2 {
		return reply{}, invalid("codes", "needs two codes of the token, the second made right after the first")
	}
	return x.moved(ctx, func(by parties.Caller, ref string) (tokens.Token, error) {
		return x.server.Enrollment.Resync(ctx, enrollment.ResyncCommand{
			Caller: by, Token: ref, Customer: in.Customer, IP: in.Context.signals().IP, Credential: in.CredentialID, Codes: [2]string(in.Codes),
		})
	})
}

// moved answers with the token after f.
func (x *exchange) moved(ctx context.Context, f func(by parties.Caller, ref string) (tokens.Token, error)) (reply, error) {
	t, err := f(x.by, x.id("ref"))
	if err != nil {
		return reply{}, err
	}
	return x.token(ctx, t)
}
