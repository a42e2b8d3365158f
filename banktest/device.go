package banktest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"mohur/enrollment"
	"mohur/tokens/pskc"
)

// Device is a token as its owner holds it. It computes codes with code that is
// not the server's: HOTP and TOTP by pquerna/otp, OCRA here by hand.
type Device struct {
	ID, Serial string

	bank *Bank
	keys map[pskc.Algorithm]*pskc.Key
}

// Secret returns the seed of one of the device's keys.
func (d *Device) Secret(kind pskc.Algorithm) []byte { return d.keys[kind].Secret }

// Refill gives the device another seed for one of its keys, and counts from 0.
func (d *Device) Refill(kind pskc.Algorithm, secret []byte) {
	d.keys[kind].Secret, d.keys[kind].Counter = secret, 0
}

// HOTP presses the button once.
func (d *Device) HOTP() string {
	k := d.keys[pskc.HOTP]
	code := HOTP(k.Secret, k.Counter)
	k.Counter++
	return code
}

// HOTP computes a code of six digits, with SHA-1.
func HOTP(seed []byte, counter uint64) string {
	code, err := hotp.GenerateCodeCustom(base32.StdEncoding.EncodeToString(seed), counter, hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		panic(err) // base32 made here is base32
	}
	return code
}

// TOTP reads the code of the bank's present.
func (d *Device) TOTP() string {
	code, err := totp.GenerateCodeCustom(base32.StdEncoding.EncodeToString(d.keys[pskc.TOTP].Secret), d.bank.Clock.Now(), totp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	d.bank.must(err)
	return code
}

// OCRA types a question into the device.
func (d *Device) OCRA(question string) string {
	k := d.keys[pskc.OCRA]
	code := ocra(k.Suite, k.Secret, k.Counter, d.bank.Clock.Now(), question)
	k.Counter++
	return code
}

// OCRA computes a response of the suite OCRA-1:HOTP-SHA256-8:C-QN08.
func OCRA(seed []byte, counter uint64, question string) string {
	return ocra(enrollment.OCRASuite, seed, counter, time.Time{}, question)
}

// ocra computes a response of a suite of HOTP-SHA256-8 with a numeric question,
// and a counter or minutes or both, written from RFC 6287 sections 5.1 and 5.2 and
// nothing else.
func ocra(suite string, seed []byte, counter uint64, at time.Time, question string) string {
	n, _ := new(big.Int).SetString(question, 10)
	q, _ := hex.DecodeString((n.Text(16) + strings.Repeat("0", 256))[:256])
	m := hmac.New(sha256.New, seed)
	m.Write([]byte(suite + "\x00"))
	if strings.Contains(suite, ":C-") {
		m.Write(binary.BigEndian.AppendUint64(nil, counter))
	}
	m.Write(q)
	if strings.HasSuffix(suite, "-T1M") {
		m.Write(binary.BigEndian.AppendUint64(nil, uint64(at.Unix()/60)))
	}
	sum := m.Sum(nil)
	o := sum[31] & 15
	return fmt.Sprintf("%08d", (binary.BigEndian.Uint32(sum[o:o+4])&0x7fffffff)%100000000)
}
