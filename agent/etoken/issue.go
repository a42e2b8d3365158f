package etoken

import (
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mohur/agent/dialog"
	"mohur/agent/linked"
	"mohur/agent/pkcs11"
	"mohur/agent/words"
)

// Order says which token gets what.
type Order struct {
	Choice
	Token       string // id, or serial:… as printed on it
	Type        string // of the key: pkcs11.RSA2048, P256, P384
	Renew       bool   // make a new pair although there is one with a certificate
	Attestation bool   // send the device's proof that it made the key
	Management  []byte // of a PIV card; nil: it is asked for
}

// Issued is what came of it.
type Issued struct {
	Token       string    `json:"token"`
	Serial      string    `json:"serial"`
	Customer    string    `json:"customer"`
	Reader      string    `json:"reader"`
	Certificate string    `json:"certificate"` // serial, hexadecimal
	NotAfter    time.Time `json:"not_after"`
	KeyMade     bool      `json:"key_made"`  // now; else one of an interrupted run was there
	CertifiedBy string    `json:"certified"` // now, or before
	Attested    string    `json:"attested,omitempty"`
	Next        []string  `json:"next"` // what remains to be done
}

// The values of Issued.CertifiedBy.
const (
	Now    = "now"
	Before = "before"
)

// labelOf is the name of the bank's pair on a token.
func labelOf(token string) string { return "mohur " + token }

// Issue makes the pair on the token, has the bank's authority certify it, and writes
// the certificate to the token.
func (d *Desk) Issue(ctx context.Context, s *Server, o Order) (Issued, error) {
	t, err := s.token(ctx, o.Token)
	if err != nil {
		return Issued{}, err
	}
	if !slices.Contains([]string{"assigned", "shipped", "delivered", "active"}, t.State) {
		return Issued{}, fmt.Errorf("the token %s is %s; assign it to its customer first", t.ID, t.State)
	}
	if t.State == "active" && !o.Renew {
		return Issued{}, fmt.Errorf("the token %s is in use; --renew makes a new key, and the customer has to enrol it before he can log in again", t.ID)
	}
	authority, err := s.authority(ctx)
	if err != nil {
		return Issued{}, err
	}
	title := d.Language.Say(words.IssueTitle)
	p, err := d.choose(ctx, o.Choice, title)
	if err != nil {
		return Issued{}, err
	}
	page := d.issuePage(p, t, o)
	if err := d.Dialog.Confirm(ctx, page); err != nil {
		return Issued{}, err
	}
	page.Ask, page.Warnings = "", nil
	var e entered
	defer e.end()
	if e.Management, err = d.management(ctx, p, page, o.Management); err != nil {
		return Issued{}, err
	}
	return d.issue(ctx, s, o, p, t, authority, page, &e)
}

// issuePage is what is to be done, before it is done.
func (d *Desk) issuePage(p place, t token, o Order) dialog.Page {
	say := d.Language.Say
	page := dialog.Page{Title: say(words.IssueTitle), Ask: say(words.IssueAsk), Lines: append(d.lines(p),
		words.Line{Label: say(words.Token), Value: linked.Show(t.ID)},
		words.Line{Label: say(words.BankSerial), Value: linked.Show(strings.TrimSpace(t.Manufacturer + " " + t.Model + " " + t.Serial))},
		words.Line{Label: say(words.Customer), Value: linked.Show(t.Customer)},
		words.Line{Label: say(words.KeyType), Value: o.Type},
	)}
	if p.serial != "" && !strings.EqualFold(p.serial, t.Serial) {
		page.Warnings = append(page.Warnings, say(words.OtherSerial, linked.Show(p.serial), linked.Show(t.Serial)))
	}
	return page
}

func (d *Desk) issue(ctx context.Context, s *Server, o Order, p place, t token, authority *x509.Certificate, page dialog.Page, e *entered) (Issued, error) {
	key, request, err := d.keyAndRequest(ctx, p, page, e, keyWanted{label: labelOf(t.ID), typ: o.Type, renew: o.Renew})
	if err != nil {
		return Issued{}, err
	}
	var proof [][]byte
	if o.Attestation {
		if p.reader == "" {
			return Issued{}, errors.New("the token is in no reader of PC/SC, so that it cannot be asked for its attestation")
		}
		if proof, err = d.Runner.Attestation(ctx, p.reader); err != nil {
			return Issued{}, err
		}
	}
	c, when, err := s.certified(ctx, t.ID, key.Public, request, proof)
	if err != nil {
		return Issued{}, err
	}
	if err := fits(c, t.ID, key.Public, authority); err != nil {
		return Issued{}, err
	}
	err = d.Runner.StoreCertificate(ctx, pkcs11.Storing{Place: p.Place, Access: e.Access, ID: key.ID, Label: labelOf(t.ID), DER: c.parsed.Raw})
	if err != nil {
		return Issued{}, fmt.Errorf("the certificate is not on the token: %w; run the same command again", err)
	}
	return Issued{
		Token: t.ID, Serial: t.Serial, Customer: t.Customer, Reader: strings.TrimSpace(p.Reader), Certificate: c.Serial, NotAfter: c.NotAfter,
		KeyMade: key.Made, CertifiedBy: when, Attested: c.Attested, Next: next(t),
	}, nil
}

// keyWanted is the pair that is made or found.
type keyWanted struct {
	label, typ string
	renew      bool
	subject    pkix.Name
}

