// Package audit keeps the evidence: every change of state has an entry, written
// in the same durable write as the change. The entries form one RFC 6962 Merkle
// tree whose root the HSM signs in checkpoints, so that whoever holds only the
// public key proves that no entry was changed, removed, reordered or cut off.
//
// An entry is a header in the clear (what happened, never to whom by name) and
// a body sealed under the key of the person it concerns. The header carries
// SHA-256(salt ‖ sealed body): erasing a person's key, salt and body leaves the
// tree whole.
package audit

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"mohur/seal"
)

// FormatVersion is the "v" of a header written today.
const FormatVersion = 1

// Header is the clear part of an entry. Node and Seq are given by the store at
// the moment of writing; everything else is the domain's. It holds no name, no
// contact, no account number.
type Header struct {
	V          int       `json:"v"`
	Node       string    `json:"node"`
	Seq        uint64    `json:"seq"`
	Time       time.Time `json:"time"` // UTC, microseconds
	Event      string    `json:"event"`
	Outcome    string    `json:"outcome"`
	Reason     string    `json:"reason,omitempty"`
	Policy     int       `json:"policy,omitempty"`
	Subject    string    `json:"subject,omitempty"`    // pseudonym of the person
	Credential string    `json:"credential,omitempty"` // pseudonym of the credential or PIN
	Version    uint64    `json:"version,omitempty"`    // hot-state version after this entry
	Caller     string    `json:"caller,omitempty"`     // id of the client, staff member or host user
	Request    string    `json:"request,omitempty"`
	Body       string    `json:"body"` // base64 SHA-256(salt ‖ sealed body)
}

// Draft is an entry that only lacks its place in the log. Its maker has sealed
// the body; the store stamps node and sequence inside the write it belongs to.
type Draft struct {
	Header Header
	Salt   []byte // 32 bytes
	Sealed []byte
	Tag    []byte // proves to the sequencer that this server wrote it
}

// Entry is an entry as written: the exact header bytes, which are what the leaf
// hash covers, and the salt and sealed body, both empty once erased.
type Entry struct {
	Seq    uint64 `json:"seq"`
	Header []byte `json:"header"`
	Salt   []byte `json:"salt,omitempty"`
	Sealed []byte `json:"sealed,omitempty"`
	Tag    []byte `json:"-"` // as in Draft; for the sequencer, not for verifiers
}

// Stamp gives the draft its place and returns the entry to store. It refuses a
// header that was not made by a Drafter and that no verifier would accept.
func (d Draft) Stamp(node string, seq uint64) (Entry, error) {
	h := d.Header
	h.Node, h.Seq = node, seq
	b, err := h.encode()
	if err != nil {
		return Entry{}, err
	}
	return Entry{Seq: seq, Header: b, Salt: d.Salt, Sealed: d.Sealed, Tag: d.Tag}, nil
}

// Event is what the domain says happened. Detail goes into the sealed body as
// JSON and may name people; everything else is in the clear.
type Event struct {
	Name       string // subject.verb, e.g. "authentication.answered"
	Outcome    string // e.g. "granted", "refused"
	Reason     string
	Policy     int
	Person     Person
	Credential string
	Version    uint64
	Caller     string
	Request    string
	Detail     any
}

// Person is whom an event concerns: a pseudonym for the header and the key that
// seals the body. The zero Person is the bank itself.
type Person struct {
	Pseudonym string
	Key       seal.Key
}

// Drafter seals events into drafts.
type Drafter struct {
	Keys *seal.Keyring
	Bank seal.Key // seals what concerns no person
	Now  func() time.Time
}

// Draft seals one event.
func (d *Drafter) Draft(ctx context.Context, e Event) (Draft, error) {
	key := e.Person.Key
	if len(key.Wrapped) == 0 {
		key = d.Bank
	}
	body, err := json.Marshal(e.Detail)
	if err != nil {
		return Draft{}, fmt.Errorf("audit: encode body of %s: %w", e.Name, err)
	}
	sealed, err := d.Keys.Seal(ctx, key, bodyPlace, body)
	if err != nil {
		return Draft{}, err
	}
	if len(sealed) > MaxBody {
		return Draft{}, fmt.Errorf("audit: the body of %s has %d bytes", e.Name, len(sealed))
	}
	salt := make([]byte, 32)
	rand.Read(salt)
	h := e.header(d.Now(), Commitment(salt, sealed))
	// Found out here and not in the store's write, where it would hold up others.
	b, err := h.encode()
	if err != nil {
		return Draft{}, err
	}
	if len(b) > MaxHeader-maxPlace {
		return Draft{}, fmt.Errorf("audit: the header of %s has %d bytes", e.Name, len(b))
	}
	tag, err := d.tag(ctx, b)
	if err != nil {
		return Draft{}, err
	}
	return Draft{Header: h, Salt: salt, Sealed: sealed, Tag: tag}, nil
}

// tagPlace, with the header's hash, is where a tag belongs.
const tagPlace = "audit/tag/v1/"

// tag is an empty box under the bank's key that opens only beside this header,
// and so beside this body. Who can write to the database, but has not the HSM,
// makes none: what he adds to the log, or changes before it is covered by a
// checkpoint, is not signed.
func (d *Drafter) tag(ctx context.Context, header []byte) ([]byte, error) {
	sum := sha256.Sum256(header)
	return d.Keys.Seal(ctx, d.Bank, tagPlace+hex.EncodeToString(sum[:]), nil)
}

// Genuine reports an entry that no Drafter of this bank has made as ErrMismatch.
// It does not find an entry that was copied to a second place.
func (d *Drafter) Genuine(ctx context.Context, e Entry) error {
	h, err := ParseHeader(e.Header)
	if err != nil {
		return fmt.Errorf("%w: entry %d: %w", ErrMismatch, e.Seq, err)
	}
	h.Node, h.Seq = "", 0
	b, err := h.encode()
	if err != nil {
		return fmt.Errorf("%w: entry %d: %w", ErrMismatch, e.Seq, err)
	}
	sum := sha256.Sum256(b)
	_, err = d.Keys.Open(ctx, d.Bank, tagPlace+hex.EncodeToString(sum[:]), e.Tag)
	if errors.Is(err, seal.ErrOpen) {
		return fmt.Errorf("%w: entry %d was not written by this server", ErrMismatch, e.Seq)
	}
	return err
}

func (e Event) header(now time.Time, body string) Header {
	return Header{
		V: FormatVersion, Time: now.UTC().Truncate(time.Microsecond),
		Event: e.Name, Outcome: e.Outcome, Reason: e.Reason, Policy: e.Policy,
		Subject: e.Person.Pseudonym, Credential: e.Credential, Version: e.Version,
		Caller: e.Caller, Request: e.Request,
		Body: body,
	}
}

// bodyPlace binds a sealed body to the log; the entry it belongs to is bound by
// the commitment in the header, which is written only after sealing.
const bodyPlace = "audit/body/v1"

// Commitment returns what a header says of its body.
func Commitment(salt, sealed []byte) string {
	h := sha256.New()
	h.Write(salt)
	h.Write(sealed)
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}
