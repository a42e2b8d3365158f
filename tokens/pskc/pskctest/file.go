package pskctest

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"fmt"

	"mohur/hsm"
)

// File is a whole file at once.
type File struct {
	Keys    []Key
	KeyName string   // of the transport key; DefaultKeyName if empty
	MAC     hsm.Hash // SHA1 or SHA256; SHA256 if not set
}

// Plain returns the file with its seeds in the clear.
func (f File) Plain() []byte {
	var b bytes.Buffer
	return f.write(NewWriter(&b), &b)
}

// Encrypted returns the file under a transport key of 16, 24 or 32 bytes. It
// panics on another length. No two calls return the same bytes.
func (f File) Encrypted(transportKey []byte) []byte {
	if f.KeyName == "" {
		f.KeyName = DefaultKeyName
	}
	if f.MAC == 0 {
		f.MAC = hsm.SHA256
	}
	var b bytes.Buffer
	return f.write(NewEncryptedWriter(&b, transportKey, f.KeyName, f.MAC), &b)
}

func (f File) write(w *Writer, b *bytes.Buffer) []byte {
	for _, k := range f.Keys {
		w.Add(k)
	}
	w.Close() // a bytes.Buffer does not fail
	return b.Bytes()
}

// TransportKey is a pskc.Decrypter with the key in memory, in place of the HSM.
type TransportKey []byte

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
