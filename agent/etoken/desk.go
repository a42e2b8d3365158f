// Package etoken is the desk at a branch where the bank's E-tokens get their keys:
// the pair is made on the token and never leaves it, its request goes to the bank's
// authority or to an outside one, and the certificate comes back to the token. Whatever
// is interrupted goes on where it stopped, and none of it logs anybody in: that takes
// the customer's own enrolment, with his activation secret and his PIN.
package etoken

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"

	"mohur/agent"
	"mohur/agent/device"
	"mohur/agent/dialog"
	"mohur/agent/linked"
	"mohur/agent/pkcs11"
	"mohur/agent/words"
)

// Desk is where a token is worked on. Its fields are set before the first use.
type Desk struct {
	Scan     func(context.Context) agent.Inventory
	Runner   pkcs11.Runner
	Dialog   dialog.Dialog
	Language words.Language
}

// Choice says which token is meant, where there are several.
type Choice struct {
	Reader string // a part of the reader's name, of the token's label or its serial
	PIV    bool   // speak to a card as PIV although its ATR is not known
}

// place is a token that was found.
type place struct {
	pkcs11.Place
	name    string // as a person knows it
	serial  string // as it tells; "" where it does not
	reader  string // in PC/SC; ""
	token   pkcs11.Token
	profile device.Profile
}

func (p place) piv() bool { return p.Module == "" }

// found are the tokens there are, each once. One in a reader that speaks PIV is
// spoken to directly.
func (d *Desk) found(ctx context.Context, c Choice) (all []place, failure error) {
	inv := d.Scan(ctx)
	for _, r := range inv.Readers {
		if r.ATR != nil && r.Profile.PIV && (r.Known || c.PIV) {
			all = append(all, place{Place: pkcs11.Place{Reader: r.Name}, name: r.Profile.Name, reader: r.Name, profile: r.Profile})
		}
	}
	if c.PIV {
		return matching(all, c), inv.PCSC
	}
	for _, m := range inv.Modules {
		if m.Err != nil && failure == nil {
			failure = m.Err
		}
		for _, t := range m.Tokens {
			reader, profile := readerOf(inv, t)
			known := func(p place) bool {
				return reader != "" && p.reader == reader || reader == "" && p.token.Serial == t.Serial && p.Reader == t.Reader
			}
			if slices.ContainsFunc(all, known) {
				continue
			}
			all = append(all, place{
				Place: pkcs11.Place{Module: m.Path, Reader: t.Reader, Serial: t.Serial}, name: strings.TrimSpace(t.Label + " " + t.Model),
				serial: strings.TrimSpace(t.Serial), reader: reader, token: t, profile: profile,
			})
		}
	}
	// Where there is one with a PIN, an empty slot of a module is not meant.
	if slices.ContainsFunc(all, func(p place) bool { return !p.token.PINUnset }) {
		all = slices.DeleteFunc(all, func(p place) bool { return p.token.PINUnset })
	}
	return matching(all, c), failure
}

// readerOf is the reader that the token's slot is named after; PKCS#11 cuts the name
// at 64 characters.
func readerOf(inv agent.Inventory, t pkcs11.Token) (string, device.Profile) {
	for _, r := range inv.Readers {
		if r.ATR != nil && t.Reader != "" && strings.HasPrefix(r.Name, strings.TrimSpace(t.Reader)) {
			return r.Name, r.Profile
		}
	}
	return "", device.Profile{}
}

func matching(all []place, c Choice) []place {
	return slices.DeleteFunc(all, func(p place) bool {
		return c.Reader != "" && !strings.Contains(p.Reader, c.Reader) && !strings.Contains(p.token.Label, c.Reader) && p.serial != c.Reader
	})
}

// choose finds the token to work on.
func (d *Desk) choose(ctx context.Context, c Choice, title string) (place, error) {
	all, failure := d.found(ctx, c)
	switch {
	case ctx.Err() != nil:
		return place{}, ctx.Err()
	case len(all) == 0 && failure != nil:
		return place{}, fmt.Errorf("no token can be used: %w; mohur-card doctor says what to do", failure)
	case len(all) == 0:
		return place{}, errors.New("there is no token; plug it in, or put the card into the reader, and run this again")
	case len(all) == 1:
		return all[0], nil
	}
	var choices []string
	for _, p := range all {
		choices = append(choices, linked.Show(p.name)+" "+linked.Show(p.serial)+" ("+linked.Show(strings.TrimSpace(p.Reader))+")")
	}
	n, err := d.Dialog.Choose(ctx, dialog.Page{Title: title, Ask: d.Language.Say(words.ChooseCertificate)}, choices)
	if err == nil && (n < 0 || n >= len(all)) {
		err = dialog.ErrCancelled
	}
	if err != nil {
		return place{}, err
	}
	return all[n], nil
}

// lines tell of the token.
func (d *Desk) lines(p place) []words.Line {
	l := []words.Line{
		{Label: d.Language.Say(words.Reader), Value: linked.Show(strings.TrimSpace(p.Reader))},
		{Label: d.Language.Say(words.Certificate), Value: linked.Show(p.name)},
	}
	if p.serial != "" {
		l = append(l, words.Line{Label: d.Language.Say(words.CardSerial), Value: linked.Show(p.serial)})
	}
	return l
}

