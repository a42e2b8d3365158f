// Package ident makes the identifiers of the house: opaque, 128 random bits
// from crypto/rand, with a short prefix that tells a reader what they name
// (at_ an attempt, tx_ a transaction). Nothing is encoded in one; nobody can
// guess a second from a first.
package ident

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"strings"
)

var encoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// New returns prefix + "_" + 26 characters (128 random bits).
func New(prefix string) string {
	return prefix + "_" + Text(16)
}

// Text returns n random bytes as lower-case base32 without padding.
func Text(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails: crypto/rand ends the process instead (Go 1.24)
	return encoding.EncodeToString(b)
}

// Valid reports whether id has the form New gives for prefix. It bounds what
// reaches a store as a key.
func Valid(prefix, id string) bool {
	rest, ok := strings.CutPrefix(id, prefix+"_")
	if !ok || len(rest) != 26 {
		return false
	}
	_, err := encoding.DecodeString(rest)
	return err == nil
}

// Digest stands for an id where it must not be read, such as the server's log:
// "sha256:" and the first 16 hex digits of its SHA-256. Who knows an id finds it by
// `printf %s ID | sha256sum`.
func Digest(id string) string {
	sum := sha256.Sum256([]byte(id))
	return "sha256:" + hex.EncodeToString(sum[:8])
}

// From returns the identifier over 16 given bytes, for one that must come out
// the same each time.
func From(prefix string, b []byte) string {
	return prefix + "_" + encoding.EncodeToString(b[:16])
}
