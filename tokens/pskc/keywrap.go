package pskc

import (
	"bytes"
	"crypto/aes"
	"crypto/subtle"
	"encoding/binary"
)

// half of an AES block is what a key wrap counts in.
const half = aes.BlockSize / 2

// maxWrapped is the longest wrapped value, in bytes.
const maxWrapped = 256 + half

// wrappable reports whether so many bytes can be a wrapped value: two halves at
// least behind the initial value. RFC 5649's form for one half, which is a single
// block, is too short for a seed.
func wrappable(n int) bool { return n >= 3*half && n <= maxWrapped && n%half == 0 }

// The initial values by which an unwrapped value is known to be whole: that of RFC
// 3394 section 2.2.3.1, and the upper half of that of RFC 5649 section 3.
var (
	ivPlain  = bytes.Repeat([]byte{0xA6}, half)
	ivPadded = []byte{0xA6, 0x59, 0x59, 0xA6}
)

// Unwrap undoes RFC 3394 and RFC 5649 over decrypt, which decrypts one block of AES
// and returns it in a buffer of its own. The two differ in the initial value that
// comes out, so the value itself says which it is. ErrNotOpened where it is
// neither, else an error of decrypt.
func Unwrap(wrapped []byte, decrypt func(block []byte) ([]byte, error)) (out []byte, err error) {
	if !wrappable(len(wrapped)) {
		return nil, ErrNotOpened
	}
	block := make([]byte, aes.BlockSize) // A ‖ R[i], in the names of RFC 3394 section 2.2.2
	defer clear(block)
	r := bytes.Clone(wrapped[half:])
	defer func() {
		if err != nil {
			clear(r)
		}
	}()
	copy(block, wrapped[:half])
	n := len(r) / half
	for t := 6 * n; t > 0; t-- {
		ri := r[(t-1)%n*half:][:half]
		binary.BigEndian.PutUint64(block, binary.BigEndian.Uint64(block)^uint64(t))
		copy(block[half:], ri)
		opened, err := decrypt(block)
		if err != nil {
			return nil, err
		}
		copy(block, opened)
		copy(ri, opened[half:])
		clear(opened)
	}
	if subtle.ConstantTimeCompare(block[:half], ivPlain) == 1 {
		return r, nil
	}
	length, pad := int(binary.BigEndian.Uint32(block[4:])), 0
	if subtle.ConstantTimeCompare(block[:4], ivPadded) == 1 && length <= len(r) && length > len(r)-half {
		pad = 1
		for _, b := range r[length:] {
			pad &= subtle.ConstantTimeByteEq(b, 0)
		}
	}
	if pad != 1 {
		return nil, ErrNotOpened
	}
	return r[:length], nil
}
