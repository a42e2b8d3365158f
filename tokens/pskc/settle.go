package pskc

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"
)

// settle judges one record. What concerns the file comes first, in both passes:
// that every value is protected as it has to be and no MAC is wrong. Only then,
// in the second pass, the record is built, opened and given out or rejected.
func (p *pass) settle(ctx context.Context, rec *record) error {
	for _, v := range rec.values() {
		if err := p.authentic(v); err != nil {
			return err
		}
		if v.mac != nil && !v.enc.present {
			rec.fail("<%s> has a MAC and is not encrypted", v.name)
		}
	}
	if rec.secret.stated {
		if err := p.clearAllowed(); err != nil {
			return err
		}
	}
	if p.each == nil {
		return nil
	}
	key, err := rec.build(p.opt.Now)
	if err != nil {
		return p.refuse(rec, err)
	}
	return p.give(ctx, rec, key)
}

// authentic checks the MAC of an encrypted value.
func (p *pass) authentic(v *value) error {
	if !v.enc.present {
		return nil
	}
	p.sum.Encrypted = true
	if !p.prot.named {
		return p.fault(CodeStructure, "a value is encrypted and the file names no encryption key")
	}
	if err := p.supported(&v.enc); err != nil {
		return err
	}
	if p.prot.mac == nil || v.mac == nil {
		return p.fault(CodeNoMAC, "a value is encrypted and has no MAC")
	}
	if !p.prot.verify(v.enc.data, v.mac) {
		return p.fault(CodeWrongKey, wrongKey)
	}
	return nil
}

// clearAllowed refuses a file with a seed in the clear, unless the caller takes
// such files. Among encrypted seeds one in the clear is never taken: it needs no
// key to put it there.
func (p *pass) clearAllowed() error {
	switch {
	case p.prot.named:
		return p.fault(CodePlain, "the file names an encryption key and holds a seed in the clear")
	case p.opt.Decrypter != nil:
		return p.fault(CodePlain, "a transport key was named and the file holds a seed in the clear")
	case !p.opt.AllowPlain:
		return p.fault(CodePlain, "the seeds in the file are not encrypted")
	}
	return nil
}

// build makes the key of a record, without its seed.
func (r *record) build(now time.Time) (Key, error) {
	k := Key{
		Index: r.index, Manufacturer: r.manufacturer, Serial: r.serial, Model: r.model, IssueNo: r.issueNo,
		KeyID: r.keyID, Issuer: r.issuer, FriendlyName: r.friendlyName, UserID: r.keyUser,
	}
	if k.UserID == "" {
		k.UserID = r.deviceUser
	}
	switch {
	case r.why != "":
		return k, errors.New(r.why)
	case !r.hasKey:
		return k, errors.New("the package holds no key")
	case r.serial == "":
		return k, errors.New("there is no serial number")
	case !identifier(r.serial):
		return k, errors.New("the serial number is not 1 to 64 of A-Z a-z 0-9 . _ : / -")
	case !identifier(r.keyID):
		return k, errors.New("the key id is not 1 to 64 of A-Z a-z 0-9 . _ : / -")
	case r.manufacturer == "":
		return k, errors.New("there is no manufacturer") // serials are unique within one only (section 4.3.1)
	case !r.secret.present():
		return k, errors.New("the record holds no seed")
	}
	set := []func(*Key) error{r.setAlgorithm, r.setDigits, r.moving, func(k *Key) error { return r.setPolicy(k, now) }}
	for _, f := range set {
		if err := f(&k); err != nil {
			return k, err
		}
	}
	return k, nil
}

// give opens the seed and hands the key out. The caller has checked its MAC.
func (p *pass) give(ctx context.Context, rec *record, key Key) error {
	id := p.seen.of(key)
	if p.seen.has(id) {
		return p.refuse(rec, errors.New("the file holds this manufacturer, serial and key id twice"))
	}
	seed := rec.secret.plain
	if rec.secret.enc.present {
		padded, err := p.decrypt(ctx, &rec.secret.enc)
		if err != nil {
			return err
		}
		defer clear(padded)
		var ok bool
		if seed, ok = unpad(padded); !ok {
			return p.refuse(rec, errors.New("the encrypted seed is not padded"))
		}
	}
	if len(seed) < MinSecret || len(seed) > MaxSecret {
		return p.refuse(rec, fmt.Errorf("the seed has %d bytes; %d to %d are taken", len(seed), MinSecret, MaxSecret))
	}
	key.Secret = seed[:len(seed):len(seed)]
	if err := p.each(key); err != nil {
		return err
	}
	p.seen.add(id)
	p.sum.Delivered++
	return nil
}

func (p *pass) refuse(rec *record, why error) error {
	p.sum.Rejected++
	p.reject(Rejection{Index: rec.index, Line: rec.line, Serial: shown(rec.serial), KeyID: shown(rec.keyID), Reason: why.Error()})
	return nil
}

// identities remembers the keys given out in 16 bytes each, so that a million
// of them need little memory. The hash is keyed by chance and cannot be aimed at.
type identities struct {
	a, b maphash.Seed
	set  map[[2]uint64]struct{}
}

func newIdentities() identities {
	return identities{maphash.MakeSeed(), maphash.MakeSeed(), map[[2]uint64]struct{}{}}
}

func (s *identities) of(k Key) [2]uint64 {
	name := k.Manufacturer + "\x00" + k.Serial + "\x00" + k.KeyID // none of them can hold NUL
	return [2]uint64{maphash.String(s.a, name), maphash.String(s.b, name)}
}

func (s *identities) has(id [2]uint64) bool { _, ok := s.set[id]; return ok }

func (s *identities) add(id [2]uint64) { s.set[id] = struct{}{} }
