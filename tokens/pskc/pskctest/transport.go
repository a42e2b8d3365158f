package pskctest

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/binary"
	"fmt"

	"mohur/hsm"
	"mohur/tokens/pskc"
)

// TransportKey is a pskc.Decrypter with an AES key in memory, in place of the HSM.
type TransportKey []byte

var _ pskc.Decrypter = TransportKey(nil)

// DecryptCBC decrypts whole blocks and leaves the padding on.
func (k TransportKey) DecryptCBC(_ context.Context, iv, ciphertext []byte) ([]byte, error) {
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, fmt.Errorf("pskctest: %w", err)
	}
	if len(iv) != aes.BlockSize || len(ciphertext)%aes.BlockSize != 0 {
		return nil, fmt.Errorf("pskctest: not whole blocks")
	}
	out := make([]byte, len(ciphertext))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, ciphertext)
	return out, nil
}

// DecryptKW undoes RFC 3394 and RFC 5649.
func (k TransportKey) DecryptKW(_ context.Context, wrapped []byte) ([]byte, error) {
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, fmt.Errorf("pskctest: %w", err)
	}
	return pskc.Unwrap(wrapped, func(b []byte) ([]byte, error) {
		out := make([]byte, len(b))
		block.Decrypt(out, b)
		return out, nil
	})
}

// DecryptRSA opens nothing: this is no RSA key.
func (TransportKey) DecryptRSA(context.Context, hsm.RSAPadding, []byte) ([]byte, error) {
	return nil, pskc.ErrNotOpened
}

// Wrap is RFC 3394 for a length that is a multiple of 8, else RFC 5649, under an
// AES key. It panics on a value shorter than 9 bytes.
func Wrap(key, value []byte) []byte {
	block, err := aes.NewCipher(key)
	if err != nil || len(value) <= 8 {
		panic("pskctest: such a value or key cannot be wrapped")
	}
	r := append(bytes.Repeat([]byte{0xA6}, 8), value...)
	if len(value)%8 != 0 {
		binary.BigEndian.PutUint64(r, 0xA65959A6_00000000|uint64(len(value)))
		r = append(r, make([]byte, 8-len(value)%8)...)
	}
	b := make([]byte, aes.BlockSize)
	copy(b, r[:8])
	for t, n := 1, len(r)/8-1; t <= 6*n; t++ {
		ri := r[8+(t-1)%n*8:][:8]
		copy(b[8:], ri)
		block.Encrypt(b, b)
		copy(ri, b[8:])
		binary.BigEndian.PutUint64(b, binary.BigEndian.Uint64(b)^uint64(t))
	}
	copy(r, b[:8])
	return r
}

// PrivateKey is a pskc.Decrypter with an RSA key in memory.
type PrivateKey struct{ *rsa.PrivateKey }

var _ pskc.Decrypter = PrivateKey{}

// DecryptCBC opens nothing: this is no AES key.
func (PrivateKey) DecryptCBC(context.Context, []byte, []byte) ([]byte, error) {
	return nil, pskc.ErrNotOpened
}

// DecryptKW opens nothing: this is no AES key.
func (PrivateKey) DecryptKW(context.Context, []byte) ([]byte, error) { return nil, pskc.ErrNotOpened }

// DecryptRSA decrypts PKCS #1 v1.5 or OAEP with SHA-1.
func (k PrivateKey) DecryptRSA(_ context.Context, padding hsm.RSAPadding, ciphertext []byte) (out []byte, err error) {
	if len(ciphertext) != k.Size() {
		return nil, pskc.ErrNotOpened // package rsa takes one that lost a leading zero
	}
	if padding == hsm.OAEP {
		out, err = rsa.DecryptOAEP(sha1.New(), rand.Reader, k.PrivateKey, ciphertext, nil)
	} else {
		//lint:ignore SA1019 RFC 6030 section 6.3 recommends it, so files have it
		out, err = rsa.DecryptPKCS1v15(rand.Reader, k.PrivateKey, ciphertext)
	}
	if err != nil {
		return nil, pskc.ErrNotOpened
	}
	return out, nil
}
