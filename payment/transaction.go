// Package payment decides what a payment needs before it may be made, binds the
// proof to its amount and payee, keeps limits, and signs the authorization the
// core banking system executes.
package payment

import (
	"context"
	"time"

	"mohur/parties"
	"mohur/settle"
)

// State is where a transaction stands.
type State string

// The states of the contract.
const (
	PendingProof State = "pending_proof"
	Held         State = "held"
	Approved     State = "approved"
	Denied       State = "denied"
	Rejected     State = "rejected"
	Expired      State = "expired"
	Cancelled    State = "cancelled"
	Executed     State = "executed"
	Failed       State = "failed"
)

// Transaction is one electronic operation (clause 4.8). What names people or
// accounts is sealed under the customer's key.
type Transaction struct {
	ID            string          `json:"id"`
	Reference     string          `json:"reference"` // never reused (clause 2.1)
	Customer      string          `json:"customer"`
	Client        string          `json:"client"`
	Channel       parties.Channel `json:"channel"`
	Service       string          `json:"service"` // information, transactional
	Session       string          `json:"session"`
	Holder        string          `json:"holder,omitempty"` // who the account belongs to and whose signers pay; "": the customer himself
	Minor         int64           `json:"minor"`            // amount in minor units of Currency
	Currency      string          `json:"currency"`
	Home          int64           `json:"home,omitempty"` // amount in qəpik by the rate it was decided with, rounded up; 0: there was none
	Sealed        []byte          `json:"sealed"`         // Details, under the customer's key at DetailsPlace
	BodyMAC       []byte          `json:"body_mac"`       // same reference, same body?
	Decision      string          `json:"decision"`
	State         State           `json:"state"`
	Exemption     string          `json:"exemption,omitempty"`
	Score         int             `json:"score"`
	Reasons       []string        `json:"reasons,omitempty"`
	Policy        int             `json:"policy"`
	SHA256        []byte          `json:"sha256"`               // of the linked text
	NeedACR       string          `json:"need_acr,omitempty"`   // what its decision asks of a proof
	NeedShown     string          `json:"need_shown,omitempty"` // and what the proof has to show
	Attempts      []string        `json:"attempts,omitempty"`
	Required      int             `json:"required,omitempty"`   // signatures it takes, of a holder's payment
	Asked         []Asked         `json:"asked,omitempty"`      // the last text of each signer
	Signatures    []Signature     `json:"signatures,omitempty"` // one of each signer
	ACR           string          `json:"acr,omitempty"`        // of the proof given
	Shown         string          `json:"shown,omitempty"`
	AMR           []string        `json:"amr,omitempty"`
	Authorization []byte          `json:"authorization,omitempty"` // sealed compact JWS
	JTI           string          `json:"jti,omitempty"`
	Signature     []byte          `json:"signature,omitempty"`  // of card-sign: CMS over the linked text, sealed under the customer's key at SignaturePlace
	Counted       Counted         `json:"counted,omitzero"`     // where it counts for the fraud rates
	Fraud         *FraudMark      `json:"fraud,omitempty"`      // the bank has found it to be fraudulent
	Limit         string          `json:"limit,omitempty"`      // the one that stopped it
	Reserved      []Reservation   `json:"reserved,omitempty"`   // given back if the payment is not made
	DueAt         time.Time       `json:"due_at,omitzero"`      // of a held one: when something is to be done about it if nobody has decided
	Late          bool            `json:"late,omitempty"`       // of a held one: the first such moment is over
	ReleasedAt    time.Time       `json:"released_at,omitzero"` // by the bank's security, who has decided what the policy did not
	Timeline      []Step          `json:"timeline"`
	CreatedAt     time.Time       `json:"created_at"`
	ExpiresAt     time.Time       `json:"expires_at"`
	Version       uint64          `json:"version"`
	MAC           []byte          `json:"mac,omitempty"`
}

// Reservation is a part of a limit this transaction holds.
type Reservation struct {
	Key    string `json:"key"`
	Amount int64  `json:"amount"`
	Owner  string `json:"owner,omitempty"` // in whose record it is; "": that of the payment's customer
}

// Step is one line of the transaction's history (clause 5.15).
type Step struct {
	At     time.Time `json:"at"`
	State  State     `json:"state"`
	Reason string    `json:"reason,omitempty"`
	By     string    `json:"by,omitempty"`

	// What else it tells of, where it does not change the state.
	Event   string   `json:"event,omitempty"`   // see Timeline
	Attempt string   `json:"attempt,omitempty"` // the authentication it was in
	Methods []string `json:"methods,omitempty"` // that were offered, or have proven
	SHA256  []byte   `json:"sha256,omitempty"`  // of the text the customer was shown
	Count   int      `json:"count,omitempty"`   // of refused answers
}

// DetailsPlace is where a transaction's sealed details belong;
// AuthorizationPlace where its sealed authorization does.
func DetailsPlace(id string) string { return "transaction/details/" + id }

// SignaturePlace is where the sealed signature of the customer's card belongs.
func SignaturePlace(id string) string { return "transaction/signature/" + id }

// AuthorizationPlace is where a transaction's sealed authorization belongs.
func AuthorizationPlace(id string) string { return "transaction/authorization/" + id }

// SaveTransaction writes the transaction if the stored one has the version
// before it. A new one (version 1) whose reference any transaction ever had is
// settle.Exists.
type SaveTransaction struct{ Transaction Transaction }

// EffectKey names the record.
func (s SaveTransaction) EffectKey() string { return "transaction/" + s.Transaction.ID }

// Filter selects transactions; empty members select all.
type Filter struct {
	Customer string
	Client   string
	State    State
	Decision string
	From, To time.Time
}

// Store is what this package reads. Missing records are parties.ErrNotFound.
type Store interface {
	parties.Store
	Transaction(ctx context.Context, id string) (Transaction, error)
	TransactionByReference(ctx context.Context, reference string) (Transaction, error)
	Transactions(ctx context.Context, f Filter, cursor string, limit int) (items []Transaction, next string, err error)
	Limits(ctx context.Context, customer string) (Limits, error)
	// HeldDue returns at most max held transactions whose DueAt has come, the oldest
	// first. Those that are damaged are told in the error, beside the others.
	HeldDue(ctx context.Context, now time.Time, max int) ([]Transaction, error)
	// HeldCount counts the held transactions that have a DueAt, those that are Late
	// apart.
	HeldCount(ctx context.Context) (waiting, late int, err error)
	// Hot is tokens.Store's: one row per id, in order.
	Hot(ctx context.Context, ids ...string) ([]settle.HotRead, error)
	Velocity(ctx context.Context, customer string) (Velocity, error)
	// PayeeHistories returns one history per key, in order; one of Version 0 where there
	// is none.
	PayeeHistories(ctx context.Context, keys ...string) ([]PayeeHistory, error)
	PayeeList(ctx context.Context, id string) (PayeeList, error)
	Series(ctx context.Context, id string) (Series, error)
	Analysis(ctx context.Context, id string) (Analysis, error)
	// Decisions returns those on payments from one time, included, to another, not
	// included; oldest first, and at most 2,000 at a time.
	Decisions(ctx context.Context, from, to time.Time, cursor string, limit int) (Decisions, error)
	// Reserved returns the running sum of a settle.Reserve key at now.
	Reserved(ctx context.Context, key string, now time.Time) (int64, error)
}
