package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math/big"
	"strings"
)

// demoToken plays the device in the customer's hand: it has two seeds, counts,
// and shows codes. It shares no line with the server's verifier, so that the two
// can only agree by both being right.
type demoToken struct {
	serial      string
	hotpSeed    []byte
	hotpCounter uint64
	ocraSeed    []byte
	ocraCounter uint64
}

// The one suite of the demonstration's tokens (RFC 6287 section 6).
const demoSuite = "OCRA-1:HOTP-SHA256-8:C-QN08"

func newDemoToken(serial string) *demoToken {
	t := &demoToken{serial: serial, hotpSeed: make([]byte, 20), ocraSeed: make([]byte, 32)}
	rand.Read(t.hotpSeed)
	rand.Read(t.ocraSeed)
	return t
}

// code is what the device shows when its button is pressed (RFC 4226).
func (t *demoToken) code() string {
	message := binary.BigEndian.AppendUint64(nil, t.hotpCounter)
	t.hotpCounter++
	return truncated(sha1.New, t.hotpSeed, message, 6)
}

// answer is what the device shows after the question was typed into it (RFC 6287
// section 5.1: suite, a zero byte, the counter, the question as hexadecimal padded
// to 128 bytes).
func (t *demoToken) answer(question string) (string, error) {
	n, ok := new(big.Int).SetString(question, 10)
	if !ok || len(question) != 8 {
		return "", fmt.Errorf("the device takes questions of 8 digits, not %q", question)
	}
	digits := n.Text(16)
	padded, err := hex.DecodeString(digits + strings.Repeat("0", 256-len(digits)))
	if err != nil {
		return "", err
	}
	message := append([]byte(demoSuite), 0)
	message = binary.BigEndian.AppendUint64(message, t.ocraCounter)
	t.ocraCounter++
	return truncated(sha256.New, t.ocraSeed, append(message, padded...), 8), nil
}

// truncated is the dynamic truncation of RFC 4226 section 5.3.
func truncated(h func() hash.Hash, seed, message []byte, digits int) string {
	mac := hmac.New(h, seed)
	mac.Write(message)
	sum := mac.Sum(nil)
	four := sum[sum[len(sum)-1]&0xf:]
	n := uint64(binary.BigEndian.Uint32(four[:4]) & 0x7fffffff)
	modulus := uint64(1)
	for range digits {
		modulus *= 10
	}
	return fmt.Sprintf("%0*d", digits, n%modulus)
}
