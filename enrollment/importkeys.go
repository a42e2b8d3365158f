package enrollment

import (
	"context"
	"slices"
	"time"

	"mohur/hsm"
	"mohur/ident"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
	"mohur/tokens/ocra"
	"mohur/tokens/seedfile"
)

// importChunk is how many keys are settled in one write.
const importChunk = 200

// importRun is one pass over a file: keys are gathered into chunks, each chunk is
// one write.
type importRun struct {
	service    *Service
	ctx        context.Context
	cmd        ImportCommand
	profile    tokens.Profile
	job        tokens.Import // as last written, but for the keys counted since
	before     int           // keys that were in when the run began
	in         int           // keys known to be in by now
	rejections []tokens.Rejection
	chunk      []arrival
	devices    map[device]*holder // of the chunk
}

// arrival is one key of the chunk, or a device without any.
type arrival struct {
	key seedfile.Key // without its secret
	add tokens.AddCredential
}

func (r *importRun) checked(sum seedfile.Summary) { r.job.Total = sum.Keys }

func (r *importRun) reject(x seedfile.Rejection) { r.refuse(x.Index, x.Serial, x.KeyID, x.Reason) }

func (r *importRun) refuse(index int, serial, keyID, reason string) {
	r.job.Rejected++
	if len(r.rejections) < tokens.MaxRejections {
		r.rejections = append(r.rejections, tokens.Rejection{Index: index, Serial: serial, KeyID: keyID, Reason: reason})
	}
}

// ended is the record at the end of the run. Of a run that went through, the keys it
// has met are the truth; of one that stopped, what was in before is not forgotten.
func (r *importRun) ended(sum seedfile.Summary, through bool) tokens.Import {
	job := r.job
	job.Total, job.Imported, job.Rejections, job.Warnings = max(job.Total, sum.Keys), r.in, r.rejections, sum.Warnings()
	if !through {
		job.Imported, job.Warnings = max(r.in, r.before), nil
	}
	return job
}

// take wraps one seed at once; the plain bytes live no longer than this call. A key
// that this very import has brought in before it was cut off is counted and left
// as it is.
func (r *importRun) take(k seedfile.Key) error {
	c := tokens.Credential{
		Kind: tokens.Kind(k.Algorithm), Label: orDefault(k.FriendlyName, k.Model), KeyID: k.KeyID, Hash: k.Hash, Digits: k.Digits, Suite: k.Suite,
		NotBefore: k.Start, NotAfter: k.Expiry, MaxUses: k.Uses,
	}
	if c.Kind == tokens.TOTP {
		c.Step = int(k.Step / time.Second)
	}
	if reason := r.unfit(k, c); reason != "" {
		r.refuse(k.Index, k.Serial, k.KeyID, reason)
		return nil
	}
	h, err := r.holder(k)
	switch {
	case err != nil:
		return err
	case slices.Contains(h.keys, k.KeyID):
		r.in++
		return nil
	case h.fault != "":
		r.refuse(k.Index, k.Serial, k.KeyID, h.fault)
		return nil
	}
	c.Seed, err = r.service.HSM.WrapSeed(r.ctx, k.Secret)
	switch {
	case err != nil && hsm.ClassOf(err) == hsm.ClassInput:
		r.refuse(k.Index, k.Serial, k.KeyID, "the HSM does not take this seed: it is all zeros or of an impossible length")
		return nil
	case err != nil:
		return err
	}
	k.Secret = nil
	had, err := r.had(h, c.Seed)
	if err != nil {
		return err
	}
	if had {
		r.refuse(k.Index, k.Serial, k.KeyID, "the seed is the one the token had before it was wiped")
		return nil
	}
	c.ID, c.Token, c.Pseudonym, c.CreatedAt = ident.New("cr"), h.token.ID, ident.New("p"), r.service.Now().UTC()
	most := r.profile.MaxDrift
	hot := settle.Hot{ID: c.ID, Counter: k.Counter, Drift: int8(max(-most, min(most, k.Drift))), State: settle.HotInert, Version: 1}
	r.arrives(h, arrival{key: k, add: tokens.AddCredential{Credential: c, Manufacturer: k.Manufacturer, Serial: k.Serial, Hot: hot, Replaces: h.token.Former}})
	if len(r.chunk) >= importChunk {
		return r.flush()
	}
	return nil
}

