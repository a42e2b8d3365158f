package seal

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"

	"mohur/hsm"
)

// Held is a key that seals without the HSM, for what must be written down while
// it is away. Its wrapped form opens what it sealed, once the HSM is back and in
// any later process. It lies in memory as long as the process does, so nothing is
// sealed under it that would not be in memory anyway.
type Held struct {
	Key  Key
	aead cipher.AEAD
}

// Hold makes a key and keeps it. The HSM is needed for that, and not again.
func (k *Keyring) Hold(ctx context.Context, person string) (*Held, error) {
	raw := make([]byte, keySize)
	rand.Read(raw)
	defer clear(raw)
	wrapped, err := k.HSM.Seal(ctx, hsm.DataKEK, place(person), raw)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &Held{Key: Key{Person: person, Wrapped: wrapped}, aead: aead}, nil
}

// Seal encrypts plaintext for one place; Keyring.Open opens it.
func (h *Held) Seal(place string, plaintext []byte) []byte {
	box := make([]byte, 1+nonceSize, 1+nonceSize+len(plaintext)+h.aead.Overhead())
	box[0] = version
	rand.Read(box[1:])
	return h.aead.Seal(box, box[1:], plaintext, []byte(place))
}
