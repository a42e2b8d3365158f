package pkcs11

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"mohur/hsm"
)

// sealOverhead is what a sealed box has besides the ciphertext: the version of
// its key, the nonce and GCM's tag.
const sealOverhead = 1 + gcmNonce + gcmTag

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
	own := newSecret(plaintext, 0) // the caller may clear or reuse his while a call hangs
	defer own.clear()
	return call(ctx, m, "Seal", key, func(w *worker) (box []byte, err error) {
		err = own.use(func(text []byte) error {
			box, err = w.seal(key, place, text)
			return err
		})
		return box, err
	})
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
	params := p11.NewGCMParams(box[1:1+gcmNonce], []byte(place), 8*gcmTag)
	defer params.Free()
	err := w.ctx.EncryptInit(w.handle, []*p11.Mechanism{p11.NewMechanism(p11.CKM_AES_GCM, params)}, w.g.aeads[key][version])
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(params.IV(), box[1:1+gcmNonce]) {
		return nil, configFault("the module draws the nonce of AES-GCM itself")
	}
	sealed, err := w.plain.encrypt(w.handle, plaintext, len(plaintext)+gcmTag)
	if err != nil {
		return nil, err
	}
	if len(sealed) != len(plaintext)+gcmTag {
		return nil, configFault(fmt.Sprintf("AES-GCM makes %d bytes of %d", len(sealed), len(plaintext)))
	}
	return append(box, sealed...), nil
}

func (w *worker) open(key hsm.Key, place string, sealed []byte) ([]byte, error) {
	if len(sealed) < sealOverhead {
		return nil, blobFault(errors.New("the box is too short"))
	}
	kek, known := w.g.aeads[key][sealed[0]]
	if !known {
		return nil, blobFault(errors.New("no key of the box's version"))
	}
	plaintext, err := w.opened(kek, place, sealed[1:])
	// Only the decryption speaks of the box; before it, only the key is in
	// question.
	refused, ok := errors.AsType[*refusal](err)
	if !ok {
		return plaintext, err
	}
	if refused.code == p11.CKR_GENERAL_ERROR {
		if sick := w.g.witness.opens(w, key); sick != nil {
			return nil, sick
		}
	}
	return nil, blobFault(refused.code)
}

// refusal is what a module answers to a box that it does not open.
type refusal struct{ code p11.Error }

func (r *refusal) Error() string { return r.code.Error() }

// Unwrap makes the code of the refusal the fault's.
func (r *refusal) Unwrap() error { return r.code }

// opened decrypts nonce ‖ ciphertext. A box may hold a PIN: the plaintext comes
// in memory of Go's that the caller can clear, and is nowhere else.
func (w *worker) opened(kek p11.ObjectHandle, place string, sealed []byte) ([]byte, error) {
	params := p11.NewGCMParams(sealed[:gcmNonce], []byte(place), 8*gcmTag)
	defer params.Free()
	if err := w.ctx.DecryptInit(w.handle, []*p11.Mechanism{p11.NewMechanism(p11.CKM_AES_GCM, params)}, kek); err != nil {
		return nil, err
	}
	plaintext, err := w.plain.decrypt(w.handle, sealed[gcmNonce:])
	if code, ok := errors.AsType[p11.Error](err); ok && blobCodes[uint(code)] {
		return nil, &refusal{code}
	}
	return plaintext, err
}
