package pkcs11

import (
	"crypto/sha256"
	"fmt"
)

// Token is a card or token as its module tells of it, without a PIN.
type Token struct {
	Reader       string        `json:"reader"` // the slot's description, in most modules the reader's name
	Label        string        `json:"label"`
	Manufacturer string        `json:"manufacturer"`
	Model        string        `json:"model"`
	Serial       string        `json:"serial"`
	PINLow       bool          `json:"pin_low"`    // a wrong PIN was entered since the last right one
	PINLast      bool          `json:"pin_last"`   // the next wrong one locks it
	PINLocked    bool          `json:"pin_locked"` // no PIN is taken any more
	PINPad       bool          `json:"pin_pad"`    // the PIN is entered on the reader
	PINUnset     bool          `json:"pin_unset"`  // it has no PIN yet
	PINChange    bool          `json:"pin_change"` // its PIN is one for the way only and waits to be changed
	MinPIN       int           `json:"min_pin"`    // bytes; 0 when not told
	MaxPIN       int           `json:"max_pin"`
	Mechanisms   []uint        `json:"mechanisms"`
	Certificates []Certificate `json:"certificates"`
}

// Certificate is one on a token, with what finds its key: CKA_ID.
type Certificate struct {
	ID    []byte `json:"id"`
	Label string `json:"label"`
	DER   []byte `json:"der"`
}

// Signature is what to sign with which key.
type Signature struct {
	Module    string
	Reader    string // of Token
	ID        []byte
	Hash      [sha256.Size]byte // of the certificate's DER: another card under the same id is refused
	Algorithm string            // RS256…ES512 (RFC 7518 section 3.1)
	Digest    []byte            // of the algorithm's hash
	PIN       []byte            // empty: the reader has a PIN pad
	LastTry   bool              // the customer knows that a wrong PIN locks the card
}

// Kind says what went wrong, in as many words as a customer can do something about.
type Kind string

// The kinds of Failure.
const (
	PINIncorrect Kind = "pin-incorrect"
	PINLocked    Kind = "pin-locked"
	PINInvalid   Kind = "pin-invalid" // too short, too long, or characters the card does not take
	PINUnset     Kind = "pin-unset"   // the card waits for its first PIN
	LastTry      Kind = "last-try"    // one try is left and Signature.LastTry was not set; nothing was tried
	Gone         Kind = "card-gone"   // the card or token was taken out
	Cancelled    Kind = "cancelled"   // on the PIN pad
	NoKey        Kind = "no-key"      // the certificate is there and its key is not
	Unsupported  Kind = "unsupported" // the card does not sign with this algorithm, or cannot do what was asked
	Management   Kind = "management"  // the management key is not the card's
	Module       Kind = "module"      // the module cannot be loaded
	Device       Kind = "device"      // the module or the card failed
	Timeout      Kind = "timeout"     // the module did not answer and was killed
	Crashed      Kind = "crashed"     // the module took its process with it
)

// Failure is what an operation ended with.
type Failure struct {
	Kind    Kind   `json:"kind"`
	Detail  string `json:"detail,omitempty"` // for a helpdesk; no PIN and no key is ever in it
	PINLast bool   `json:"pin_last,omitempty"`
}

func (f *Failure) Error() string {
	if f.Detail == "" {
		return "card: " + string(f.Kind)
	}
	return fmt.Sprintf("card: %s: %s", f.Kind, f.Detail)
}
