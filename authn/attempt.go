// Package authn turns responses into verdicts. An attempt is opened with a
// challenge that says what it is for; every answer is judged once, against the
// state it was read with, and becomes true only when the store has settled it
// together with its audit entry. Nothing here fails open: what cannot be judged
// is refused or told as "unavailable", never granted.
package authn

import (
	"context"
	"time"

	"mohur/authn/pin"
	"mohur/parties"
	"mohur/tokens"
)

// Purpose is what an attempt is for; a proof for one never serves another.
type Purpose string

// The purposes of the contract.
const (
	Login   Purpose = "login"
	Payment Purpose = "payment"
	Action  Purpose = "action"
)

// State is where an attempt stands. Only a pending one takes answers.
type State string

// The states of the contract.
const (
	Pending State = "pending"
	Granted State = "granted"
	Denied  State = "denied"
	Expired State = "expired"
)

// ACR is how strong a proof is.
type ACR string

// The levels of the contract, in rising order.
const (
	Single ACR = "single" // one factor
	Strong ACR = "strong" // two independent factors
	Linked ACR = "linked" // strong, and bound to this amount and payee
)

// Rank orders the levels; an unknown one ranks 0.
func (a ACR) Rank() int {
	switch a {
	case Single:
		return 1
	case Strong:
		return 2
	case Linked:
		return 3
	}
	return 0
}

// Method is a way to prove.
type Method string

// The methods of today.
const (
	OTP  Method = "otp"
	OCRA Method = "ocra"
	FIDO Method = "fido"
	PIN  Method = "pin"

	Card     Method = "card"      // a token of Web eID or of the bank's agent, or a certificate over TLS
	CardSign Method = "card-sign" // a signature over a payment's text by a certificate for documents
)

// signed reports whether a response is a signature that the server judges by a public
// key: nothing in it can be guessed, so a refused one is no step to a lock, and the
// HSM has no part in judging it.
func (m Method) signed() bool { return m == FIDO || m.card() }

// Offer is one method an attempt accepts and with which credentials.
type Offer struct {
	Method      Method    `json:"method"`
	Credentials []Offered `json:"credentials"`
	Question    string    `json:"question,omitempty"`
	Typed       []string  `json:"typed,omitempty"` // the question as the customer types it, part by part
	Shown       string    `json:"shown,omitempty"` // what an answer proves to have been seen

	Keys    []OfferedKey `json:"keys,omitempty"`    // with fido: one for each credential
	Options []byte       `json:"options,omitempty"` // with fido: what a browser is asked, JSON

	Cards  []OfferedCard `json:"cards,omitempty"`  // with a card: one for each credential
	Nonce  string        `json:"nonce,omitempty"`  // with a card: standard base64 of the challenge's SHA-256
	Origin string        `json:"origin,omitempty"` // with a card: of the page that asks it
}

// OfferedKey is a FIDO2 key that may answer.
type OfferedKey struct {
	Credential string   `json:"credential"` // our id
	ID         []byte   `json:"id"`         // as its authenticator knows it
	Transports []string `json:"transports,omitempty"`
	// Verifies says that the key was enrolled with user verification: then it must
	// verify its user wherever two factors are asked for. Another one takes the PIN
	// kept by the server.
	Verifies bool `json:"verifies"`
}

// Offered is a credential as shown to the customer.
type Offered struct {
	ID    string `json:"id"`
	Kind  string `json:"kind"`
	Label string `json:"label"`
}

// Held is an answer that waits, sealed, for the other half of its way.
type Held struct {
	Method     Method    `json:"method"`
	Credential string    `json:"credential,omitempty"`
	Sealed     []byte    `json:"sealed"`       // under pin-seal, at the attempt
	At         time.Time `json:"at"`           // of receipt: a one-time password is judged by it
	Holder     Holder    `json:"cnf,omitzero"` // the key it came with
}

// NamedAction is what a proof of purpose action is for.
type NamedAction struct {
	Name string `json:"name"`
	Data []byte `json:"data,omitempty"` // canonical JSON (RFC 8785), an object; not kept
	// SHA256 is that of Data, in an attempt.
	SHA256 []byte `json:"sha256,omitempty"`
}

