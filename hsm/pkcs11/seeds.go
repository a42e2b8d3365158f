package pkcs11

import (
	"bytes"
	"context"
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"mohur/hsm"
)

// blobSize is RFC 3394 over a padded seed: every blob has it.
const blobSize = hsm.MaxSeed + 8

// maxMessages bounds one call of HMAC, which keeps its slot from the others.
const maxMessages = 1024

// hmacs are the mechanisms by hash.
var hmacs = map[hsm.Hash]uint{
	hsm.SHA1:   p11.CKM_SHA_1_HMAC,
	hsm.SHA256: p11.CKM_SHA256_HMAC,
	hsm.SHA512: p11.CKM_SHA512_HMAC,
}

// WrapSeed pads and wraps a seed, and clears it once it is wrapped. A call that
// fails leaves it, so that the caller can try again; a seed of zeros is refused,
// because it is one that was cleared before.
func (m *Module) WrapSeed(ctx context.Context, seed []byte) (hsm.WrappedSeed, error) {
	if len(seed) < 1 || len(seed) > hsm.MaxSeed {
		return hsm.WrappedSeed{}, m.refuse("WrapSeed", hsm.SeedKEK, "a seed of %d bytes is not of 1 to %d", len(seed), hsm.MaxSeed)
	}
	if zero(seed) {
		return hsm.WrappedSeed{}, m.refuse("WrapSeed", hsm.SeedKEK, "the seed is all zeros")
	}
	own := newSecret(seed, hsm.MaxSeed)
	defer own.clear()
	wrapped, err := call(ctx, m, "WrapSeed", hsm.SeedKEK, func(w *worker) (wrapped hsm.WrappedSeed, err error) {
		err = own.use(func(padded []byte) error {
			wrapped, err = w.wrapSeed(padded)
			return err
		})
		return wrapped, err
	})
	if err == nil {
		clear(seed)
	}
	return wrapped, err
}

// HMAC unwraps the seed inside the module, uses it for every message, and
// destroys it. The seed is never in the memory of this process.
func (m *Module) HMAC(ctx context.Context, seed hsm.WrappedSeed, h hsm.Hash, messages ...[]byte) ([][]byte, error) {
	return m.HMACUnless(ctx, seed, h, nil, messages...)
}

// HMACUnless is HMAC that stops after the first message when enough accepts it:
// the next counter of a token is nearly always the right one.
func (m *Module) HMACUnless(ctx context.Context, seed hsm.WrappedSeed, h hsm.Hash, enough func(first []byte) bool, messages ...[]byte) ([][]byte, error) {
	mechanism := hmacs[h]
	switch {
	case mechanism == 0:
		return nil, m.refuse("HMAC", hsm.SeedKEK, "unknown hash %v", h)
	case len(messages) < 1 || len(messages) > maxMessages:
		return nil, m.refuse("HMAC", hsm.SeedKEK, "%d messages are not 1 to %d", len(messages), maxMessages)
	}
	own := hsm.WrappedSeed{KEK: seed.KEK, Blob: bytes.Clone(seed.Blob)}
	texts := make([][]byte, len(messages))
	for i, t := range messages {
		texts[i] = bytes.Clone(t)
	}
	return call(ctx, m, "HMAC", hsm.SeedKEK, func(w *worker) ([][]byte, error) {
		return w.seedHMAC(own, mechanism, enough, texts)
	})
}

