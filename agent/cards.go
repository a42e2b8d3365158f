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
	return limited(ctx, func() ([]pcsc.Reader, error) {
		c, err := pcsc.Open()
		if err != nil {
			return nil, err
		}
		defer c.Close()
		return c.Readers()
	})
}

// limited calls the smart card service and waits for it readersTime at most.
func limited[T any](ctx context.Context, call func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	told := make(chan answer, 1)
	go func() {
		value, err := call()
		told <- answer{value, err}
	}()
	var none T
	select {
	case a := <-told:
		return a.value, a.err
	case <-ctx.Done():
		return none, ctx.Err()
	case <-time.After(readersTime):
		return none, pcsc.ErrNoService
	}
}

// Watch tells of the readers, and again whenever one of them or a card comes or goes,
// until ctx ends, tell fails or the service does. Its error is never nil; a service
// that does not answer is pcsc.ErrNoService, as with Readers.
func Watch(ctx context.Context, tell func([]pcsc.Reader) error) error {
	c, err := limited(ctx, pcsc.Open)
	if err != nil {
		return err
	}
	known, err := limited(ctx, c.Readers)
	for err == nil {
		if err := tell(known); err != nil {
			return err
		}
		known, err = next(ctx, c, known)
	}
	return err
}

// next waits as long as nothing changes, in rounds, so that a wait that hangs is told
// from one in which nothing comes.
func next(ctx context.Context, c *pcsc.Context, known []pcsc.Reader) ([]pcsc.Reader, error) {
	for {
		now, err := limited(ctx, func() ([]pcsc.Reader, error) {
			round, cancel := context.WithTimeout(ctx, readersTime/5)
			defer cancel()
			return c.Wait(round, known)
		})
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			return now, err
		}
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
	signature, err := runner.Sign(ctx, pkcs11.Signature{
		Module: f.Module, Reader: f.Token.Reader, ID: f.ID, Hash: sha256.Sum256(f.Certificate.Raw),
		Algorithm: algorithm, Digest: digest, PIN: pin, LastTry: lastTry,
	})
	if slices.Contains([]pkcs11.Kind{pkcs11.Device, pkcs11.Crashed, pkcs11.NoKey}, kindOf(err)) && d.pulled(ctx, f.Reader) {
		return nil, &pkcs11.Failure{Kind: pkcs11.Gone, Detail: err.Error()}
	}
	return signature, err
}

// The smart card service sees some time after its module that a card is gone.
const (
	pulledTime = 600 * time.Millisecond
	pulledStep = 100 * time.Millisecond
)

// pulled tells whether a reader of PC/SC has no card any more, or is gone itself.
// Modules do not tell: OpenSC calls it a general error.
func (d *Devices) pulled(ctx context.Context, reader string) bool {
	if reader == "" {
		return false
	}
	for end := time.Now().Add(pulledTime); ; {
		readers, err := Readers(ctx)
		if err != nil {
			return false
		}
		i := slices.IndexFunc(readers, func(r pcsc.Reader) bool { return r.Name == reader })
		if i < 0 || !readers[i].Present {
			return true
		}
		if time.Now().After(end) {
			return false
		}
		time.Sleep(pulledStep)
	}
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