// maxPINs is how many PINs are asked for before the desk gives up.
const maxPINs = 3

// entered is what opens a token for one run. end forgets it.
type entered struct{ pkcs11.Access }

func (e *entered) end() {
	clear(e.PIN)
	clear(e.Management)
}

// withPIN asks for the PIN and does what needs it, until the PIN is right.
func (d *Desk) withPIN(ctx context.Context, p place, page dialog.Page, e *entered, do func(pkcs11.Access) error) error {
	say := d.Language.Say
	if p.token.PINUnset {
		return errors.New(say(words.PINUnset))
	}
	var again []string
	e.LastTry = p.token.PINLast
	for range maxPINs {
		shown := page
		shown.Warnings = append(slices.Clone(page.Warnings), again...)
		if p.token.PINLow && again == nil {
			shown.Warnings = append(shown.Warnings, say(words.FewTries))
		}
		if e.LastTry {
			shown.Warnings = append(shown.Warnings, say(words.LastTry), say(words.LastTryConfirm))
		}
		var err error
		if p.token.PINPad {
			shown.Ask = say(words.PINOnReader)
			err = d.Dialog.Confirm(ctx, shown)
		} else {
			shown.Ask = say(words.EnterPIN)
			e.PIN, err = d.Dialog.PIN(ctx, shown)
		}
		if err != nil {
			return err
		}
		err = do(e.Access)
		var f *pkcs11.Failure
		switch {
		case !errors.As(err, &f):
			return err
		case f.Kind == pkcs11.PINIncorrect || f.Kind == pkcs11.PINInvalid:
			again, e.LastTry = []string{say(words.WrongPIN)}, f.PINLast
		case f.Kind == pkcs11.LastTry:
			again, e.LastTry = nil, true
		case f.Kind == pkcs11.PINLocked:
			return errors.New(say(words.Locked))
		default:
			return err
		}
		clear(e.PIN)
	}
	return errors.New(say(words.WrongPIN))
}

// management asks for a PIV card's management key, unless it was given.
func (d *Desk) management(ctx context.Context, p place, page dialog.Page, given []byte) ([]byte, error) {
	if !p.piv() {
		return nil, nil
	}
	if len(given) > 0 {
		return slices.Clone(given), nil
	}
	page.Ask = d.Language.Say(words.ManagementKey)
	text, err := d.Dialog.PIN(ctx, page)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	return ManagementKey(text)
}

// ManagementKey reads a PIV card's management key: 32, 48 or 64 hexadecimal digits, with
// colons or blanks between if need be.
func ManagementKey(text []byte) ([]byte, error) {
	var key []byte
	half := -1
	for _, c := range text {
		n := strings.IndexByte("0123456789abcdef", c|0x20)
		switch {
		case strings.IndexByte(" :\r\n\t", c) >= 0:
			continue
		case n < 0:
			clear(key)
			return nil, errors.New("the management key has hexadecimal digits only")
		case half < 0:
			half = n
		default:
			key, half = append(key, byte(half<<4|n)), -1
		}
	}
	if half >= 0 || !slices.Contains([]int{16, 24, 32}, len(key)) {
		clear(key)
		return nil, errors.New("the management key has 32, 48 or 64 hexadecimal digits")
	}
	return key, nil
}

// signer is a pair on a token as a key that signs requests.
type signer struct {
	ctx    context.Context
	runner pkcs11.Runner
	place  pkcs11.Place
	access pkcs11.Access
	id     []byte
	public crypto.PublicKey
}

// Public returns the public half.
func (s *signer) Public() crypto.PublicKey { return s.public }

// Sign signs a digest on the token.
func (s *signer) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	k, elliptic := s.public.(*ecdsa.PublicKey)
	algorithm := "RS256"
	if elliptic {
		algorithm = fmt.Sprintf("ES%d", k.Curve.Params().BitSize)
	}
	flat, err := s.runner.SignWithKey(s.ctx, pkcs11.KeySignature{Place: s.place, Access: s.access, ID: s.id, Algorithm: algorithm, Digest: digest})
	if err != nil || !elliptic {
		return flat, err
	}
	half := len(flat) / 2
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(flat[:half]), new(big.Int).SetBytes(flat[half:])})
}

// request is the PKCS#10 (RFC 2986) of a pair, signed on the token and verified here.
func (d *Desk) request(ctx context.Context, p place, a pkcs11.Access, key pkcs11.Key, subject pkix.Name) ([]byte, error) {
	public, err := x509.ParsePKIXPublicKey(key.Public)
	if err != nil {
		return nil, fmt.Errorf("the token's public key cannot be read: %w", err)
	}
	algorithm := x509.SHA256WithRSA
	if k, ok := public.(*ecdsa.PublicKey); ok {
		algorithm = map[int]x509.SignatureAlgorithm{256: x509.ECDSAWithSHA256, 384: x509.ECDSAWithSHA384}[k.Curve.Params().BitSize]
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: subject, SignatureAlgorithm: algorithm},
		&signer{ctx, d.Runner, p.Place, a, key.ID, public})
	if err != nil {
		return nil, err
	}
	r, err := x509.ParseCertificateRequest(der)
	if err == nil {
		err = r.CheckSignature()
	}
	if err != nil {
		return nil, fmt.Errorf("the token did not sign with the key it made: %w", err)
	}
	return der, nil
}
