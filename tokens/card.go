package tokens

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"slices"
)

// CardProfile is the profile of cards that their owners brought along: nothing is
// known of the model.
const CardProfile = "card"

// What a card's certificate is enrolled for. A certificate for signing documents
// never logs in.
const (
	UseLogin = "login"
	UseSign  = "sign"
)

// Cards reports whether such devices carry certificates.
func (p Profile) Cards() bool { return slices.Contains(p.Kinds, Card) }

// CardSerial is the serial of a card that somebody brought along himself, over 5
// bytes.
func CardSerial(b []byte) string { return "CARD-" + base32.StdEncoding.EncodeToString(b[:5]) }

// CardMaker is the manufacturer under which certificates are known once: see
// CardKeyID.
const CardMaker = "x509"

// CardKeyID is the name under which the person in a certificate is known once: the
// SHA-256 of the issuer profile and the value of its subject attribute, in
// hexadecimal. It passes from one certificate of a person to the next and never
// to another customer.
func CardKeyID(issuer, subject string) string {
	sum := sha256.Sum256([]byte("card-subject/v1\x00" + issuer + "\x00" + subject))
	return hex.EncodeToString(sum[:])
}
