package custody

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"mohur/hsm"
	"mohur/ident"
	"mohur/parties"
	"mohur/problem"
)

// BringCommand brings one half of a transport key.
type BringCommand struct {
	Caller parties.Caller
	Name   string
	Half   []byte    // 16 or 32 bytes; cleared
	OfHalf *Expected // what the letter says of the half; nil: nothing
	OfKey  *Expected // what it says of the whole key; nil: nothing
}

// Brought is what became of a half: it waits, or the key is in the HSM.
type Brought struct {
	Waiting *Half // nil once the key is in
	KCV     KCV   // of the half that waits, or of the key
}

// check returns the check values of the half.
func (c *BringCommand) check() (KCV, error) {
	var p problem.Check
	kcv, ok := KCVOf(c.Half)
	p.Unless(ValidName(c.Name), "name", wrongName)
	p.Unless(ok, "half", wrongLength)
	p.Unless(!ok || !zero(c.Half), "half", "is all zeros: the key would be the other half")
	p.Unless(c.OfHalf == nil || c.OfHalf.Valid(), "half_kcv", wrongKCV)
	p.Unless(c.OfKey == nil || c.OfKey.Valid(), "kcv", wrongKCV)
	return kcv, p.Err()
}

const wrongKCV = "needs 6 to 10 hexadecimal digits, of the form cmac or ecb"

func otherKCV(of string, k KCV) string {
	return fmt.Sprintf("is not the check value of %s, which is %s (cmac) or %s (ecb)", of, k.CMAC, k.ECB)
}

// maxTries bounds how often a half that moves is read again.
const maxTries = 16

// Bring takes a half: the first of a name waits for 24 hours, the second, by
// another caller, makes the key with it, by XOR.
func (s *Service) Bring(ctx context.Context, cmd BringCommand) (Brought, error) {
	defer clear(cmd.Half)
	kcv, err := cmd.check()
	if err != nil {
		return Brought{}, err
	}
	if cmd.OfHalf != nil && !cmd.OfHalf.Is(cmd.Half) {
		return Brought{}, s.refuse(ctx, cmd, "wrong-half-kcv", invalid("half_kcv", otherKCV("this half", kcv)))
	}
	for range maxTries {
		h, err := s.waiting(ctx, cmd.Name)
		var out Brought
		switch {
		case errors.Is(err, parties.ErrNotFound):
			out, err = s.first(ctx, cmd, kcv)
		case errors.Is(err, parties.ErrTampered):
			return Brought{}, s.refuse(ctx, cmd, "changed", problem.New(problem.Conflict, changedHalf))
		case err == nil:
			out, err = s.second(ctx, cmd, h)
		}
		if !errors.Is(err, errMoved) {
			return out, err
		}
	}
	return Brought{}, problem.New(problem.Conflict, "others are bringing halves of this key; try again")
}

const changedHalf = "the half that waits is not what was brought: cancel it, find out who changed the store, and begin again"

// waiting returns the half that waits for a name. One whose time is over is
// removed first.
func (s *Service) waiting(ctx context.Context, name string) (Half, error) {
	h, err := s.Store.Half(ctx, name)
	switch {
	case errors.Is(err, parties.ErrNotFound), errors.Is(err, parties.ErrTampered):
		return Half{}, err
	case err != nil:
		return Half{}, problem.Away(err)
	case s.Now().Before(h.ExpiresAt):
		return h, nil
	}
	if err := s.expire(ctx, h); err != nil {
		return Half{}, err
	}
	return Half{}, parties.ErrNotFound
}

// first seals a half and lets it wait.
func (s *Service) first(ctx context.Context, cmd BringCommand, kcv KCV) (Brought, error) {
	if err := s.room(ctx, cmd.Name); err != nil {
		return Brought{}, err
	}
	now := s.Now().UTC().Truncate(time.Microsecond)
	h := Half{
		Name: cmd.Name, Ceremony: ident.New("kc"), By: cmd.Caller.ID, ByName: cmd.Caller.Name, Size: len(cmd.Half),
		Expected: cmd.OfKey, CreatedAt: now, ExpiresAt: now.Add(halfLife), Version: 1,
	}
	var err error
	if h.Sealed, err = s.HSM.Seal(ctx, hsm.DataKEK, h.place(), cmd.Half); err != nil {
		return Brought{}, problem.Away(err)
	}
	if err := s.record(ctx, SaveHalf{h}, s.event(cmd.Caller, "key.half", "waiting", "", hsm.Transport(h.Name), h.evidence())); err != nil {
		return Brought{}, err
	}
	return Brought{Waiting: &h, KCV: kcv}, nil
}

// room refuses a half for which there is no use.
func (s *Service) room(ctx context.Context, name string) error {
	if in, err := s.has(ctx, name); err != nil || in {
		if err == nil {
			err = problem.New(problem.Conflict, "the HSM has a transport key of that name: delete it first, or take another name")
		}
		return err
	}
	all, err := s.Store.Halves(ctx)
	if err != nil {
		return problem.Away(err)
	}
	if len(all) >= maxHalves {
		return problem.New(problem.Conflict, "too many halves are waiting: cancel some first")
	}
	return nil
}

func (s *Service) has(ctx context.Context, name string) (bool, error) {
	all, err := s.Keys(ctx)
	for _, k := range all {
		if k.Key == hsm.Transport(name) {
			return true, err
		}
	}
	return false, err
}

