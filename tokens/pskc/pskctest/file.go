package pskctest

import (
	"bytes"
	"crypto/rsa"

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

// Wrapped returns the file under a transport key with AES key wrap.
func (f File) Wrapped(transportKey []byte) []byte {
	var b bytes.Buffer
	return f.write(NewWrappedWriter(&b, transportKey, DefaultKeyName), &b)
}

// Password returns the file under a password, with 1000 iterations of PBKDF2.
func (f File) Password(password string) []byte {
	var b bytes.Buffer
	return f.write(NewPasswordWriter(&b, password, 1000), &b)
}

// Public returns the file under RSA, with MACs if f.MAC is set.
func (f File) Public(public *rsa.PublicKey, padding hsm.RSAPadding) []byte {
	var b bytes.Buffer
	return f.write(NewPublicWriter(&b, public, padding, f.MAC), &b)
}

func (f File) write(w *Writer, b *bytes.Buffer) []byte {
	for _, k := range f.Keys {
		w.Add(k)
	}
	w.Close() // a bytes.Buffer does not fail
	return b.Bytes()
}
