package pkcs11

import (
	"context"
	"crypto/elliptic"
	"fmt"
	"time"

	"github.com/ThalesGroup/crypto11"
	p11 "github.com/miekg/pkcs11"

	"mohur/hsm"
)

// Provision makes the keys of the house that an initialised token lacks, and
// lists them all. Keys that exist are left as they are, so it may be repeated.
func Provision(ctx context.Context, cfg Config) ([]hsm.KeyInfo, error) {
	return visit(ctx, cfg, "Provision", func(l *link, cfg Config) ([]hsm.KeyInfo, error) {
		all, err := l.inventory()
		if err != nil {
			return nil, err
		}
		for _, h := range house {
			if latest(all, h.key) > 0 {
				continue
			}
			if err := l.generate(cfg, h, 1); err != nil {
				return nil, faultOf("Provision", h.key, err)
			}
			cfg.Logger.Info("hsm: made a key", "key", h.key, "version", 1)
		}
		return l.list()
	})
}

// visit logs in, runs f once and logs out: what `mohur init` and `mohur keys`
// do, where no server runs on the token.
func visit[T any](ctx context.Context, cfg Config, op string, f func(*link, Config) (T, error)) (T, error) {
	return visitFor(ctx, startTimeout, cfg, op, f)
}

// visitFor is a visit of another length.
func visitFor[T any](ctx context.Context, limit time.Duration, cfg Config, op string, f func(*link, Config) (T, error)) (T, error) {
	var none T
	cfg, err := cfg.checked()
	if err != nil {
		return none, faultOf(op, "", err)
	}
	out, err := await(ctx, limit, func() (out T, err error) {
		l, err := connect(cfg)
		if err != nil {
			return none, err
		}
		defer l.close()
		err = caught(func() error {
			out, err = f(l, cfg)
			return err
		})
		return out, err
	}, func(T) {})
	if err != nil {
		return none, faultOf(op, "", err)
	}
	return out, nil
}

func latest(all []object, key hsm.Key) (version int) {
	for _, o := range all {
		if o.key == key {
			version = max(version, o.version)
		}
	}
	return version
}

func (l *link) generate(cfg Config, h housekey, version int) error {
	id, name := []byte(versioned(h.key, version)), []byte(label(h.key))
	if h.kind == kindSigning {
		return l.generatePair(id, name)
	}
	return l.generateSecret(cfg, h, id, name)
}

func (l *link) generatePair(id, name []byte) error {
	if err := l.with(readWrite, func(s *session) error { return s.destroyOrphans(id, name) }); err != nil {
		return err
	}
	public, err := crypto11.NewAttributeSetWithIDAndLabel(id, name)
	if err != nil {
		return err
	}
	private := public.Copy()
	private.AddIfNotPresent([]*p11.Attribute{
		p11.NewAttribute(p11.CKA_PRIVATE, true),
		p11.NewAttribute(p11.CKA_SENSITIVE, true),
		p11.NewAttribute(p11.CKA_EXTRACTABLE, false),
		p11.NewAttribute(p11.CKA_MODIFIABLE, false),
		p11.NewAttribute(p11.CKA_SIGN, true),
		p11.NewAttribute(p11.CKA_DECRYPT, false),
		p11.NewAttribute(p11.CKA_UNWRAP, false),
		p11.NewAttribute(p11.CKA_DERIVE, false),
	})
	_, err = l.crypto.GenerateECDSAKeyPairWithAttributes(public, private, elliptic.P256())
	return err
}

// destroyOrphans deletes public keys whose private half is gone. Such a key is
// worth nothing, and would be found in place of the new one.
func (s *session) destroyOrphans(id, name []byte) error {
	handles, err := s.search(p11.CKO_PUBLIC_KEY, p11.NewAttribute(p11.CKA_ID, id), p11.NewAttribute(p11.CKA_LABEL, name))
	if err != nil {
		return err
	}
	for _, h := range handles {
		if err := s.ctx.DestroyObject(s.handle, h); err != nil {
			return err
		}
	}
	return nil
}

// generateSecret asks for the strongest attributes first. Not every module knows
// all of them; without Strict the key is made with what the module knows.
func (l *link) generateSecret(cfg Config, h housekey, id, name []byte) error {
	all := hardenings(h.kind)
	if cfg.Profile.NoTemplate && len(all) > 1 {
		if cfg.Strict {
			return configFault("the module knows no CKA_UNWRAP_TEMPLATE, and hsm.strict asks for it")
		}
		cfg.Logger.Warn("hsm: the key is made without an unwrap template, which the module does not know", "key", h.key)
		all = all[len(all)-1:]
	}
	var err error
	for i, hardening := range all {
		if i > 0 {
			if cfg.Strict || faultOf("", "", err).Class != hsm.ClassConfig {
				return err
			}
			cfg.Logger.Warn("hsm: the module refuses an attribute that protects a key, the key is made with less",
				"key", h.key, "refused", all[i-1].name, "error", err)
		}
		if err = l.generateWith(h.kind, id, name, hardening); err == nil {
			return nil
		}
	}
	return err
}

func (l *link) generateWith(k kind, id, name []byte, add hardening) error {
	set, err := crypto11.NewAttributeSetWithIDAndLabel(id, name)
	if err != nil {
		return err
	}
	attributes, release := add.attributes()
	defer release()
	set.AddIfNotPresent(rights(k))
	set.AddIfNotPresent(attributes)
	switch k {
	case kindMAC:
		_, err = l.crypto.GenerateSecretKeyWithAttributes(set, 512, crypto11.CipherGeneric)
	case kindKEK, kindAEAD:
		_, err = l.crypto.GenerateSecretKeyWithAttributes(set, 256, crypto11.CipherAES)
	default:
		err = fmt.Errorf("no way to make a key of kind %v", k)
	}
	return err
}
