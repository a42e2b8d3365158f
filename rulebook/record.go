// Package rulebook keeps the policies a bank has adopted and its rates of exchange:
// stored, versioned, under the MACs of the HSM, each for its time (clauses 5.1, 5.2,
// 5.6).
//
// It guarantees that what decides is a policy that was checked, was adopted under the
// number of a decision of the bank's board and lies in the store as it was written;
// that a version means one text for ever; that at every moment one policy is in
// force, which a decision uses from its begin to its end; and that a rate nobody
// vouches for any more counts as none.
package rulebook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"mohur/audit"
)

// Policy is one version as it was adopted. It is written once and stays.
type Policy struct {
	Version  int       `json:"version"`
	YAML     string    `json:"yaml"`
	From     time.Time `json:"from"`               // its effective_from
	Board    string    `json:"board"`              // number of the board's decision (clause 5.2)
	Maker    string    `json:"maker"`              // id of who asked for it
	Checker  string    `json:"checker,omitempty"`  // id of who approved it; "" in development
	Approval string    `json:"approval,omitempty"` // id of that approval
	At       time.Time `json:"at"`                 // when it was adopted
	MAC      []byte    `json:"mac,omitempty"`
}

// Since is when the policy comes into force: at its effective_from, or when it was
// adopted if that was later.
func (p Policy) Since() time.Time {
	if p.At.After(p.From) {
		return p.At
	}
	return p.From
}

// SHA256 is that of a policy's text, hex.
func SHA256(yaml []byte) string {
	sum := sha256.Sum256(yaml)
	return hex.EncodeToString(sum[:])
}

// SavePolicy writes the policy; settle.Exists if there is one of its version.
type SavePolicy struct{ Policy Policy }

// EffectKey names the record.
func (s SavePolicy) EffectKey() string { return "policy/" + strconv.Itoa(s.Policy.Version) }

// Head says what there is. It is small: every node reads it each second.
type Head struct {
	Versions []int  `json:"versions"`         // adopted ones, rising
	Shadow   uint64 `json:"shadow,omitempty"` // version of the record of the shadow policy; 0: there never was one
	Version  uint64 `json:"version"`
	MAC      []byte `json:"mac,omitempty"`
}

// HeadID is the id of the one head.
const HeadID = "head"

// SaveHead writes the head if the stored one has the version before it.
type SaveHead struct{ Head Head }

// EffectKey names the record.
func (s SaveHead) EffectKey() string { return "policy/" + HeadID }

// Shadow is the policy that is tried beside the one in force and decides nothing.
type Shadow struct {
	YAML    string    `json:"yaml,omitempty"` // "": there is none
	By      string    `json:"by"`             // id of who set or removed it
	At      time.Time `json:"at"`
	Version uint64    `json:"version"`
	MAC     []byte    `json:"mac,omitempty"`
}

// ShadowID is the id of the one shadow policy.
const ShadowID = "shadow"

// SaveShadow writes the shadow policy if the stored one has the version before it.
type SaveShadow struct{ Shadow Shadow }

// EffectKey names the record.
func (s SaveShadow) EffectKey() string { return "policy/" + ShadowID }

// Store is what this package reads. Missing records are parties.ErrNotFound. All
// methods may be called by many goroutines.
type Store interface {
	AdoptedPolicy(ctx context.Context, version int) (Policy, error)
	// AdoptedVersions lists the versions that lie there, rising, whatever the head says.
	AdoptedVersions(ctx context.Context) ([]int, error)
	PolicyHead(ctx context.Context) (Head, error)
	ShadowPolicy(ctx context.Context) (Shadow, error)
	ExchangeRates(ctx context.Context) (Rates, error)
	// Entries reads the audit log as audit.Store has it.
	Entries(ctx context.Context, from uint64, limit int) ([]audit.Entry, error)
}
