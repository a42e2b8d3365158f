package enrollment

import (
	"crypto/hmac"
	"errors"
	"slices"

	"mohur/audit"
	"mohur/hsm"
	"mohur/ident"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
	"mohur/tokens/seedfile"
)

// device names a token within a file.
type device struct{ manufacturer, serial string }

func deviceOf(k seedfile.Key) device { return device{k.Manufacturer, k.Serial} }

// holder is the token that keys of a file belong to.
type holder struct {
	token   tokens.Token // as stored; version 0: not there yet
	brought bool         // it was there, by this import
	keys    []string     // ids of the keys that this import has put on it
	wiped   [][]byte     // fingerprints of the seeds it had before it was wiped
	fault   string       // why no further key goes on it
}

// thereAlready is why a device is another's.
const thereAlready = "a token with this manufacturer and serial is there already"

// holder finds the token a key belongs to: a new one, or the one an earlier key of
// this import has made, also before the import was cut off, or one that was wiped
// and is filled anew. Any other serial that was there before is another device's.
func (r *importRun) holder(k seedfile.Key) (*holder, error) {
	if h := r.devices[deviceOf(k)]; h != nil {
		return h, nil
	}
	found, err := r.service.Store.TokensBySerial(r.ctx, k.Serial)
	if err != nil {
		return nil, problem.Away(err)
	}
	h := &holder{}
	for _, t := range found {
		if t.Manufacturer != k.Manufacturer {
			continue
		}
		h.brought = t.Import == r.job.ID && t.State != tokens.Wiped
		if t.State == tokens.Wiped {
			if t, err = r.restocked(t); err != nil {
				return nil, err
			}
		}
		if t.Import != r.job.ID {
			h.fault = thereAlready
			break
		}
		if h.token = t; t.State != tokens.InStock {
			h.fault = "the token is not in stock any more"
		}
		if err := r.keysOf(h); err != nil {
			return nil, err
		}
		break
	}
	if h.token.ID == "" {
		h.token = r.newToken(k)
	}
	return h, nil
}

// keysOf reads the key ids of what is on a token already.
func (r *importRun) keysOf(h *holder) error {
	for _, id := range h.token.Credentials {
		c, err := r.service.Store.Credential(r.ctx, id)
		if err != nil {
			return problem.Away(err)
		}
		h.keys = append(h.keys, c.KeyID)
	}
	for _, id := range h.token.Former {
		c, err := r.service.Store.Credential(r.ctx, id)
		if err != nil {
			return problem.Away(err)
		}
		if len(c.Seed.Blob) == 0 {
			continue
		}
		sum, err := r.fingerprint(c.Seed)
		if err != nil {
			return err
		}
		h.wiped = append(h.wiped, sum)
	}
	return nil
}

// restocked is a wiped token back in stock, as it is before this import has put a
// key on it. Its version is the stored one: it is raised when it is written.
func (r *importRun) restocked(t tokens.Token) (tokens.Token, error) {
	next, err := t.Apply(tokens.Restock, r.service.Now(), r.job.ID, r.cmd.Caller.ID)
	if err != nil {
		return tokens.Token{}, err
	}
	next.Version = t.Version
	next.Former = append(slices.Clone(t.Former), t.Credentials...)
	next.Credentials, next.Customer = nil, ""
	next.Import, next.Branch, next.Batch, next.Profile = r.job.ID, r.cmd.Branch, r.cmd.Batch, r.cmd.Profile
	return next, nil
}

// had says whether a seed is one of before the wipe: a file of before, imported
// again, would give its used codes a second life.
func (r *importRun) had(h *holder, seed hsm.WrappedSeed) (bool, error) {
	if len(h.wiped) == 0 {
		return false, nil
	}
	sum, err := r.fingerprint(seed)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(h.wiped, func(was []byte) bool { return hmac.Equal(was, sum) }), nil
}

// fingerprint tells a seed from another one whatever key it is wrapped under: its
// HMAC, made in the HSM, of a text that is no moving factor of any code.
func (r *importRun) fingerprint(seed hsm.WrappedSeed) ([]byte, error) {
	sums, err := r.service.HSM.HMAC(r.ctx, seed, hsm.SHA256, []byte("the seed of a wiped token/v1"))
	if err != nil {
		return nil, away(err)
	}
	if len(sums) != 1 {
		return nil, problem.Away(errors.New("enrollment: the module answered no HMAC"))
	}
	return sums[0], nil
}

func (r *importRun) newToken(k seedfile.Key) tokens.Token {
	now := r.service.Now().UTC()
	return tokens.Token{
		ID: ident.New("tk"), Manufacturer: k.Manufacturer, Model: k.Model, Serial: k.Serial, Profile: r.cmd.Profile,
		State: tokens.InStock, Branch: r.cmd.Branch, Batch: r.cmd.Batch, Import: r.job.ID, CreatedAt: now,
		History: []tokens.Change{{At: now, To: tokens.InStock, Move: "import", Reason: r.job.ID, By: r.cmd.Caller.ID}},
	}
}

// effects are what the chunk writes: several keys of one serial are one token with
// several credentials, also across chunks of the same file.
func (r *importRun) effects() ([]settle.Effect, error) {
	if err := r.sign(); err != nil {
		return nil, err
	}
	changed := map[device]*tokens.Token{}
	var order []*tokens.Token
	adds := make([]settle.Effect, 0, len(r.chunk)+1)
	for i := range r.chunk {
		a := &r.chunk[i]
		d := deviceOf(a.key)
		t := changed[d]
		if t == nil {
			next := r.devices[d].token
			next.Version++
			next.Credentials = append([]string(nil), next.Credentials...)
			t = &next
			changed[d], order = t, append(order, t)
		}
		if a.add.Credential.ID == "" {
			continue // a device without seeds
		}
		t.Credentials = append(t.Credentials, a.add.Credential.ID)
		adds = append(adds, a.add)
	}
	effects := make([]settle.Effect, 0, len(adds)+len(order)+1)
	for _, t := range order {
		if t.Version == 1 {
			effects = append(effects, tokens.NameToken{Manufacturer: t.Manufacturer, Serial: t.Serial, Token: t.ID})
		}
		effects = append(effects, tokens.SaveToken{Token: *t})
	}
	job := r.job
	job.Imported = max(r.before, r.in+len(r.chunk))
	job.Version++
	return append(append(effects, adds...), tokens.SaveImport{Import: job}), nil
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
