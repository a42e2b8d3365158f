package enrollment

import (
	"mohur/audit"
	"mohur/ident"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
)

// device names a token within a file.
type device struct{ manufacturer, serial string }

// effects are what the chunk writes: several keys of one serial are one token
// with several credentials, also across chunks of the same file.
func (r *importRun) effects() ([]settle.Effect, error) {
	byDevice := map[device]*tokens.Token{}
	var order []device
	adds := make([]settle.Effect, 0, len(r.chunk))
	kept := r.chunk[:0]
	for _, a := range r.chunk {
		d := device{a.key.Manufacturer, a.key.Serial}
		t := byDevice[d]
		if t == nil {
			found, reason, err := r.token(a)
			if err != nil {
				return nil, err
			}
			if reason != "" {
				r.refuse(a.key.Index, a.key.Serial, a.key.KeyID, reason)
				continue
			}
			t = &found
			byDevice[d] = t
			order = append(order, d)
		}
		t.Credentials = append(t.Credentials, a.add.Credential.ID)
		a.add.Credential.Token = t.ID
		bound, err := a.add.Credential.Bind(r.ctx, r.service.HSM)
		if err != nil {
			return nil, problem.Away(err)
		}
		a.add.Credential = bound
		adds = append(adds, a.add)
		kept = append(kept, a)
	}
	r.chunk = kept
	effects := make([]settle.Effect, 0, len(adds)+len(order)+1)
	for _, d := range order {
		effects = append(effects, tokens.SaveToken{Token: *byDevice[d]})
	}
	job := r.job
	job.Imported += len(r.chunk)
	job.Version++
	return append(append(effects, adds...), tokens.SaveImport{Import: job}), nil
}

// token is the token a key belongs to, at its next version: a new one, or the
// one an earlier key of this file made. A serial that was there before the file
// is another device's; the key is refused.
func (r *importRun) token(a arrival) (tokens.Token, string, error) {
	found, err := r.service.Store.TokensBySerial(r.ctx, a.key.Serial)
	if err != nil {
		return tokens.Token{}, "", problem.Away(err)
	}
	for _, t := range found {
		if t.Manufacturer != a.key.Manufacturer {
			continue
		}
		if t.Import != r.job.ID || t.State != tokens.InStock {
			return tokens.Token{}, "a token with this manufacturer and serial is there already", nil
		}
		t.Version++
		return t, "", nil
	}
	now := r.service.Now().UTC()
	return tokens.Token{
		ID: ident.New("tk"), Manufacturer: a.key.Manufacturer, Model: a.key.Model, Serial: a.key.Serial, Profile: r.cmd.Profile,
		State: tokens.InStock, Branch: r.cmd.Branch, Batch: r.cmd.Batch, Import: r.job.ID, CreatedAt: now, Version: 1,
		History: []tokens.Change{{At: now, To: tokens.InStock, Move: "import", Reason: r.job.ID, By: r.cmd.Caller.ID}},
	}, "", nil
}

// event tells of the chunk, each key by serial.
func (r *importRun) event() audit.Event {
	serials := make([]string, len(r.chunk))
	for i, a := range r.chunk {
		serials[i] = a.key.Serial
	}
	return audit.Event{
		Name: "token.import", Outcome: string(tokens.InStock), Caller: r.cmd.Caller.ID, Request: r.cmd.Caller.Request,
		Detail: map[string]any{"import": r.job.ID, "batch": r.cmd.Batch, "serials": serials},
	}
}
