package pkcs11

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"fmt"
	"sync"
	"time"

	"github.com/ThalesGroup/crypto11"
	p11 "github.com/miekg/pkcs11"

	"mohur/hsm"
)

// generation is one log-in with everything that is only valid under it: the
// handles of the keys, the session that keeps the copies of the MAC keys alive,
// and the slots in which calls run. It never changes once it serves. When its
// session or device fails it is replaced as a whole, because a handle of one
// log-in means something else, or nothing, in the next.
type generation struct {
	*link
	cfg     Config
	born    time.Time
	keeper  *session
	keks    map[string]p11.ObjectHandle // by version, "seed-kek/1"
	kek     string                      // the version that wraps
	macs    map[hsm.Key]p11.ObjectHandle
	aeads   map[hsm.Key]map[byte]p11.ObjectHandle
	sealing map[hsm.Key]byte // the version that seals
	signers map[hsm.Key]signer
	witness *witness

	transports struct {
		sync.Mutex
		found map[hsm.Key]object
	}

	jobs chan job
	quit chan struct{} // closed when the generation takes no more calls
	gone chan struct{} // closed when the last call has returned
}

// signer is a key pair. The public half is read once.
type signer struct {
	crypto.Signer
	version int
	public  *ecdsa.PublicKey
}

// build logs in, finds the keys and makes sure that they work: by the start-up
// probe when there is no witness yet, by the witness otherwise. It may hang as
// long as the module does.
func build(cfg Config, w *witness) (*generation, error) {
	l, err := connect(cfg)
	if err != nil {
		return nil, err
	}
	g := &generation{link: l, cfg: cfg, born: time.Now(), keeper: &session{link: l, flags: readOnly}, witness: w}
	if err := caught(g.prepare); err != nil {
		g.keeper.drop()
		l.close()
		return nil, err
	}
	g.serve()
	return g, nil
}

func (g *generation) prepare() error {
	if err := g.keeper.ready(); err != nil {
		return err
	}
	if err := g.findKeys(); err != nil {
		return err
	}
	if g.witness != nil {
		return g.with(readOnly, func(s *session) error { return g.witness.verify(&worker{g, s}) })
	}
	return g.with(readOnly, func(s *session) (err error) {
		if err = probe(&worker{g, s}); err != nil {
			return err
		}
		g.witness, err = newWitness(&worker{g, s})
		return err
	})
}

// findKeys finds every key of the house once. A search costs more than a
// signature, and grows with the token.
func (g *generation) findKeys() error {
	g.keks = map[string]p11.ObjectHandle{}
	g.macs = map[hsm.Key]p11.ObjectHandle{}
	g.aeads = map[hsm.Key]map[byte]p11.ObjectHandle{}
	g.sealing = map[hsm.Key]byte{}
	g.signers = map[hsm.Key]signer{}
	g.transports.found = map[hsm.Key]object{}

	all, err := g.inventory()
	if err != nil {
		return err
	}
	for _, h := range house {
		latest := 0
		for _, o := range all {
			if o.key != h.key {
				continue
			}
			latest = max(latest, o.version)
			if err := g.take(h.kind, o, latest); err != nil {
				return faultOf(opStart, h.key, err)
			}
		}
		if latest == 0 && !h.spare {
			return missing(h.key)
		}
	}
	return nil
}

func missing(key hsm.Key) error {
	f := configFault("the key is missing in the token: run `mohur init`, which makes what is missing and touches nothing else")
	f.Key = key
	return f
}

// take makes a key of the token ready for use. latest is the highest version
// seen so far, o's included.
func (g *generation) take(k kind, o object, latest int) error {
	newest := o.version == latest
	switch k {
	case kindKEK:
		g.keks[versioned(o.key, o.version)] = g.handle(o)
		if newest {
			g.kek = versioned(o.key, o.version)
		}
	case kindMAC:
		if newest {
			g.macs[o.key] = g.copied(o.handle)
		}
	case kindAEAD:
		if newest {
			g.sealing[o.key] = byte(o.version)
		}
		if g.aeads[o.key] == nil {
			g.aeads[o.key] = map[byte]p11.ObjectHandle{}
		}
		g.aeads[o.key][byte(o.version)] = g.handle(o)
	case kindSigning:
		if newest {
			return g.takeSigner(o)
		}
	}
	return nil
}

// copied returns a copy of a key that lives in the keeper's session, which
// saves modules that store their keys encrypted a decryption at each use: 11
// instead of 19 µs in SoftHSM. A module that does not copy serves the original.
func (g *generation) copied(original p11.ObjectHandle) p11.ObjectHandle {
	h, err := g.ctx.CopyObject(g.keeper.handle, original, []*p11.Attribute{p11.NewAttribute(p11.CKA_TOKEN, false)})
	if err != nil {
		g.cfg.Logger.Info("hsm: a key is used where it lies, the module does not copy it", "error", err)
		return original
	}
	return h
}

// handle is the key to use: the one in the token, or a copy where the profile
// says so.
func (g *generation) handle(o object) p11.ObjectHandle {
	if g.cfg.Profile.CopyKeys {
		return g.copied(o.handle)
	}
	return o.handle
}

// which is how crypto11 finds the key to use: by name, and where keys are copied
// the copy, which has the name of its original and is not in the token.
func (g *generation) which(o object) (crypto11.AttributeSet, error) {
	set, err := crypto11.NewAttributeSetWithIDAndLabel([]byte(versioned(o.key, o.version)), []byte(label(o.key)))
	if err != nil {
		return nil, err
	}
	return set, set.Set(crypto11.CkaToken, g.handle(o) == o.handle)
}

func (g *generation) takeSigner(o object) error {
	which, err := g.which(o)
	if err != nil {
		return err
	}
	pair, err := g.crypto.FindKeyPairWithAttributes(which)
	if err != nil {
		return configFault(fmt.Sprintf("the key pair is incomplete: %v", err))
	}
	public, ok := pair.Public().(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return configFault("the key is not an EC key on P-256")
	}
	g.signers[o.key] = signer{pair, o.version, public}
	return nil
}