// keyAndRequest makes the pair, or finds the one of an interrupted run, and its request.
func (d *Desk) keyAndRequest(ctx context.Context, p place, page dialog.Page, e *entered, w keyWanted) (key pkcs11.Key, request []byte, err error) {
	err = d.withPIN(ctx, p, page, e, func(a pkcs11.Access) error {
		if !p.piv() || key.Public == nil { // a PIV card makes keys without the PIN
			if key, err = d.Runner.MakeKey(ctx, pkcs11.KeyOrder{Place: p.Place, Access: a, Label: w.label, Type: w.typ, Renew: w.renew}); err != nil {
				return err
			}
		}
		if key.Certificate != nil {
			return errors.New("the token has a key with a certificate already; --renew makes a new one in its place")
		}
		request, err = d.request(ctx, p, a, key, w.subject)
		return err
	})
	return key, request, err
}

// fits checks what came back before it goes on the token.
func fits(c certificate, token string, public []byte, authority *x509.Certificate) error {
	switch {
	case !bytes.Equal(c.parsed.RawSubjectPublicKeyInfo, public):
		return errors.New("the certificate is for another key; nothing was written to the token")
	case c.parsed.Subject.SerialNumber != token:
		return errors.New("the certificate is for another token; nothing was written to this one")
	case c.parsed.CheckSignatureFrom(authority) != nil:
		return errors.New("the certificate is not signed by the bank's authority; nothing was written to the token")
	}
	return nil
}

// next says what remains to be done, by the state of the token.
func next(t token) []string {
	deliver := []string{"hand the token over, and tell the bank of it: deliver " + t.ID}
	rest := []string{
		"send the customer an activation secret (purpose enroll), by another channel than the token",
		"he sets a PIN of his own at a reader: mohur-card pin",
		"he enrols the token (kind card, token " + t.ID + ") with secret and PIN; it logs nobody in before that",
	}
	switch t.State {
	case "delivered":
		return rest
	case "active":
		return []string{rest[0], rest[2]}
	}
	return append(deliver, rest...)
}

// RequestOrder asks for a request for an outside authority.
type RequestOrder struct {
	Choice
	Label      string // of the pair on the token
	Type       string
	Name       string // common name in the subject
	Renew      bool
	Management []byte
}

// Request makes a pair on the token and returns its request, PKCS#10 in PEM, for an
// authority outside.
func (d *Desk) Request(ctx context.Context, o RequestOrder) ([]byte, error) {
	title := d.Language.Say(words.IssueTitle)
	p, err := d.choose(ctx, o.Choice, title)
	if err != nil {
		return nil, err
	}
	page := dialog.Page{Title: title, Ask: d.Language.Say(words.RequestAsk), Lines: append(d.lines(p), words.Line{Label: d.Language.Say(words.KeyType), Value: o.Type})}
	if err := d.Dialog.Confirm(ctx, page); err != nil {
		return nil, err
	}
	page.Ask = ""
	var e entered
	defer e.end()
	if e.Management, err = d.management(ctx, p, page, o.Management); err != nil {
		return nil, err
	}
	_, der, err := d.keyAndRequest(ctx, p, page, &e, keyWanted{o.Label, o.Type, o.Renew, pkix.Name{CommonName: o.Name}})
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
}

// ImportOrder is a certificate that an outside authority gave.
type ImportOrder struct {
	Choice
	Label       string
	Certificate []byte // DER
	Management  []byte
}

// Import writes a certificate to the token that has its key, and to no other.
func (d *Desk) Import(ctx context.Context, o ImportOrder) error {
	c, err := x509.ParseCertificate(o.Certificate)
	if err != nil {
		return errors.New("the certificate cannot be read as X.509")
	}
	title := d.Language.Say(words.IssueTitle)
	p, err := d.choose(ctx, o.Choice, title)
	if err != nil {
		return err
	}
	page := dialog.Page{Title: title, Lines: append(d.lines(p),
		words.Line{Label: d.Language.Say(words.Holder), Value: linked.Show(c.Subject.String())},
		words.Line{Label: d.Language.Say(words.ValidUntil, c.NotAfter.Format("02.01.2006"))})}
	var e entered
	defer e.end()
	if e.Management, err = d.management(ctx, p, page, o.Management); err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(c.PublicKey)
	if err != nil {
		return errors.New("the certificate's key is of a kind that is not known")
	}
	return d.withPIN(ctx, p, page, &e, func(a pkcs11.Access) error {
		id := []byte{0x01}
		if !p.piv() {
			// Without a type nothing is made: a pair of the name has to be there.
			key, err := d.Runner.MakeKey(ctx, pkcs11.KeyOrder{Place: p.Place, Access: a, Label: o.Label})
			if err != nil {
				var f *pkcs11.Failure
				if errors.As(err, &f) && f.Kind == pkcs11.NoKey {
					return errors.New("the token has no key of that name; mohur-card request makes it")
				}
				return err
			}
			id = key.ID
		}
		// The token has the key if it signs with it.
		if _, err := d.request(ctx, p, a, pkcs11.Key{ID: id, Public: public}, pkix.Name{}); err != nil {
			var f *pkcs11.Failure
			if errors.As(err, &f) {
				return err
			}
			return errors.New("the certificate is for a key that is not on this token")
		}
		return d.Runner.StoreCertificate(ctx, pkcs11.Storing{Place: p.Place, Access: a, ID: id, Label: o.Label, DER: o.Certificate})
	})
}
