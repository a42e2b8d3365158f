package tokens

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"time"
)

// FIDOProfile is the profile of tokens that hold one FIDO2 key.
const FIDOProfile = "fido2-key"

// FIDOMaker is the manufacturer under whose name the ids of FIDO2 keys are known
// once, whoever made them: AddCredential with no serial.
const FIDOMaker = "webauthn"

// Pending is a registration that waits for the response of a key or card, on the
// token that will hold it.
type Pending struct {
	Challenge []byte    `json:"challenge"` // 32 random bytes; of a card the SHA-256 of Text
	Verified  bool      `json:"verified"`  // user verification was asked for
	Label     string    `json:"label,omitempty"`
	By        string    `json:"by"` // the caller who began and alone may end it
	Tries     int       `json:"tries,omitempty"`
	ExpiresAt time.Time `json:"expires_at"`
	Text      []byte    `json:"text,omitempty"` // of a card: the challenge text
	Data      string    `json:"data,omitempty"` // of a card: SHA-256 of the request, in hexadecimal
	Use       string    `json:"use,omitempty"`  // of a card: UseLogin or UseSign
}

// FIDOState is what moves in a FIDO2 key's record with every answer. It lies in
// the Counter of the key's hot row, so that a state that was put back is found
// like a counter that was.
type FIDOState struct {
	SignCount   uint32
	BackupState bool
}

const backupBit = 1 << 32

// Counter is the state as settle.Hot keeps it: the signature counter in the low 32
// bits, the backup state above them.
func (s FIDOState) Counter() uint64 {
	c := uint64(s.SignCount)
	if s.BackupState {
		c |= backupBit
	}
	return c
}

// FIDOStateOf reads what Counter wrote.
func FIDOStateOf(counter uint64) FIDOState {
	return FIDOState{SignCount: uint32(counter), BackupState: counter&backupBit != 0}
}

// UserHandle is a customer's account as his FIDO2 keys know it: the same for all
// of them, and saying nothing of him (Web Authentication Level 3 section 14.6.1).
func UserHandle(pseudonym string) []byte {
	sum := sha256.Sum256([]byte("fido-user/v1\x00" + pseudonym))
	return sum[:]
}

// FIDOSerial is the serial of a token that somebody brought along himself, over 5
// bytes.
func FIDOSerial(b []byte) string { return "FIDO-" + base32.StdEncoding.EncodeToString(b[:5]) }

// FIDOKeyID is the name under which a FIDO2 key's own id is known once: the SHA-256
// of it, in hexadecimal.
func FIDOKeyID(id []byte) string {
	sum := sha256.Sum256(id)
	return hex.EncodeToString(sum[:])
}
