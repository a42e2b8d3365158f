package pkcs11

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"strings"

	p11 "github.com/miekg/pkcs11"

	"mohur/hsm"
)

// sealOverhead is what a sealed box has besides the ciphertext: the version of
// its key, the nonce and GCM's tag.
const sealOverhead = 1 + gcmNonce + 16

// maxSealed bounds a plaintext: boxes hold keys, hashes and PINs, and a large
// one would keep a slot from the others.
const maxSealed = 64 << 10

// Seal encrypts plaintext with AES-256-GCM, place being the associated data. The
// result is the version of the key ‖ a random nonce ‖ the ciphertext, so a box
// stays readable after its key has got a successor.
func (m *Module) Seal(ctx context.Context, key hsm.Key, place string, plaintext []byte) ([]byte, error) {
	if err := m.checkSeal("Seal", key, place); err != nil {
		return nil, err
	}
	if len(plaintext) > maxSealed {
		return nil, m.refuse("Seal", key, "a plaintext of %d bytes is over %d", len(plaintext), maxSealed)
	}
	own := bytes.Clone(plaintext) // the caller may clear or reuse his while a call hangs
	return call(ctx, m, "Seal", key, func(w *worker) ([]byte, error) { return w.seal(key, place, own) })
}

// Open decrypts what Seal made for the same key and place.
func (m *Module) Open(ctx context.Context, key hsm.Key, place string, sealed []byte) ([]byte, error) {
	if err := m.checkSeal("Open", key, place); err != nil {
		return nil, err
	}
	own := bytes.Clone(sealed)
	return call(ctx, m, "Open", key, func(w *worker) ([]byte, error) { return w.open(key, place, own) })
}

func (m *Module) checkSeal(op string, key hsm.Key, place string) error {
	if k, _ := kindOf(key); k != kindAEAD {
		return m.refuse(op, key, "not a sealing key")
	}
	if place == "" {
		return m.refuse(op, key, "the place is empty: it is what keeps a box from being moved")
	}
	return nil
}

func (w *worker) seal(key hsm.Key, place string, plaintext []byte) ([]byte, error) {
	version := w.g.sealing[key]
	box := make([]byte, 1+gcmNonce, sealOverhead+len(plaintext))
	box[0] = version
	if _, err := rand.Read(box[1:]); err != nil {
		return nil, err
	}
	return w.g.aeads[key][version].Seal(box, box[1:1+gcmNonce], plaintext, []byte(place)), nil
}

func (w *worker) open(key hsm.Key, place string, sealed []byte) ([]byte, error) {
	if len(sealed) < sealOverhead {
		return nil, blobFault(errors.New("the box is too short"))
	}
	aead := w.g.aeads[key][sealed[0]]
	if aead == nil {
		return nil, blobFault(errors.New("no key of the box's version"))
	}
	plaintext, err := aead.Open(nil, sealed[1:1+gcmNonce], sealed[1+gcmNonce:], []byte(place))
	// Only C_Decrypt speaks of the box; before it, only the key is in question.
	if err == nil || !strings.HasPrefix(err.Error(), "C_Decrypt: ") || !blobCodes[codeOf(err)] {
		return plaintext, err
	}
	if codeOf(err) == p11.CKR_GENERAL_ERROR {
		if sick := w.g.witness.opens(w, key); sick != nil {
			return nil, sick
		}
	}
	return nil, blobFault(err)
}
