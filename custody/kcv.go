package custody

import (
	"crypto/aes"
	"crypto/subtle"
	"encoding/hex"
	"strings"
)

// Form is how a key check value is computed. Letters of vendors do not always
// say it; the two forms differ, so that of the letter has to be named.
type Form string

// The forms in use for AES keys.
const (
	// CMAC is AES-CMAC (RFC 4493) over one block of zeros, as ANSI X9.24-1:2017
	// and PCI PIN have it.
	CMAC Form = "cmac"
	// ECB is one block of zeros encrypted, the older form.
	ECB Form = "ecb"
)

// KCV is what identifies a key without giving it away: the first three bytes of
// each form, as hexadecimal digits in upper case.
type KCV struct {
	CMAC string `json:"cmac"`
	ECB  string `json:"ecb"`
}

// X9.24-1:2017 prints five bytes of a CMAC, most letters three of either.
const (
	kcvSize    = 3
	kcvLongest = 5
)

// KCVOf computes the check values of an AES key, or of a half of one, which is as
// long. Any other length has none.
func KCVOf(key []byte) (k KCV, ok bool) {
	values, ok := blocks(key)
	if !ok {
		return KCV{}, false
	}
	print := func(f Form) string { return strings.ToUpper(hex.EncodeToString(values[f][:kcvSize])) }
	return KCV{CMAC: print(CMAC), ECB: print(ECB)}, true
}

// Is reports whether a key has the check value e, which is compared as far as it
// goes.
func (e Expected) Is(key []byte) bool {
	values, ok := blocks(key)
	want, err := hex.DecodeString(e.Value)
	if !ok || err != nil || !e.Valid() {
		return false
	}
	return subtle.ConstantTimeCompare(values[e.Form][:len(want)], want) == 1
}

// other is what to tell of a value that is right in the other form.
func (e Expected) other(key []byte) string {
	for _, f := range []Form{CMAC, ECB} {
		if f != e.Form && (Expected{Form: f, Value: e.Value}).Is(key) {
			return "; it is by the form " + string(f)
		}
	}
	return ""
}

// Valid reports whether e is of a known form, and three to five bytes long.
func (e Expected) Valid() bool {
	b, err := hex.DecodeString(e.Value)
	return err == nil && len(b) >= kcvSize && len(b) <= kcvLongest && (e.Form == CMAC || e.Form == ECB)
}

// blocks are the blocks of which check values are the beginning.
func blocks(key []byte) (map[Form][]byte, bool) {
	if len(key) != 16 && len(key) != 32 {
		return nil, false
	}
	c, err := aes.NewCipher(key)
	if err != nil {
		return nil, false
	}
	ecb := make([]byte, aes.BlockSize)
	c.Encrypt(ecb, ecb)
	// RFC 4493: the MAC of one whole block of zeros is the encryption of the
	// subkey K1, which is the encrypted zeros, doubled.
	mac := make([]byte, aes.BlockSize)
	for i := range mac {
		mac[i] = ecb[i] << 1
		if i+1 < len(ecb) {
			mac[i] |= ecb[i+1] >> 7
		}
	}
	mac[aes.BlockSize-1] ^= 0x87 & -(ecb[0] >> 7)
	c.Encrypt(mac, mac)
	return map[Form][]byte{CMAC: mac, ECB: ecb}, true
}