// second makes the key of the two halves and brings it into the HSM.
func (s *Service) second(ctx context.Context, cmd BringCommand, h Half) (Brought, error) {
	switch {
	case h.By == cmd.Caller.ID:
		return Brought{}, s.refuse(ctx, cmd, "same-person", problem.New(problem.Conflict,
			"your half of this key has been waiting since "+h.CreatedAt.Format(time.RFC3339)+"; the other comes from another custodian"))
	case h.Size != len(cmd.Half):
		return Brought{}, s.refuse(ctx, cmd, "other-length", invalid("half", fmt.Sprintf("has %d bytes; the half that waits has %d", len(cmd.Half), h.Size)))
	case s.Now().Before(h.ClaimedUntil):
		return Brought{}, problem.New(problem.Conflict, "the other half is being brought at this moment; look in half a minute")
	}
	key, err := s.HSM.Open(ctx, hsm.DataKEK, h.place(), h.Sealed)
	switch {
	case err != nil && hsm.ClassOf(err) == hsm.ClassBlob:
		return Brought{}, s.refuse(ctx, cmd, "changed", problem.New(problem.Conflict, changedHalf))
	case err != nil:
		return Brought{}, problem.Away(err)
	}
	defer clear(key)
	if subtle.XORBytes(key, key, cmd.Half) != h.Size {
		return Brought{}, s.refuse(ctx, cmd, "changed", problem.New(problem.Conflict, changedHalf))
	}
	kcv, _ := KCVOf(key)
	// A refusal does not say what the check value is: whoever brings many second
	// halves would have it of as many keys related to the first.
	switch {
	case zero(key):
		return Brought{}, s.refuse(ctx, cmd, "same-halves", invalid("half", "is the half that waits already; the other is needed"))
	case cmd.OfKey != nil && !cmd.OfKey.Is(key):
		return Brought{}, s.refuse(ctx, cmd, "wrong-kcv", invalid("kcv", "is not the check value of the key that the two halves make"+cmd.OfKey.other(key)))
	case h.Expected != nil && !h.Expected.Is(key):
		return Brought{}, s.refuse(ctx, cmd, "wrong-kcv", problem.New(problem.Conflict,
			"the check value "+h.Expected.Value+" ("+string(h.Expected.Form)+"), given with the first half, is not that of the key that the two make"+h.Expected.other(key)))
	}
	if err := s.complete(ctx, cmd, h, key, kcv); err != nil {
		return Brought{}, err
	}
	return Brought{KCV: kcv}, nil
}

// complete claims the half, so that of two who bring the other one goes on, puts
// the key into the HSM and removes the half. A crash in between leaves the half,
// and perhaps the key: the same second half brought again finishes it.
func (s *Service) complete(ctx context.Context, cmd BringCommand, h Half, key []byte, kcv KCV) error {
	interrupted, more := !h.ClaimedUntil.IsZero(), h.evidence()
	more["kcv"] = kcv
	h.ClaimedUntil, h.Version = s.Now().UTC().Truncate(time.Microsecond).Add(claimFor), h.Version+1
	if err := s.record(ctx, SaveHalf{h}, s.event(cmd.Caller, "key.import", "begun", "", hsm.Transport(h.Name), more)); err != nil {
		return err
	}
	// From here on the caller's leaving changes nothing.
	ctx = context.WithoutCancel(ctx)
	fault := s.bringIn(ctx, h.Name, key, interrupted)
	if fault == nil {
		if err := s.record(ctx, RemoveHalf{h.Name, h.Version}, s.event(cmd.Caller, "key.import", "done", "", hsm.Transport(h.Name), more)); err != nil {
			return unrecorded(err)
		}
		return nil
	}
	h.ClaimedUntil, h.Version = s.Now().UTC().Truncate(time.Microsecond), h.Version+1 // over: the key may be in all the same
	if err := s.record(ctx, SaveHalf{h}, s.event(cmd.Caller, "key.import", "failed", "", hsm.Transport(h.Name), more)); err != nil {
		return problem.Away(errors.Join(fault, err))
	}
	return refusal(fault)
}

// bringIn puts the key into the HSM, unless an attempt that was interrupted has,
// and makes sure that the one there is this one: it decrypts a block as this one
// does.
func (s *Service) bringIn(ctx context.Context, name string, key []byte, interrupted bool) error {
	want, block := make([]byte, aes.BlockSize), make([]byte, aes.BlockSize)
	c, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	c.Decrypt(want, block)
	in := false
	if interrupted {
		if in, err = s.has(ctx, name); err != nil {
			return err
		}
	}
	if !in {
		if err := s.HSM.ImportTransport(ctx, name, key); err != nil {
			return err
		}
	}
	got, err := s.HSM.DecryptCBC(ctx, hsm.Transport(name), make([]byte, aes.BlockSize), block)
	if err == nil && !bytes.Equal(got, want) {
		err = &hsm.Fault{Class: hsm.ClassInput, Op: "ImportTransport", Key: hsm.Transport(name), Err: errors.New("the HSM holds another key under this name")}
	}
	return err
}

// refuse records a half that was not taken, and why, and returns the refusal. The
// half that waits goes on waiting.
func (s *Service) refuse(ctx context.Context, cmd BringCommand, reason string, told *problem.Error) error {
	if err := s.record(ctx, nil, s.event(cmd.Caller, "key.half", "refused", reason, hsm.Transport(cmd.Name), nil)); err != nil {
		return err
	}
	return told
}

func invalid(field, message string) *problem.Error {
	return &problem.Error{Code: problem.Invalid, Detail: "the request has members that cannot be accepted", Fields: []problem.Field{{Field: field, Message: message}}}
}

// zero says whether a half or key is all zeros, whatever the time it takes says.
func zero(b []byte) bool { return subtle.ConstantTimeCompare(b, make([]byte, len(b))) == 1 }