// arrives puts a key into the chunk, and keeps its token for the next key of it.
func (r *importRun) arrives(h *holder, a arrival) {
	r.chunk = append(r.chunk, a)
	r.devices[deviceOf(a.key)] = h
}

// unfit says why a key that the file format allows cannot be used here, "" when it
// can.
func (r *importRun) unfit(k seedfile.Key, c tokens.Credential) string {
	if k.Uses == 1 {
		return "the key may be used once, and its activation is a use"
	}
	if c.Kind == tokens.OCRA {
		if why := unserved(c.Suite); why != "" {
			return why
		}
	}
	return r.profile.Fault(c)
}

// unserved says why the ceremonies cannot ask a key of this suite anything: at an
// activation the server knows no PIN.
func unserved(text string) string {
	s, err := ocra.ParseSuite(text)
	switch {
	case err != nil:
		return "the OCRA suite cannot be read"
	case s.PINHash != 0:
		return "the OCRA suite takes a PIN, which the server does not know; order devices that ask it themselves, like " + OCRASuite
	}
	return ""
}

// flush settles the chunk. When the store knows one of its keys already, that
// one is rejected and the rest is settled without it.
func (r *importRun) flush() error {
	for stale := 0; len(r.chunk) > 0; {
		effects, err := r.effects()
		if err != nil {
			return err
		}
		done, err := r.service.settle(r.ctx, effects, r.event())
		if err != nil {
			return err
		}
		switch done.Outcome {
		case settle.Done:
			r.in += len(r.chunk)
			r.job.Version++
			r.chunk = r.chunk[:0]
			clear(r.devices)
		case settle.Exists:
			if !r.drop(done.Effect) {
				return problem.New(problem.Conflict, "the import met a record that was there already")
			}
		default: // a token moved meanwhile: read it again
			if stale++; stale > maxTries {
				return errContended
			}
			if err := r.again(); err != nil {
				return err
			}
		}
	}
	return nil
}

// drop rejects what an effect belongs to: one key, or all of a device of which another
// import, at the same time, has made a token.
func (r *importRun) drop(e settle.Effect) bool {
	var is func(arrival) bool
	why := thereAlready
	switch e := e.(type) {
	case tokens.AddCredential:
		is = func(a arrival) bool { return a.add.Credential.ID == e.Credential.ID }
		why = "a token with this manufacturer, serial and key id is there already"
	case tokens.NameToken:
		is = func(a arrival) bool { return deviceOf(a.key) == device{e.Manufacturer, e.Serial} }
	default:
		return false
	}
	was := len(r.chunk)
	r.chunk = slices.DeleteFunc(r.chunk, func(a arrival) bool {
		if !is(a) {
			return false
		}
		r.refuse(a.key.Index, a.key.Serial, a.key.KeyID, why)
		return true
	})
	return len(r.chunk) < was
}

// again reads the tokens of the chunk anew, and leaves out what they no longer
// take.
func (r *importRun) again() error {
	clear(r.devices)
	chunk := r.chunk
	r.chunk = r.chunk[:0]
	for _, a := range chunk {
		h, err := r.holder(a.key)
		switch {
		case err != nil:
			return err
		case slices.Contains(h.keys, a.key.KeyID), a.add.Credential.ID == "" && h.brought:
			r.in++
		case h.fault != "":
			r.refuse(a.key.Index, a.key.Serial, a.key.KeyID, h.fault)
		default:
			a.add.Credential.Token, a.add.Credential.MAC = h.token.ID, nil
			r.arrives(h, a)
		}
	}
	return nil
}