// Attempt is one authentication from challenge to verdict.
type Attempt struct {
	ID          string          `json:"id"`
	Customer    string          `json:"customer"`           // "" while nobody has proven whose a nameless one is
	Nameless    bool            `json:"nameless,omitempty"` // opened for a log-in with any key that keeps its account
	Decoy       bool            `json:"decoy,omitempty"`    // nobody can be granted; the cause is only in the audit log
	Cause       string          `json:"cause,omitempty"`    // why it is a decoy
	Client      string          `json:"client"`
	Channel     parties.Channel `json:"channel"`
	Purpose     Purpose         `json:"purpose"`
	Action      *NamedAction    `json:"action,omitempty"`
	Transaction string          `json:"transaction,omitempty"`
	Session     string          `json:"session,omitempty"` // the one a payment was begun from, or that a log-in takes the place of
	Digest      bool            `json:"digest,omitempty"`  // the text has a hash in place of who is paid
	ACR         ACR             `json:"acr"`
	Shown       string          `json:"shown"`
	AMR         []string        `json:"amr,omitempty"`
	Binding     []byte          `json:"binding,omitempty"` // SHA-256 of the front end's value
	Holder      Holder          `json:"cnf,omitzero"`      // the key that the session of a log-in will be bound to
	From        Surroundings    `json:"from,omitzero"`     // where it was begun
	Offers      []Offer         `json:"offers"`
	Ways        [][]Method      `json:"ways"`
	Text        []byte          `json:"text"`             // challenge text, sealed under the bank's key at TextPlace
	SHA256      []byte          `json:"sha256"`           // of the challenge text
	Longer      [][]byte        `json:"longer,omitempty"` // its SHA-384 and SHA-512, where a certificate for documents may sign it
	Answers     int             `json:"answers"`
	Refused     int             `json:"refused,omitempty"`   // of them
	RefusedAt   time.Time       `json:"refused_at,omitzero"` // the last of those
	LockedAt    time.Time       `json:"locked_at,omitzero"`  // a refused answer locked what it was judged against
	PIN         *Held           `json:"pin,omitempty"`
	Possession  *Held           `json:"possession,omitempty"`
	State       State           `json:"state"`
	Granted     string          `json:"granted,omitempty"`    // session id
	Credential  string          `json:"credential,omitempty"` // that gave an action's proof: it counts while that is in use
	Spent       bool            `json:"spent,omitempty"`      // an action's proof serves once
	Score       int             `json:"score"`
	Reasons     []string        `json:"reasons,omitempty"`
	CreatedAt   time.Time       `json:"created_at"`
	ExpiresAt   time.Time       `json:"expires_at"`
	Version     uint64          `json:"version"`
	MAC         []byte          `json:"mac,omitempty"`
}

// TextPlace is where an attempt's sealed challenge text belongs.
func TextPlace(attempt string) string { return "attempt/text/" + attempt }

// SaveAttempt writes the attempt if the stored one has the version before it.
// Stores keep it at least an hour past ExpiresAt, so that a late answer is told
// "expired" and not "unknown", and may then remove it; its audit entries stay.
type SaveAttempt struct{ Attempt Attempt }

// EffectKey names the record.
func (s SaveAttempt) EffectKey() string { return "attempt/" + s.Attempt.ID }

// Session is a customer who is logged in.
type Session struct {
	ID         string          `json:"id"`
	Customer   string          `json:"customer"`
	Client     string          `json:"client"`
	Channel    parties.Channel `json:"channel"`
	Attempt    string          `json:"attempt"`
	Credential string          `json:"credential"`
	ACR        ACR             `json:"acr"`
	Shown      string          `json:"shown"`
	AMR        []string        `json:"amr"`
	AuthTime   time.Time       `json:"auth_time"`
	LastUsed   time.Time       `json:"last_used"`
	ExpiresAt  time.Time       `json:"expires_at"` // absolute
	EndedAt    time.Time       `json:"ended_at,omitzero"`
	EndReason  string          `json:"end_reason,omitempty"`
	Holder     Holder          `json:"cnf,omitzero"`  // the key it is bound to
	From       Surroundings    `json:"from,omitzero"` // where its log-in was begun
	Version    uint64          `json:"version"`
	MAC        []byte          `json:"mac,omitempty"`
}

// SaveSession writes the session if the stored one has the version before it.
type SaveSession struct{ Session Session }

// EffectKey names the record.
func (s SaveSession) EffectKey() string { return "session/" + s.Session.ID }

// RequireSession changes nothing and is stale unless the session still has that
// version: nothing is granted from one that was ended meanwhile.
type RequireSession struct {
	ID      string
	Version uint64
}

// EffectKey names the record.
func (r RequireSession) EffectKey() string { return "session/" + r.ID }

// Store is what this package reads. Missing records are parties.ErrNotFound.
type Store interface {
	parties.Store
	tokens.Store
	pin.Store
	Attempt(ctx context.Context, id string) (Attempt, error)
	// OpenAttempts returns the customer's pending, unexpired attempts, oldest first.
	OpenAttempts(ctx context.Context, customer string, now time.Time) ([]Attempt, error)
	// AttemptByChallenge returns the last attempt opened with that challenge hash: its
	// SHA256, or one of Longer.
	AttemptByChallenge(ctx context.Context, sum []byte) (Attempt, error)
	Session(ctx context.Context, id string) (Session, error)
	// Sessions returns the customer's sessions that have not ended, newest first.
	Sessions(ctx context.Context, customer string) ([]Session, error)
	// TouchSession moves LastUsed forward, never back, and leaves an ended
	// session as it is. It has no audit entry: it grants nothing, and a lost
	// touch only ends a session earlier. So an engine need not write each one, as
	// long as every read sees the last and a crash loses little of it.
	TouchSession(ctx context.Context, id string, at time.Time) error
	// Activity returns what is kept of a customer's log-ins.
	Activity(ctx context.Context, customer string) (Activity, error)
	// FirstUse remembers a name until a time and reports whether nothing had it
	// before: of many that ask at once, on whatever node, one is the first. It has
	// no audit entry, and what it says first is durable.
	FirstUse(ctx context.Context, name string, until time.Time) (bool, error)
}