// wrapSeed makes a session object of a padded seed, wraps it and destroys it.
// The object has to be extractable for that, which is why it lives no longer
// than the call, in a session that nobody else uses.
func (w *worker) wrapSeed(padded []byte) (hsm.WrappedSeed, error) {
	seed, err := w.plain.createObject(w.handle, []*p11.Attribute{
		p11.NewAttribute(p11.CKA_CLASS, p11.CKO_SECRET_KEY),
		p11.NewAttribute(p11.CKA_KEY_TYPE, p11.CKK_GENERIC_SECRET),
		p11.NewAttribute(p11.CKA_TOKEN, false),
		p11.NewAttribute(p11.CKA_PRIVATE, true),
		p11.NewAttribute(p11.CKA_SENSITIVE, true),
		p11.NewAttribute(p11.CKA_EXTRACTABLE, true),
		p11.NewAttribute(p11.CKA_VALUE, padded),
	})
	if err != nil {
		return hsm.WrappedSeed{}, err
	}
	blob, length, err := w.plain.wrap(w.handle, w.g.cfg.Profile.WrapMechanism, w.g.keks[w.g.kek], seed, blobSize)
	if gone := w.ctx.DestroyObject(w.handle, seed); err == nil {
		err = gone // an error drops the session, and the object with it
	}
	if err == nil && length != blobSize || codeOf(err) == p11.CKR_BUFFER_TOO_SMALL {
		return hsm.WrappedSeed{}, configFault(fmt.Sprintf("mechanism %#x makes blobs of %d bytes, RFC 3394 makes %d: set hsm.wrap_mechanism",
			w.g.cfg.Profile.WrapMechanism, length, blobSize))
	}
	if err != nil {
		return hsm.WrappedSeed{}, err
	}
	return hsm.WrappedSeed{KEK: w.g.kek, Blob: blob}, nil
}

func (w *worker) wrapping() []*p11.Mechanism {
	return []*p11.Mechanism{{Mechanism: w.g.cfg.Profile.WrapMechanism}}
}

func (w *worker) seedHMAC(seed hsm.WrappedSeed, mechanism uint, enough func([]byte) bool, messages [][]byte) ([][]byte, error) {
	key, err := w.unwrap(seed, false)
	if err != nil {
		return nil, err
	}
	macs := make([][]byte, 0, len(messages))
	for i, t := range messages {
		sum, err := w.hmac(mechanism, key, t)
		if err != nil {
			return nil, err // the session goes, and the seed with it
		}
		macs = append(macs, sum)
		if i == 0 && enough != nil && enough(sum) {
			break
		}
	}
	if err := w.ctx.DestroyObject(w.handle, key); err != nil {
		return nil, err
	}
	return macs, nil
}

// unwrap makes a session object of a blob: a key that signs and does nothing
// else. Only the probe asks for an extractable one, to see it refused.
func (w *worker) unwrap(seed hsm.WrappedSeed, extractable bool) (p11.ObjectHandle, error) {
	kek, known := w.g.keks[seed.KEK]
	switch {
	case !known:
		// Not a damaged blob: the token lost a key, or another server's
		// record was brought here.
		return 0, &hsm.Fault{Class: hsm.ClassConfig, Err: fmt.Errorf("the token has no key %q", seed.KEK)}
	case len(seed.Blob) != blobSize:
		return 0, blobFault(fmt.Errorf("a blob of %d bytes, every wrapped seed has %d", len(seed.Blob), blobSize))
	}
	key, err := w.ctx.UnwrapKey(w.handle, w.wrapping(), kek, seed.Blob, w.seedTemplate(extractable))
	if !blobCodes[codeOf(err)] {
		return key, err
	}
	if codeOf(err) == p11.CKR_GENERAL_ERROR {
		if sick := w.g.witness.unwraps(w); sick != nil {
			return 0, sick
		}
	}
	return 0, blobFault(err)
}

func (w *worker) seedTemplate(extractable bool) []*p11.Attribute {
	t := []*p11.Attribute{
		p11.NewAttribute(p11.CKA_CLASS, p11.CKO_SECRET_KEY),
		p11.NewAttribute(p11.CKA_KEY_TYPE, p11.CKK_GENERIC_SECRET),
		p11.NewAttribute(p11.CKA_TOKEN, false),
		p11.NewAttribute(p11.CKA_PRIVATE, true),
		p11.NewAttribute(p11.CKA_SENSITIVE, true),
		p11.NewAttribute(p11.CKA_EXTRACTABLE, extractable),
		p11.NewAttribute(p11.CKA_SIGN, true),
	}
	if w.g.cfg.Profile.ValueLen {
		t = append(t, p11.NewAttribute(p11.CKA_VALUE_LEN, hsm.MaxSeed))
	}
	return t
}
