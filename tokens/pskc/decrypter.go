package pskc

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"

	"mohur/hsm"
)

// Decrypter is the transport key of one import: the caller has chosen it by
// name, and the key itself stays in the HSM. Calls come one at a time; the caller
// clears what they return. An error is a fault of the HSM, ends the reading and is
// returned as it is: it says nothing about the file. Only ErrNotOpened does.
type Decrypter interface {
	// DecryptCBC decrypts whole AES-CBC blocks and leaves the padding on; with a
	// key that does not belong to the file it returns noise and no error.
	DecryptCBC(ctx context.Context, iv, ciphertext []byte) ([]byte, error)
	// DecryptKW undoes the AES key wrap of RFC 3394, or of RFC 5649, which RFC 6030
	// section 6.1 asks for where a length is no multiple of 8. ErrNotOpened where
	// neither fits.
	DecryptKW(ctx context.Context, wrapped []byte) ([]byte, error)
	// DecryptRSA decrypts and takes the padding off; ErrNotOpened, whatever is wrong.
	DecryptRSA(ctx context.Context, padding hsm.RSAPadding, ciphertext []byte) ([]byte, error)
}

// ErrNotOpened says that a value is not one under this key. It tells no causes
// apart: a file that was changed on purpose must not learn them.
var ErrNotOpened = errors.New("pskc: the value does not open under this key")

// memoryKey is an AES key in the server's memory: one derived from a password.
type memoryKey struct{ block cipher.Block }

func newMemoryKey(key []byte) (memoryKey, error) {
	block, err := aes.NewCipher(key)
	return memoryKey{block}, err
}

// DecryptCBC implements Decrypter.
func (k memoryKey) DecryptCBC(_ context.Context, iv, ciphertext []byte) ([]byte, error) {
	out := make([]byte, len(ciphertext))
	cipher.NewCBCDecrypter(k.block, iv).CryptBlocks(out, ciphertext)
	return out, nil
}

// DecryptKW implements Decrypter.
func (k memoryKey) DecryptKW(_ context.Context, wrapped []byte) ([]byte, error) {
	return Unwrap(wrapped, func(b []byte) ([]byte, error) {
		out := make([]byte, len(b))
		k.block.Decrypt(out, b)
		return out, nil
	})
}

// DecryptRSA implements Decrypter: no password becomes an RSA key.
func (memoryKey) DecryptRSA(context.Context, hsm.RSAPadding, []byte) ([]byte, error) {
	return nil, ErrNotOpened
}
