// Package custody is what custodians do with the keys in the HSM. Above all it
// brings in the keys of others: the transport keys under which manufacturers send
// seed files.
//
// It guarantees, against any single custodian and against whoever can write to
// the store: outside development nobody brings in an AES key alone, since it comes
// as two halves by two callers and neither learns the whole; a half that waits is
// sealed for its name and its person, and one that was changed is refused; a key
// whose check value is not the one that was expected never reaches the HSM; and
// every step is in the audit log with who took it, before it is taken (clauses
// 5.3.6 and 5.11). Nothing that is logged or kept in the clear says anything of a
// half. In the server's memory halves and key lie in buffers that are cleared.
//
// Who the people are is the caller's id: two keys of one API client are one
// person. That two clients, or two users of the host, are two people is for the
// bank to see to.
package custody

import (
	"context"
	"crypto/rsa"
	"errors"
	"strings"
	"time"

	"mohur/audit"
	"mohur/hsm"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
)

// HSM is the part of a module that custodians use; hsm/pkcs11.Module is it.
type HSM interface {
	Seal(ctx context.Context, key hsm.Key, place string, plaintext []byte) ([]byte, error)
	Open(ctx context.Context, key hsm.Key, place string, sealed []byte) ([]byte, error)
	DecryptCBC(ctx context.Context, key hsm.Key, iv, ciphertext []byte) ([]byte, error)
	Keys(ctx context.Context) ([]hsm.KeyInfo, error)
	// ImportTransport brings an AES key in and clears the bytes. An *hsm.Fault of
	// hsm.ClassInput says that the HSM did not want this key.
	ImportTransport(ctx context.Context, name string, key []byte) error
	// MakeTransport makes an RSA key of 2048, 3072 or 4096 bits.
	MakeTransport(ctx context.Context, name string, bits int) (*rsa.PublicKey, error)
	TransportPublic(ctx context.Context, name string) (*rsa.PublicKey, error)
	DeleteTransport(ctx context.Context, name string) error
	// Rotate makes the next version of a key of the house and serves new data with
	// it. hsm.ClassInput: this key cannot be followed.
	Rotate(ctx context.Context, key hsm.Key) (hsm.KeyInfo, error)
}

// Service keeps the transport keys. All methods may be called by many goroutines.
type Service struct {
	Store       Store
	Settler     settle.Store
	HSM         HSM
	Audit       *audit.Drafter
	Development bool // one caller may bring a whole key
	Now         func() time.Time
}

const (
	// halfLife is how long a half waits for the other.
	halfLife = 24 * time.Hour
	// claimFor is longer than bringing a key into the HSM takes.
	claimFor = 30 * time.Second
	// maxHalves bounds what may wait at a time.
	maxHalves = 64
)

// Keys lists the keys in the HSM.
func (s *Service) Keys(ctx context.Context) ([]hsm.KeyInfo, error) {
	all, err := s.HSM.Keys(ctx)
	if err != nil {
		return nil, problem.Away(err)
	}
	return all, nil
}

// Import brings a whole AES key of 16 or 32 bytes in, in development, and clears
// it. want is its check value, nil if nobody says.
func (s *Service) Import(ctx context.Context, by parties.Caller, name string, key []byte, want *Expected) (KCV, error) {
	defer clear(key)
	if !s.Development {
		return KCV{}, problem.New(problem.Forbidden, "a transport key comes in as two halves by two custodians; one piece is for development")
	}
	kcv, ok := KCVOf(key)
	var c problem.Check
	c.Unless(ValidName(name), "name", wrongName)
	c.Unless(ok, "hex", wrongLength)
	c.Unless(!ok || want == nil || want.Is(key), "kcv", otherKCV("this key", kcv))
	if err := c.Err(); err != nil {
		return KCV{}, err
	}
	return kcv, s.onRecord(ctx, by, "key.import", hsm.Transport(name), nil, func() error { return s.HSM.ImportTransport(ctx, name, key) })
}

// Rotate makes the next version of seed-kek, pin-seal or data-kek. New data is
// made with it from then on; what the versions before have wrapped or sealed stays
// readable.
func (s *Service) Rotate(ctx context.Context, by parties.Caller, key hsm.Key) (info hsm.KeyInfo, err error) {
	if key != hsm.SeedKEK && key != hsm.PINSeal && key != hsm.DataKEK {
		return info, invalid("key", "needs to be seed-kek, pin-seal or data-kek: what is made with the others does not say with which version")
	}
	err = s.onRecord(ctx, by, "key.rotate", key, nil, func() (err error) {
		info, err = s.HSM.Rotate(ctx, key)
		return err
	})
	return info, err
}

// Delete removes a transport key, of an RSA key both halves.
func (s *Service) Delete(ctx context.Context, by parties.Caller, name string) error {
	if !ValidName(name) {
		return problem.New(problem.NotFound, "there is no such transport key")
	}
	return s.onRecord(ctx, by, "key.delete", hsm.Transport(name), nil, func() error { return s.HSM.DeleteTransport(ctx, name) })
}

const (
	wrongName   = "needs 1 to 32 of a-z 0-9 -"
	wrongLength = "needs 16 or 32 bytes as hexadecimal digits"
)

// ValidName reports whether a transport key may have this name.
func ValidName(name string) bool {
	return len(name) >= 1 && len(name) <= 32 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// onRecord does something to the HSM's keys, with evidence of the attempt before
// and of the outcome after it (clause 5.11). Without the first nothing is done.
func (s *Service) onRecord(ctx context.Context, by parties.Caller, event string, key hsm.Key, more map[string]any, f func() error) error {
	if err := s.record(ctx, nil, s.event(by, event, "begun", "", key, more)); err != nil {
		return err
	}
	fault, outcome := f(), "done"
	if fault != nil {
		outcome = "failed"
	}
	// The outcome is recorded even when the caller has gone.
	if err := s.record(context.WithoutCancel(ctx), nil, s.event(by, event, outcome, "", key, more)); err != nil && fault == nil {
		return unrecorded(err)
	}
	return refusal(fault)
}

// refusal says what a fault of the HSM's keys means for who asked.
func refusal(fault error) error {
	switch {
	case fault == nil:
		return nil
	case hsm.ClassOf(fault) == hsm.ClassInput:
		return &problem.Error{Code: problem.Conflict, Detail: "the HSM has not taken this: is the name free, or is there such a key?", Err: fault}
	}
	return problem.Away(fault)
}

// unrecorded is the error of something that was done and whose last entry could
// not be written: it must not be told as "nothing was changed".
func unrecorded(err error) error {
	return &problem.Error{Code: problem.Unavailable, Detail: "this was done, but it could not be recorded; look instead of trying again", Err: err}
}

func (s *Service) event(by parties.Caller, name, outcome, reason string, key hsm.Key, more map[string]any) audit.Event {
	detail := map[string]any{"key": string(key), "by": by.Name, "source": by.Source}
	for k, v := range more {
		detail[k] = v
	}
	return audit.Event{Name: name, Outcome: outcome, Reason: reason, Caller: by.ID, Request: by.Request, Detail: detail}
}

// errMoved says that a half was changed by somebody else meanwhile.
var errMoved = errors.New("custody: the half was changed meanwhile")

// record settles an effect, if there is one, with its entry.
func (s *Service) record(ctx context.Context, e settle.Effect, event audit.Event) error {
	var effects []settle.Effect
	if e != nil {
		effects = append(effects, e)
	}
	r, err := settle.Write(ctx, s.Settler, s.Audit, effects, []audit.Event{event})
	if err == nil && r.Outcome != settle.Done {
		err = errMoved
	}
	return err
}
