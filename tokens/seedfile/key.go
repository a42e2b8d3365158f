// Package seedfile says what comes out of a manufacturer's seed file, whatever
// its format: keys, records that were rejected, and the reasons for which a whole
// file is refused. The readers of the formats are beside it.
//
// Against whom: a file comes from outside and is hostile until proven otherwise.
// What is the same for all readers is held here: the bounds a key keeps to, the
// names it may have, the encodings a file may be in, that no seed is printed and
// none is given out twice.
package seedfile

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"mohur/hsm"
)

// Algorithm is the kind of a key, whatever name the file used for it.
type Algorithm string

// The kinds of keys that are given out.
const (
	HOTP Algorithm = "hotp" // RFC 4226
	TOTP Algorithm = "totp" // RFC 6238
	OCRA Algorithm = "ocra" // RFC 6287
)

// What a key that is given out keeps to. MinSecret is RFC 4226 R6 and RFC 6030
// section 10.1; MinDigits is RFC 4226 R4, and HOTP ends at 9 digits (RFC 6030
// section 10.1). A longer step or drift would stretch the time in which a stolen
// code works further than any token needs.
const (
	MinSecret     = 16
	MaxSecret     = hsm.MaxSeed
	MinDigits     = 6
	MaxDigits     = 10
	MaxHOTPDigits = 9
	MinStep       = 10 * time.Second
	MaxStep       = 300 * time.Second
	MaxDrift      = 120 // steps, either way
)

// Key is one key of a file, complete and ready for import. Secret is the seed in
// the clear: it is valid until the call it was handed to returns, and is cleared
// then. No way of printing a Key shows it.
type Key struct {
	Index int // position of its record in the file, from 1; the same each time the file is read

	Manufacturer string // RFC 6030 section 4.3.1; free text
	Serial       string // 1 to 64 of A-Z a-z 0-9 . _ : / -
	Model        string
	IssueNo      string
	KeyID        string // like Serial
	Issuer       string
	FriendlyName string
	UserID       string // of the key, else of the device

	Algorithm Algorithm
	Suite     string   // OCRA: the suite of RFC 6287 section 6
	Hash      hsm.Hash // SHA-1 where the file names none, as RFC 4226 and RFC 6238 do
	Digits    int
	Counter   uint64        // HOTP, and OCRA with a counter: the next one
	Step      time.Duration // TOTP, and OCRA with time
	Time      uint64        // TOTP: steps on the device's clock when the file was made; T0 is always 1970
	Drift     int           // TOTP: steps the device was known to be ahead or, negative, behind

	Start  time.Time // the key must not be used before; zero: no limit
	Expiry time.Time // nor from here on; zero: no limit
	Uses   uint64    // how often it may be used; 0: no limit (RFC 6030 section 5, NumberOfTransactions)
	PIN    PINPolicy

	Secret []byte `json:"-"`
}

// PINMode says where a PIN comes in (RFC 6030 section 5, PINUsageMode).
type PINMode string

// The modes under which a key is given out. Prepend and Append would send the
// PIN to the server together with the code, which this server does not take.
const (
	PINNone        PINMode = ""            // the file says nothing about a PIN
	PINLocal       PINMode = "Local"       // the device checks it
	PINAlgorithmic PINMode = "Algorithmic" // it enters the computation (OCRA with P)
)

// PINPolicy is what the file says about the PIN of the device.
type PINPolicy struct {
	Mode        PINMode
	KeyID       string // key package that holds the PIN; such packages are never given out
	MinLength   int
	MaxLength   int
	MaxAttempts int
	Encoding    string
}

// String names the key without its seed.
func (k Key) String() string {
	return fmt.Sprintf("%s key %q of %q %q", k.Algorithm, k.KeyID, k.Manufacturer, k.Serial)
}

// Format keeps the seed out of every verb of package fmt.
func (k Key) Format(w fmt.State, _ rune) { io.WriteString(w, k.String()) }

// LogValue keeps the seed out of logs.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }
