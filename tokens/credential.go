package tokens

import (
	"context"
	"crypto/hmac"
	"encoding/binary"
	"math"
	"time"

	"mohur/hsm"
	"mohur/settle"
)

// Kind is what a credential computes.
type Kind string

// The kinds of credential.
const (
	HOTP Kind = "hotp" // RFC 4226
	TOTP Kind = "totp" // RFC 6238
	OCRA Kind = "ocra" // RFC 6287
	FIDO Kind = "fido" // Web Authentication Level 3
	Card Kind = "card" // a certificate of a smart card (X.509, RFC 5280)
)

// Credential is what proves: one key of a token. Its seed is wrapped by the HSM
// and bound to this record by MAC; what moves with every answer is in its
// settle.Hot row under the same id. A FIDO2 key has no seed here: its public key
// is in FIDO, and the certificate of a card in Card, under the same MAC.
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
	NotBefore time.Time       `json:"not_before,omitzero"` // no answer before; zero: no limit
	NotAfter  time.Time       `json:"not_after,omitzero"`  // nor from here on; zero: no limit
	MaxUses   uint64          `json:"max_uses,omitempty"`  // how many of its codes are accepted in all; 0: no limit (RFC 6030 section 5, NumberOfTransactions)
	Seed      hsm.WrappedSeed `json:"seed"`
	FIDO      []byte          `json:"fido,omitempty"`     // of a FIDO2 key: the JSON of its record in authn/fido, as it was enrolled
	CardUse   string          `json:"card_use,omitempty"` // of a card: UseLogin or UseSign
	Card      []byte          `json:"card,omitempty"`     // of a card: the JSON of its record in authn/card, as it was enrolled
	MAC       []byte          `json:"mac"`
	Pseudonym string          `json:"pseudonym"` // random; what audit headers say
	CreatedAt time.Time       `json:"created_at"`
}

// The versions of the binding. A credential without dates is bound as it was before
// there were any, so that what is in a store stays good; who takes the dates off a
// record, or puts some on, has no MAC of the other version.
const (
	bindingVersion = "credential/v1"
	bindingDated   = "credential/v2" // with NotBefore and NotAfter
	bindingFIDO    = "credential/v3" // with the dates and FIDO
	bindingUses    = "credential/v4" // with the dates, FIDO and MaxUses
	bindingCard    = "credential/v5" // with all of these, CardUse and Card
)

// binding is everything an answer is judged by. A row copied, edited or given
// another's blob no longer fits its MAC.
func (c Credential) binding() (version string, parts [][]byte) {
	var n []byte
	for _, v := range []int64{int64(c.Hash), int64(c.Digits), int64(c.Step), c.T0} {
		n = binary.BigEndian.AppendUint64(n, uint64(v))
	}
	parts = [][]byte{[]byte(c.ID), []byte(c.Token), []byte(c.Kind), []byte(c.Suite), n, []byte(c.Pseudonym), []byte(c.Seed.KEK), c.Seed.Blob}
	dated := append(parts, moment(c.NotBefore), moment(c.NotAfter))
	switch {
	case c.Kind == Card || len(c.Card) > 0 || c.CardUse != "":
		return bindingCard, append(dated, c.FIDO, binary.BigEndian.AppendUint64(nil, c.MaxUses), []byte(c.CardUse), c.Card)
	case c.MaxUses != 0:
		return bindingUses, append(dated, c.FIDO, binary.BigEndian.AppendUint64(nil, c.MaxUses))
	case c.Kind == FIDO || len(c.FIDO) > 0:
		return bindingFIDO, append(dated, c.FIDO)
	case c.NotBefore.IsZero() && c.NotAfter.IsZero():
		return bindingVersion, parts
	}
	return bindingDated, dated
}

// moment is a time in the binding: Unix seconds and nanoseconds, nothing for none.
func moment(t time.Time) []byte {
	if t.IsZero() {
		return nil
	}
	b := binary.BigEndian.AppendUint64(nil, uint64(t.Unix()))
	return binary.BigEndian.AppendUint32(b, uint32(t.Nanosecond()))
}

// Dead says why the credential proves nothing at that time, in words for the audit
// log, and "" when it may: a key that a manufacturer limited in time or in uses (RFC
// 6030 section 5) is judged by the clock of the server and by its own row at every
// answer.
func (c Credential) Dead(hot settle.Hot, at time.Time) string {
	switch {
	case !c.NotBefore.IsZero() && at.Before(c.NotBefore):
		return "key-not-yet-valid"
	case !c.NotAfter.IsZero() && !at.Before(c.NotAfter):
		return "key-expired"
	case c.Left(hot) == 0:
		return UsedUp
	}
	return ""
}

// UsedUp is the cause of a refusal of a key whose uses are at an end.
const UsedUp = "used-up"

// Left is how many more codes of the key are accepted; math.MaxUint64 where nothing
// limits them.
func (c Credential) Left(hot settle.Hot) uint64 {
	if c.MaxUses == 0 {
		return math.MaxUint64
	}
	return c.MaxUses - min(c.MaxUses, hot.Uses)
}

// Use counts codes that were accepted, on the row that will be settled with what they
// proved. So however many answers come at once, no more are accepted than the
// limit. A key without a limit counts nothing.
func (c Credential) Use(hot settle.Hot, codes uint64) settle.Hot {
	if c.MaxUses != 0 {
		hot.Uses += codes
	}
	return hot
}

// fewUses is how many uses are left when the customer is told that they run out.
const fewUses = 5

// Notice is the kind of the notice that is due when a key's row becomes another one:
// its uses run out, or have come to an end; "" when none is.
func (c Credential) Notice(was, now settle.Hot) string {
	before, left := c.Left(was), c.Left(now)
	switch {
	case left == 0 && before > 0:
		return "credential-used-up"
	case left <= fewUses && before > fewUses:
		return "credential-few-uses-left"
	}
	return ""
}

// Bind sets the MAC that ties the wrapped seed to this record.
func (c Credential) Bind(ctx context.Context, m settle.MACer) (Credential, error) {
	version, parts := c.binding()
	sum, err := m.MAC(ctx, hsm.RowMAC, version, parts...)
	if err != nil {
		return Credential{}, err
	}
	c.MAC = sum
	return c, nil
}

// Input is what the credential's MAC is over, under hsm.RowMAC.
func (c Credential) Input() hsm.Input {
	version, parts := c.binding()
	return hsm.Input{Label: version, Parts: parts}
}

// Intact reports whether the record is the one that was bound. A record that is
// not is quarantined; it is never "a wrong code".
func (c Credential) Intact(ctx context.Context, m settle.MACer) (bool, error) {
	version, parts := c.binding()
	sum, err := m.MAC(ctx, hsm.RowMAC, version, parts...)
	if err != nil {
		return false, err
	}
	return hmac.Equal(sum, c.MAC), nil
}

// AddCredential adds a new credential with its first hot row. The same
// manufacturer, serial and key id exists once: otherwise settle.Exists. Only a
// credential that was wiped out of the same token gives its name up to the next.
type AddCredential struct {
	Credential   Credential
	Manufacturer string
	Serial       string
	Hot          settle.Hot // signed, version 1
	Replaces     []string   // Token.Former: whose names may pass on to it
}

// EffectKey names the record.
func (a AddCredential) EffectKey() string { return "credential/" + a.Credential.ID }
