// Package bound puts every record that decides something under a MAC of the
// HSM, between the domain and an engine: it signs what is settled and verifies
// what is read. Whoever can write to the database, but has not the HSM, gains
// nothing by it: an attempt edited to "granted", a payment edited to another
// amount, a client with a key of the thief's own, a token with a better profile
// are not read any more, and an incident is opened.
//
// Hot rows, credentials and PINs have MACs and seals of their own. What is not
// found here: a whole record that is put back as it once was (a log-out or a
// suspension undone, until its time is over), and the running sums behind fraud rates.
package bound

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"mohur/approval"
	"mohur/audit"
	"mohur/authn"
	"mohur/authn/pin"
	"mohur/ca"
	"mohur/compromised"
	"mohur/custody"
	"mohur/enrollment"
	"mohur/hsm"
	"mohur/ident"
	"mohur/incident"
	"mohur/notify"
	"mohur/parties"
	"mohur/payment"
	"mohur/rulebook"
	"mohur/settle"
	"mohur/tokens"
)

// ErrTampered says that a record is not what the server wrote. The domain tells
// its caller that a part is away: nothing is granted on such a record.
var ErrTampered = fmt.Errorf("bound: %w", parties.ErrTampered)

// Engine is a store as it keeps the bank: every interface of the domain.
type Engine interface {
	settle.Store
	parties.Store
	tokens.Store
	tokens.ImportStore
	tokens.MetadataStore
	pin.Store
	authn.Store
	enrollment.Store
	payment.Store
	compromised.Store
	custody.Store
	approval.Store
	ca.Store
	rulebook.Store
	incident.Store
	notify.Store
	settle.Memories
}

var _ Engine = (*Store)(nil)

// Store is an engine whose deciding records are bound. What it does not override
// is the engine's own: lists for people, hot rows, counters.
type Store struct {
	Engine
	HSM   settle.Module
	Audit *audit.Drafter
	Now   func() time.Time
}

// label is raised when the way a record is written down for its MAC changes. A
// new member of a record must be left out while it is empty, or old records no
// longer fit.
const label = "record/v1"

// input is what a record's MAC is over: the record as JSON, without the MAC itself.
func input(kind, id string, record any) (hsm.Input, error) {
	text, err := json.Marshal(record)
	if err != nil {
		return hsm.Input{}, fmt.Errorf("bound: encode %s %q: %w", kind, id, err)
	}
	return hsm.Input{Label: label, Parts: [][]byte{[]byte(kind), []byte(id), text}}, nil
}

// verify compares a record's MAC. An error of the HSM says nothing of the record.
func (s *Store) verify(ctx context.Context, kind, id string, record any, mac []byte) error {
	in, err := input(kind, id, record)
	if err != nil {
		return err
	}
	want, err := s.HSM.MAC(ctx, hsm.RowMAC, in.Label, in.Parts...)
	if err != nil {
		return err
	}
	if !hmac.Equal(want, mac) {
		// Another module's keys would make every record look changed: is it ours?
		if err := s.HSM.Check(ctx); err != nil {
			return err
		}
		return errors.Join(fmt.Errorf("%w: %s %s", ErrTampered, kind, ident.Digest(id)), s.tell(ctx, kind, id, mac))
	}
	return nil
}

// tell opens one incident for a changed record, however often it is read.
func (s *Store) tell(ctx context.Context, kind, id string, mac []byte) error {
	sum := sha256.Sum256(append([]byte("tampered/"+kind+"/"+id+"/"), mac...))
	in := incident.Incident{
		ID: ident.From("in", sum[:]), Kind: "record.tampered", Service: "n/a", Reference: "n/a", Cause: "record-changed",
		Content: "the stored " + kind + " " + id + " is not what the server wrote; it is not read any more", At: s.Now().UTC(), State: "open", Version: 1,
	}
	_, err := settle.Write(settle.Aside(ctx), s.Engine, s.Audit, []settle.Effect{incident.Save{Incident: in}}, []audit.Event{{
		Name: "incident.opened", Outcome: "open", Reason: in.Kind, Detail: in,
	}})
	return err
}
