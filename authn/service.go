package authn

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"mohur/audit"
	"mohur/authn/fido"
	"mohur/authn/lock"
	"mohur/authn/pin"
	"mohur/compromised"
	"mohur/hsm"
	"mohur/ident"
	"mohur/parties"
	"mohur/problem"
	"mohur/rate"
	"mohur/risk"
	"mohur/seal"
	"mohur/settle"
	"mohur/stoplist"
	"mohur/tokens"
)

// Settings are the limits of attempts and sessions; DefaultSettings are those
// of the contract.
type Settings struct {
	Issuer       string        // iss of challenges and tokens: the configured url
	AttemptLife  time.Duration // of an attempt and its challenge
	Idle         time.Duration // a session without user activity ends (clause 5.22)
	Absolute     time.Duration // a session ends whatever happens
	TokenLife    time.Duration // of an access token
	MaxSessions  int           // live ones of a person; the oldest gives way; 0: no limit
	Reauth       time.Duration // how old the log-in of a session may be that a payment is begun from; 0: as old as any
	DPoPNonce    bool          // a proof of possession carries the server's nonce (RFC 9449 section 8)
	DPoPWindow   time.Duration // how far the iat of such a proof may be from now, either way
	Limits       lock.Limits
	PINMaxAge    time.Duration // an older PIN proves nothing but its own change; 0: none is too old
	MaxAnswers   int           // an attempt takes no more
	MaxOpen      int           // open attempts of a customer; the oldest gives way
	JudgeTime    time.Duration // an answer that was taken up is judged and settled within
	FloorPIN     time.Duration // from receipt, for every verdict with a PIN
	FloorRefusal time.Duration // from receipt, for every other refusal
	FloorBegin   time.Duration // from receipt, for every attempt that is opened for a log-in or an action
	Pace         Pace          // as it is when the service starts
}

// DefaultSettings returns the defaults of the contract for an issuer.
func DefaultSettings(issuer string) Settings {
	return Settings{
		Issuer: issuer, AttemptLife: 5 * time.Minute, Idle: 5 * time.Minute, Absolute: 12 * time.Hour,
		TokenLife: 5 * time.Minute, MaxSessions: 5, Reauth: time.Hour, DPoPNonce: true, DPoPWindow: time.Minute, Limits: lock.Defaults(), MaxAnswers: 30, MaxOpen: 20, JudgeTime: 5 * time.Second,
		FloorPIN: 150 * time.Millisecond, FloorRefusal: 25 * time.Millisecond, FloorBegin: 10 * time.Millisecond, Pace: DefaultPace(),
	}
}

// Payments is what a granted proof of a payment changes; package payment is it.
type Payments interface {
	// Proven returns the consequences of a proof for its transaction. over is
	// true when a limit was found full at the moment of settling. ErrNotPending
	// means that no proof can approve the transaction (held, cancelled, done).
	Proven(ctx context.Context, a Attempt, p Proof, over bool) (Consequence, error)
	// Turn waits until it is the turn of one more payment of the customer and returns
	// the function that ends it.
	Turn(ctx context.Context, customer string) (end func(), err error)
}

// ErrNotPending is returned by Payments when a transaction takes no proof.
var ErrNotPending = errors.New("authn: the transaction takes no proof")

// Proof is what was proven, when.
type Proof struct {
	ACR        ACR
	Shown      string
	AMR        []string
	Credential tokens.Credential
	At         time.Time
	By         parties.Caller // who brought the answer
	Signature  []byte         // of card-sign: detached CMS SignedData (RFC 5652, DER) over the linked text
}

// Consequence is settled together with the verdict.
type Consequence struct {
	Effects     []settle.Effect
	Events      []audit.Event
	Transaction TransactionResult
}

// TransactionResult is what a granted answer tells of its transaction.
type TransactionResult struct {
	ID            string
	State         string
	Authorization string
}

// Service opens attempts, judges answers and keeps sessions.
type Service struct {
	Store    Store
	Settler  settle.Store
	HSM      hsm.Module
	Keys     *seal.Keyring
	Bank     seal.Key
	Audit    *audit.Drafter
	PINs     *pin.Verifier
	Policy   func() risk.Policy // the one in force now
	Payments Payments
	Stops    *stoplist.List     // what is reported and not settled yet; nil: nothing ever is
	FIDO     *fido.RelyingParty // nil: FIDO2 keys are neither offered nor judged
	Cards    *Cards             // nil: cards are neither offered nor judged
	Nameless bool               // customers may log in without a name, with a key that keeps the account itself
	Settings Settings
	Zone     *time.Location // of the bank's clock, which rules of the policy go by; nil: UTC
	// Compromised is the bank's list of what is in wrong hands; nil: there is none.
	Compromised *compromised.List
	Now         func() time.Time
	// Observe is told the outcome of every answer and of every certificate presented
	// and, of a refusal, the cause: both are from small fixed sets. nil: nobody is told.
	Observe func(outcome, reason string)
	// Models is the metadata of FIDO2 keys in force now; nil: there never is any.
	Models func() *fido.Metadata

	queue    queue
	weighing chan struct{} // cards that are judged now
	pace     *pace
	decoy    tokens.Credential // judged in place of what must not be judged
}

// Start prepares the decoy credential and the pace; the service is not usable
// before.
func (s *Service) Start(ctx context.Context) error {
	s.pace = newPace(s.Settings.Pace)
	s.weighing = make(chan struct{}, maxWeighed)
	seed := make([]byte, 32)
	rand.Read(seed)
	wrapped, err := s.HSM.WrapSeed(ctx, seed)
	if err != nil {
		return fmt.Errorf("authn: the decoy's seed: %w", err)
	}
	s.decoy = tokens.Credential{ID: ident.New("cr"), Kind: tokens.HOTP, Hash: hsm.SHA256, Digits: 8, Seed: wrapped}
	return nil
}

// maxTries bounds how often a stale answer is read and evaluated again.
const maxTries = 32

// settle drafts the events and settles everything.
func (s *Service) settle(ctx context.Context, effects []settle.Effect, events []audit.Event) (settle.Result, error) {
	return settle.Write(ctx, s.Settler, s.Audit, effects, events)
}

// person is whom the audit entries of a customer concern. Entries about ids that
// belong to nobody are sealed under the bank's key.
func person(c parties.Customer) audit.Person {
	return audit.Person{Pseudonym: c.Pseudonym, Key: c.Key}
}

// notFound maps a store's error: a missing record to a 404, anything else to
// "away".
func notFound(err error, what string) error {
	if errors.Is(err, parties.ErrNotFound) {
		return problem.New(problem.NotFound, "there is no such "+what)
	}
	return problem.Away(err)
}

// sleepUntil waits for the floor of time, or for the caller to go away.
func (s *Service) sleepUntil(ctx context.Context, received time.Time, floor time.Duration) {
	rate.Rest(ctx, floor-s.Now().Sub(received))
}
