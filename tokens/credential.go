package tokens

import (
	"context"
	"crypto/hmac"
	"encoding/binary"
	"time"

	"mohur/hsm"
	"mohur/settle"
)

// Kind is what a credential computes.
type Kind string

// The kinds of OTP credential.
const (
	HOTP Kind = "hotp" // RFC 4226
	TOTP Kind = "totp" // RFC 6238
	OCRA Kind = "ocra" // RFC 6287
)

// Credential is what proves: one key of a token. Its seed is wrapped by the HSM
// and bound to this record by MAC; what moves with every answer is in its
// settle.Hot row under the same id.
type Credential struct {
	ID        string          `json:"id"`
	Token     string          `json:"token"`
	Kind      Kind            `json:"kind"`
	Label     string          `json:"label"`
	KeyID     string          `json:"key_id"`
	Hash      hsm.Hash        `json:"hash"`
	Digits    int             `json:"digits"`
	Step      int             `json:"step,omitempty"` // seconds, TOTP
	T0        int64           `json:"t0,omitempty"`   // Unix seconds, TOTP
	Suite     string          `json:"suite,omitempty"`
	Seed      hsm.WrappedSeed `json:"seed"`
	MAC       []byte          `json:"mac"`
	Pseudonym string          `json:"pseudonym"` // random; what audit headers say
	CreatedAt time.Time       `json:"created_at"`
}

// bindingVersion is raised when the fields below change.
const bindingVersion = "credential/v1"

// binding is everything an answer is judged by. A row copied, edited or given
// another's blob no longer fits its MAC.
func (c Credential) binding() [][]byte {
	var n []byte
	for _, v := range []int64{int64(c.Hash), int64(c.Digits), int64(c.Step), c.T0} {
		n = binary.BigEndian.AppendUint64(n, uint64(v))
	}
	return [][]byte{[]byte(c.ID), []byte(c.Token), []byte(c.Kind), []byte(c.Suite), n, []byte(c.Pseudonym), []byte(c.Seed.KEK), c.Seed.Blob}
}

// Bind sets the MAC that ties the wrapped seed to this record.
func (c Credential) Bind(ctx context.Context, m settle.MACer) (Credential, error) {
	sum, err := m.MAC(ctx, hsm.RowMAC, bindingVersion, c.binding()...)
	if err != nil {
		return Credential{}, err
	}
	c.MAC = sum
	return c, nil
}

// Intact reports whether the record is the one that was bound. A record that is
// not is quarantined; it is never "a wrong code".
func (c Credential) Intact(ctx context.Context, m settle.MACer) (bool, error) {
	sum, err := m.MAC(ctx, hsm.RowMAC, bindingVersion, c.binding()...)
	if err != nil {
		return false, err
	}
	return hmac.Equal(sum, c.MAC), nil
}

// AddCredential adds a new credential with its first hot row. The same
// manufacturer, serial and key id exists once: otherwise settle.Exists.
type AddCredential struct {
	Credential   Credential
	Manufacturer string
	Serial       string
	Hot          settle.Hot // signed, version 1
}

// EffectKey names the record.
func (a AddCredential) EffectKey() string { return "credential/" + a.Credential.ID }
