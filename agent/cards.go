package agent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"time"

	"mohur/agent/device"
	"mohur/agent/pcsc"
	"mohur/agent/pkcs11"
)

// Found is a certificate on a card, and the way to its key.
type Found struct {
	Module      string // path
	Profile     device.Profile
	Token       pkcs11.Token
	ID          []byte
	Certificate *x509.Certificate
	Reader      string // in PC/SC; "" when the token was not matched to one
}

// Inventory is what there is at one moment.
type Inventory struct {
	Readers []Seen
	PCSC    error // nil, or why readers cannot be watched
	Modules []Loaded
	Found   []Found // each certificate once
}

// Seen is a reader and what is known of it and its card.
type Seen struct {
	pcsc.Reader
	Profile device.Profile // of the card; the zero Profile without one
	Known   bool           // by its ATR; else the profile is the one for any card
	Modules []string       // of the profile, installed here
}

// Loaded is a module that was asked, and what it said.
type Loaded struct {
	Path   string
	Tokens []pkcs11.Token
	Err    error // a *pkcs11.Failure
}

// Cards finds cards and signs with them. It may be used by several goroutines.
type Cards interface {
	Scan(ctx context.Context) Inventory
	// Sign returns a signature over a digest of the algorithm's hash. Its error is a
	// *pkcs11.Failure, or that of ctx.
	Sign(ctx context.Context, f Found, algorithm string, digest, pin []byte, lastTry bool) ([]byte, error)
	// Tries is how many wrong PINs the card still takes. ok is false when it does not tell.
	Tries(ctx context.Context, f Found) (tries int, ok bool)
}

// Devices are the cards of this machine.
type Devices struct {
	Catalog *device.Catalog
	Modules []string // tried first, whatever is plugged in
	Runner  pkcs11.Runner
}

// Scan looks at readers in this process and at cards in children, one after the
// other: two modules at one card at once disturb each other.
func (d *Devices) Scan(ctx context.Context) Inventory {
	var inv Inventory
	var readers []pcsc.Reader
	readers, inv.PCSC = Readers(ctx)
	modules := slices.Clone(d.Modules)
	for _, r := range readers {
		s := Seen{Reader: r}
		if r.ATR != nil {
			s.Profile, s.Known = d.Catalog.ByATR(r.ATR)
			s.Modules = s.Profile.Paths()
		}
		for _, path := range s.Modules {
			if !slices.Contains(modules, path) {
				modules = append(modules, path)
			}
		}
		inv.Readers = append(inv.Readers, s)
	}
	runner := d.Runner
	if inv.PCSC != nil { // most modules will wait for the service in vain
		runner.Deadline = readersTime
	}
	for _, path := range modules {
		if ctx.Err() != nil {
			break
		}
		tokens, err := runner.List(ctx, path)
		inv.Modules = append(inv.Modules, Loaded{path, tokens, err})
		for _, t := range tokens {
			inv.take(path, t, d.Catalog)
		}
	}
	return inv
}

// readersTime is how long the smart card service may take to name its readers.
const readersTime = 5 * time.Second

// Readers returns the readers of PC/SC as they are now. A service that does not
// answer is pcsc.ErrNoService: the call into it stays behind, in a process that
// soon ends.
func Readers(ctx context.Context) ([]pcsc.Reader, error) {
	type answer struct {
		readers []pcsc.Reader
		err     error
	}
	told := make(chan answer, 1)
	go func() {
		c, err := pcsc.Open()
		if err != nil {
			told <- answer{nil, err}
			return
		}
		defer c.Close()
		readers, err := c.Readers()
		told <- answer{readers, err}
	}()
	select {
	case a := <-told:
		return a.readers, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(readersTime):
		return nil, pcsc.ErrNoService
	}
}

// take adds the certificates of a token that no earlier module had.
func (inv *Inventory) take(module string, t pkcs11.Token, catalog *device.Catalog) {
	profile, reader := inv.profile(t, catalog)
	for _, c := range t.Certificates {
		parsed, err := x509.ParseCertificate(c.DER)
		if err != nil || parsed.IsCA {
			continue
		}
		if slices.ContainsFunc(inv.Found, func(f Found) bool { return bytes.Equal(f.Certificate.Raw, parsed.Raw) }) {
			continue
		}
		inv.Found = append(inv.Found, Found{Module: module, Profile: profile, Token: t, ID: c.ID, Certificate: parsed, Reader: reader})
	}
}

// profile is that of the card in the reader that the token's slot is named after.
// PKCS#11 cuts the name at 64 characters.
func (inv *Inventory) profile(t pkcs11.Token, catalog *device.Catalog) (device.Profile, string) {
	for _, s := range inv.Readers {
		if s.ATR != nil && t.Reader != "" && strings.HasPrefix(s.Name, strings.TrimSpace(t.Reader)) {
			return s.Profile, s.Name
		}
	}
	p, _ := catalog.ByATR(nil)
	return p, ""
}

// pinPadTime is for a customer who enters the PIN on the reader meanwhile.
const pinPadTime = 2 * time.Minute

// Sign implements Cards.
func (d *Devices) Sign(ctx context.Context, f Found, algorithm string, digest, pin []byte, lastTry bool) ([]byte, error) {
	runner := d.Runner
	if f.Token.PINPad && runner.Deadline == 0 {
		runner.Deadline = pinPadTime
	}
	return runner.Sign(ctx, pkcs11.Signature{
		Module: f.Module, Reader: f.Token.Reader, ID: f.ID, Hash: sha256.Sum256(f.Certificate.Raw),
		Algorithm: algorithm, Digest: digest, PIN: pin, LastTry: lastTry,
	})
}

// Tries implements Cards.
func (d *Devices) Tries(ctx context.Context, f Found) (int, bool) {
	if !f.Profile.PIV || f.Reader == "" {
		return 0, false
	}
	tries, err := d.Runner.Tries(ctx, f.Reader)
	return tries, err == nil
}

// kindOf is the kind of a failure of Cards; "" for another error.
func kindOf(err error) pkcs11.Kind {
	var f *pkcs11.Failure
	if errors.As(err, &f) {
		return f.Kind
	}
	return ""
}
