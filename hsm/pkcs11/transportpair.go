package pkcs11

import (
	"context"
	"crypto/rsa"
	"errors"
	"time"

	"github.com/ThalesGroup/crypto11"
	p11 "github.com/miekg/pkcs11"

	"mohur/hsm"
)

// pairTimeout is how long the module may look for primes. It is no call of a slot,
// which may not take so long.
const pairTimeout = 2 * time.Minute

// MakeTransport makes an RSA key pair of 2048, 3072 or 4096 bits in the token as
// transport-NAME and returns the public half, once the module has decrypted what
// was encrypted under it. The private half decrypts, does nothing else, and does
// not come out. A name that exists is refused.
func (m *Module) MakeTransport(ctx context.Context, name string, bits int) (*rsa.PublicKey, error) {
	k, fault := transportKey(name)
	switch {
	case fault != nil:
		return nil, m.refused("MakeTransport", k, fault)
	case bits != 2048 && bits != 3072 && bits != 4096:
		return nil, m.refuse("MakeTransport", k, "an RSA key of %d bits is not one of 2048, 3072 or 4096", bits)
	}
	// It logs in once more, for the time it takes: never while the module is
	// away, since its PIN may be why.
	if f := m.absent(); f != nil {
		return nil, m.refused("MakeTransport", k, f)
	}
	start := time.Now()
	public, err := visitFor(ctx, pairTimeout, m.cfg, "MakeTransport", func(l *link, _ Config) (*rsa.PublicKey, error) {
		return l.makeTransport(ctx, k, bits)
	})
	if err != nil {
		f := faultOf("MakeTransport", k, err)
		m.observe("MakeTransport", f.Class, start)
		return nil, f
	}
	m.observe("MakeTransport", 0, start)
	return public, nil
}

// TransportPublic returns the public half of an RSA transport key.
func (m *Module) TransportPublic(ctx context.Context, name string) (*rsa.PublicKey, error) {
	k, fault := transportKey(name)
	if fault != nil {
		return nil, m.refused("TransportPublic", k, fault)
	}
	return call(ctx, m, "TransportPublic", k, func(w *worker) (*rsa.PublicKey, error) {
		found, err := w.transport(k, p11.CKO_PRIVATE_KEY)
		return found.rsa, err
	})
}

func (l *link) makeTransport(ctx context.Context, key hsm.Key, bits int) (*rsa.PublicKey, error) {
	if !l.importing.TryLock() {
		return nil, &hsm.Fault{Class: hsm.ClassBusy, Err: errors.New("another import is under way")}
	}
	defer l.importing.Unlock()
	if found, err := l.lookup(key); err != nil || len(found) > 0 {
		if err == nil {
			err = inputFault("the token has a transport key of that name: delete it first")
		}
		return nil, err
	}
	if err := l.generateRSA(key, bits); err != nil {
		return nil, err
	}
	public, err := l.proven(key, bits)
	if err == nil {
		err = ctx.Err() // nobody is there any more to be given it
	}
	if err != nil {
		return nil, errors.Join(err, l.deleteTransport(key))
	}
	return public, nil
}

func (l *link) generateRSA(key hsm.Key, bits int) error {
	id, name := []byte(versioned(key, 1)), []byte(label(key))
	if err := l.with(readWrite, func(s *session) error { return s.destroyOrphans(id, name) }); err != nil {
		return err
	}
	public, err := crypto11.NewAttributeSetWithIDAndLabel(id, name)
	if err != nil {
		return err
	}
	private := public.Copy()
	public.AddIfNotPresent([]*p11.Attribute{
		p11.NewAttribute(p11.CKA_ENCRYPT, true),
		p11.NewAttribute(p11.CKA_VERIFY, false),
		p11.NewAttribute(p11.CKA_WRAP, false),
	})
	private.AddIfNotPresent([]*p11.Attribute{
		p11.NewAttribute(p11.CKA_PRIVATE, true),
		p11.NewAttribute(p11.CKA_SENSITIVE, true),
		p11.NewAttribute(p11.CKA_EXTRACTABLE, false),
		p11.NewAttribute(p11.CKA_MODIFIABLE, false),
		p11.NewAttribute(p11.CKA_DECRYPT, true),
		p11.NewAttribute(p11.CKA_SIGN, false),
		p11.NewAttribute(p11.CKA_UNWRAP, false),
		p11.NewAttribute(p11.CKA_DERIVE, false),
	})
	_, err = l.crypto.GenerateRSAKeyPairWithAttributes(public, private, bits)
	return err
}

// proven is the public half of a new pair, of which the module has shown that it
// has the other.
func (l *link) proven(key hsm.Key, bits int) (*rsa.PublicKey, error) {
	found, err := l.lookup(key)
	switch {
	case err != nil:
		return nil, err
	case len(found) != 1 || found[0].rsa == nil || found[0].rsa.N.BitLen() != bits:
		return nil, errors.New("the module made another key than it was asked for")
	}
	return found[0].rsa, l.with(readOnly, func(s *session) error { return s.opensOAEP(found[0]) })
}
