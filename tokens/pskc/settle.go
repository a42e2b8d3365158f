package pskc

import (
	"context"
	"errors"
	"time"

	"mohur/tokens/seedfile"
)

// settle judges one record. What concerns the file comes first, in both passes:
// that every value is protected as it has to be, no MAC is wrong and what has no
// MAC opens. Only then, in the second pass, the record is built, opened and given
// out or rejected.
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
	if p.delivery == nil {
		if rec.secret.enc.present && p.prot.method.family != cbc {
			return p.opens(ctx, p.prot.method, rec.secret.enc.data)
		}
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
		return p.Fault(seedfile.CodeStructure, "a value is encrypted and the file names no encryption key")
	}
	m, err := p.supported(&v.enc)
	if err != nil {
		return err
	}
	switch {
	case p.prot.mac == nil && v.mac == nil && m.family != cbc:
		p.sum.Unauthenticated = m.family == asymmetric
		return nil // the way of encrypting has a check of its own
	case p.prot.mac == nil || v.mac == nil:
		return p.Fault(seedfile.CodeNoMAC, "a value is encrypted and has no MAC, or one without a method")
	case !p.prot.verify(v.enc.data, v.mac):
		return p.Fault(seedfile.CodeWrongKey, wrongKey)
	}
	return nil
}

// clearAllowed refuses a file with a seed in the clear, unless the caller takes
// such files. Among encrypted seeds one in the clear is never taken: it needs no
// key to put it there.
func (p *pass) clearAllowed() error {
	switch {
	case p.prot.named:
		return p.Fault(seedfile.CodePlain, "the file names an encryption key and holds a seed in the clear")
	case p.opt.Decrypter != nil:
		return p.Fault(seedfile.CodePlain, "a transport key was named and the file holds a seed in the clear")
	case p.opt.Password != nil:
		return p.Fault(seedfile.CodePlain, "a password was named and the file holds a seed in the clear")
	case !p.opt.AllowPlain:
		return p.Fault(seedfile.CodePlain, "the seeds in the file are not encrypted")
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
	}
	if err := seedfile.Names(r.serial, r.keyID); err != nil {
		return k, err
	}
	switch {
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
	if err := p.delivery.Twice(key); err != nil {
		return p.refuse(rec, err)
	}
	seed := rec.secret.plain
	if rec.secret.enc.present {
		o, err := p.open(ctx, p.prot.method, rec.secret.enc.data)
		if errors.Is(err, ErrNotOpened) {
			err = p.Fault(seedfile.CodeWrongKey, wrongKey) // it did in the first pass
		}
		if err != nil {
			return err
		}
		defer o.clear()
		if !o.padded {
			return p.refuse(rec, errors.New("the encrypted seed is not padded"))
		}
		seed = o.value
	}
	return p.delivery.Give(key, rec.line, seed)
}

func (p *pass) refuse(rec *record, why error) error {
	p.delivery.Refuse(seedfile.Rejection{Index: rec.index, Line: rec.line, Serial: rec.serial, KeyID: rec.keyID}, why)
	return nil
}
