package pkcs11

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	p11 "github.com/miekg/pkcs11"

	"mohur/hsm"
)

// vector is a known answer: the code of RFC 4226 appendix D at counter 0, and
// those of RFC 6238 appendix B at 59 seconds.
type vector struct {
	hash    hsm.Hash
	seed    string
	counter uint64
	modulo  uint32
	code    uint32
}

var vectors = []vector{
	{hsm.SHA1, "12345678901234567890", 0, 1e6, 755224},
	{hsm.SHA1, "12345678901234567890", 1, 1e8, 94287082},
	{hsm.SHA256, "12345678901234567890123456789012", 1, 1e8, 46119246},
	{hsm.SHA512, "1234567890123456789012345678901234567890123456789012345678901234", 1, 1e8, 90693936},
}

// probe asks the module for known answers. The list of mechanisms it claims is
// not asked: modules claim what a policy then forbids, and compute what they do
// not list.
func probe(w *worker) error {
	for _, step := range []func(*worker) error{
		probePasswords, probeTampered, probeMACs, probeSeals, probeSignatures, probeExtractable, probeRights,
	} {
		if err := step(w); err != nil {
			return err
		}
		w.drop() // some steps provoke errors
		if err := w.ready(); err != nil {
			return err
		}
	}
	return nil
}

func probePasswords(w *worker) error {
	for _, v := range vectors {
		padded := make([]byte, hsm.MaxSeed)
		copy(padded, v.seed)
		wrapped, err := w.wrapSeed(padded)
		if err != nil {
			return lacking(w, hsm.SeedKEK, "wraps no seed", err)
		}
		macs, err := w.seedHMAC(wrapped, hmacs[v.hash], nil, [][]byte{binary.BigEndian.AppendUint64(nil, v.counter)})
		if err != nil {
			return lacking(w, hsm.SeedKEK, fmt.Sprintf("computes no HMAC-%v under an unwrapped seed", v.hash), err)
		}
		if truncated(macs[0])%v.modulo != v.code {
			return wrong(hsm.SeedKEK, fmt.Sprintf("HMAC-%v under an unwrapped seed is not that of RFC 4226 and 6238", v.hash))
		}
	}
	return nil
}

// truncated is the dynamic truncation of RFC 4226 section 5.3.
func truncated(mac []byte) uint32 {
	at := mac[len(mac)-1] & 15
	return binary.BigEndian.Uint32(mac[at:]) &^ (1 << 31)
}

func probeTampered(w *worker) error {
	wrapped, err := w.wrapSeed(bytes.Repeat([]byte{1}, hsm.MaxSeed))
	if err != nil {
		return err
	}
	wrapped.Blob[blobSize/2] ^= 1
	if _, err := w.unwrap(wrapped, false); err == nil {
		return wrong(hsm.SeedKEK, "a tampered blob was unwrapped: hsm.wrap_mechanism is not RFC 3394")
	}
	return nil
}

func probeMACs(w *worker) error {
	for key := range w.g.macs {
		one, err := w.mac(key, []byte("one"))
		if err != nil {
			return lacking(w, key, "computes no HMAC-SHA256", err)
		}
		two, err := w.mac(key, []byte("two"))
		if err != nil {
			return err
		}
		if len(one) != sha256.Size || bytes.Equal(one, two) {
			return wrong(key, "the MAC is no HMAC-SHA256")
		}
	}
	return nil
}

func probeSeals(w *worker) error {
	for key := range w.g.aeads {
		text := []byte("a plaintext of the probe")
		box, err := safely(w, func(w *worker) ([]byte, error) { return w.seal(key, "here", text) })
		if err != nil {
			return lacking(w, key, "seals nothing with AES-GCM (0x1087)", err)
		}
		got, err := w.open(key, "here", box)
		if err != nil || !bytes.Equal(got, text) {
			return wrong(key, fmt.Sprintf("a sealed box does not open: %v", err))
		}
		if _, err := w.open(key, "there", box); err == nil {
			return wrong(key, "a box opens at another place")
		}
	}
	return nil
}

func probeSignatures(w *worker) error {
	digest := sha256.Sum256([]byte("a message of the probe"))
	for key, s := range w.g.signers {
		sig, err := w.sign(key, digest[:])
		if err != nil {
			return lacking(w, key, "makes no ECDSA signature (0x1041)", err)
		}
		r, t := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
		if !ecdsa.Verify(s.public, digest[:], r, t) {
			return wrong(key, "a signature does not verify under the public key")
		}
	}
	return nil
}

// probeExtractable tries what a thief with the PIN would: to unwrap a seed into
// a key that can be carried away. A KEK with an unwrap template forbids it.
func probeExtractable(w *worker) error {
	wrapped, err := w.wrapSeed(bytes.Repeat([]byte{1}, hsm.MaxSeed))
	if err != nil {
		return err
	}
	if _, err := w.unwrap(wrapped, true); err != nil {
		return nil
	}
	return weak(w, hsm.SeedKEK, "whoever holds the PIN can unwrap a seed as extractable: "+
		"the module ignores CKA_UNWRAP_TEMPLATE, or the key was made without it")
}

// probeRights looks at what the token says of the keys themselves.
func probeRights(w *worker) error {
	all, err := w.inventory()
	if err != nil {
		return err
	}
	for _, o := range all {
		values, err := w.ctx.GetAttributeValue(w.handle, o.handle, []*p11.Attribute{
			p11.NewAttribute(p11.CKA_SENSITIVE, nil),
			p11.NewAttribute(p11.CKA_EXTRACTABLE, nil),
		})
		if err != nil {
			return faultOf(opStart, o.key, err)
		}
		if !bytes.Equal(values[0].Value, []byte{1}) || !bytes.Equal(values[1].Value, []byte{0}) {
			if err := weak(w, o.key, "the key is not marked as sensitive and not extractable: it may have copies outside"); err != nil {
				return err
			}
		}
	}
	return nil
}

// lacking explains a module that cannot do something: what, and what to set.
func lacking(w *worker, key hsm.Key, what string, err error) error {
	f := faultOf(opStart, key, err)
	if f.Class != hsm.ClassConfig && f.Class != hsm.ClassInput {
		return f
	}
	hint := "see the policy of the token and the rights of the key"
	if key == hsm.SeedKEK {
		hint = fmt.Sprintf("the wrapping is mechanism %#x; see hsm.wrap_mechanism and hsm.value_len (now %v)",
			w.g.cfg.Profile.WrapMechanism, w.g.cfg.Profile.ValueLen)
	}
	return &hsm.Fault{Class: hsm.ClassConfig, Op: opStart, Key: key, Code: codeOf(err),
		Err: fmt.Errorf("the module %s: %w (%s)", what, err, hint)}
}

func wrong(key hsm.Key, text string) error {
	return &hsm.Fault{Class: hsm.ClassConfig, Op: opStart, Key: key, Err: errors.New(text)}
}

// weak is a fault under Strict and a warning otherwise.
func weak(w *worker, key hsm.Key, text string) error {
	if w.g.cfg.Strict {
		return wrong(key, text)
	}
	w.g.cfg.Logger.Warn("hsm: "+text, "key", key)
	return nil
}
