package storetest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"reflect"
	"testing"
	"time"

	"mohur/audit"
	"mohur/authn"
	"mohur/authn/pin"
	"mohur/enrollment"
	"mohur/hsm"
	"mohur/ident"
	"mohur/incident"
	"mohur/notify"
	"mohur/parties"
	"mohur/payment"
	"mohur/seal"
	"mohur/settle"
	"mohur/tokens"
)

// epoch is the present of the records made here.
var epoch = time.Date(2031, 3, 5, 14, 7, 9, 123456000, time.UTC)

// draft is an audit entry of the bank.
func draft(event string) audit.Draft {
	salt, sealed := make([]byte, 32), []byte("sealed body of "+event)
	rand.Read(salt)
	return audit.Draft{
		Header: audit.Header{V: audit.FormatVersion, Time: epoch, Event: event, Outcome: "done", Body: audit.Commitment(salt, sealed)},
		Salt:   salt, Sealed: sealed,
	}
}

// settled settles effects with one entry and returns what became of them.
func settled(t testing.TB, s Store, effects ...settle.Effect) settle.Result {
	t.Helper()
	r, err := s.Settle(t.Context(), settle.Command{Effects: effects, Entries: []audit.Draft{draft("test.settled")}})
	if err != nil {
		t.Fatalf("Settle: %v", err)
	}
	return r
}

// want settles effects and expects an outcome.
func want(t testing.TB, s Store, outcome settle.Outcome, effects ...settle.Effect) {
	t.Helper()
	r := settled(t, s, effects...)
	if r.Outcome != outcome {
		t.Fatalf("%s: outcome %s, want %s", effects[len(effects)-1].EffectKey(), r.Outcome, outcome)
	}
	switch {
	case outcome == settle.Done && r.Effect != nil:
		t.Errorf("done, and yet an effect decided: %v", r.Effect)
	case outcome != settle.Done && r.Effect == nil:
		t.Errorf("%s, and no effect decided", outcome)
	}
}

// refused expects an error and that nothing was written.
func refused(t testing.TB, s Store, c settle.Command) error {
	t.Helper()
	before := tail(t, s)
	r, err := s.Settle(t.Context(), c)
	if err == nil {
		t.Errorf("outcome %s, want an error", r.Outcome)
	}
	if r.Outcome == settle.Done || tail(t, s) != before {
		t.Error("refused with an error, and yet written")
	}
	return err
}

func tail(t testing.TB, s Store) uint64 {
	t.Helper()
	n, err := s.Tail(t.Context())
	if err != nil {
		t.Fatalf("Tail: %v", err)
	}
	return n
}

// same expects a value as it was written.
func same[T any](t testing.TB, what string, got T, err error, wanted T) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	} else if !reflect.DeepEqual(got, wanted) {
		t.Errorf("%s:\ngot  %+v\nwant %+v", what, got, wanted)
	}
}

func absent(t testing.TB, what string, err error) {
	t.Helper()
	if !errors.Is(err, parties.ErrNotFound) {
		t.Errorf("%s: %v, want parties.ErrNotFound", what, err)
	}
}

// ids returns the ids of records, to compare lists by.
func ids[T any](recs []T, id func(T) string) []string {
	list := make([]string, len(recs))
	for i, r := range recs {
		list[i] = id(r)
	}
	return list
}

func bytesOf(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

func customer(id string, version uint64) parties.Customer {
	return parties.Customer{
		ID: id, Pseudonym: "ps-" + id, Key: seal.Key{Person: id, Wrapped: bytesOf(id)}, Sealed: bytesOf("name" + id),
		Locale: "az", Segment: "retail", ContractRef: "c-1", ContractVersion: "2", KYCRef: "k-1",
		State: parties.CustomerActive, CreatedAt: epoch, UpdatedAt: epoch.Add(time.Hour), Version: version,
	}
}

func client(id string, version uint64) parties.Client {
	return parties.Client{
		ID: id, Name: "front end " + id, Roles: []parties.Role{parties.Frontend}, Channels: parties.Channels(),
		Keys: []parties.ClientKey{{Hash: bytesOf(id), CreatedAt: epoch}}, CreatedAt: epoch, Version: version,
	}
}

func token(id string, version uint64) tokens.Token {
	return tokens.Token{
		ID: id, Manufacturer: "Feitian", Model: "C200", Serial: "S-" + id, Profile: "oath", State: tokens.InStock,
		Branch: "b-1", Batch: "batch-1", Credentials: []string{"cr-" + id},
		History:   []tokens.Change{{At: epoch, From: "", To: tokens.InStock, By: "cl_1"}},
		CreatedAt: epoch, Version: version,
	}
}

func credential(id, token string) tokens.Credential {
	return tokens.Credential{
		ID: id, Token: token, Kind: tokens.TOTP, Label: "T", KeyID: "key-" + id, Hash: hsm.SHA256, Digits: 6, Step: 30,
		Seed: hsm.WrappedSeed{KEK: "seed-kek/1", Blob: bytesOf("seed" + id)}, MAC: bytesOf("mac" + id),
		Pseudonym: "ps-" + id, CreatedAt: epoch,
	}
}

// hot is a live row; its MAC is made up, since no store can check one.
func hot(id string, version uint64) settle.Hot {
	h := settle.Hot{
		ID: id, Counter: 1000 + version, Drift: -2, Fails: 1, Locks: 2, LockedUntil: 77,
		Owner: settle.OwnerOf("cu"), State: settle.HotLive, Version: version, Uses: max(version, 1) - 1,
	}
	copy(h.MAC[:], bytesOf(id+string(rune(version))))
	return h
}

func addCredential(id, serial string) tokens.AddCredential {
	return tokens.AddCredential{Credential: credential(id, "tk-"+id), Manufacturer: "Feitian", Serial: serial, Hot: hot(id, 1)}
}

func attempt(id string, version uint64) authn.Attempt {
	return authn.Attempt{
		ID: id, Customer: "cu-1", Client: "cl-1", Channel: parties.Mobile, Purpose: authn.Login, ACR: authn.Strong,
		Shown: "none", Binding: bytesOf("binding"), Offers: []authn.Offer{{Method: authn.OTP, Credentials: []authn.Offered{{ID: "cr"}}}},
		Ways: [][]authn.Method{{authn.OTP, authn.PIN}}, Text: bytesOf("text" + id), SHA256: bytesOf(id),
		PIN: &authn.Held{Method: authn.PIN, Sealed: bytesOf("pin"), At: epoch}, State: authn.Pending, Score: 3,
		Reasons: []string{"new-device"}, CreatedAt: epoch, ExpiresAt: epoch.Add(5 * time.Minute), Version: version,
	}
}

func session(id string, version uint64) authn.Session {
	return authn.Session{
		ID: id, Customer: "cu-1", Client: "cl-1", Channel: parties.Internet, Attempt: "at-1", Credential: "cr-1",
		ACR: authn.Strong, Shown: "none", AMR: []string{"otp", "pin"}, AuthTime: epoch, LastUsed: epoch,
		ExpiresAt: epoch.Add(12 * time.Hour), Version: version,
	}
}

func secret(id string, version uint64) enrollment.Secret {
	return enrollment.Secret{
		ID: id, Customer: "cu-1", Token: "tk-1", Purpose: "activate", Channel: "sms", MAC: bytesOf(id),
		State: "open", CreatedAt: epoch, ExpiresAt: epoch.Add(10 * time.Minute), Version: version,
	}
}

func transaction(id string, version uint64) payment.Transaction {
	return payment.Transaction{
		ID: id, Reference: "REF/" + id, Customer: "cu-1", Client: "cl-1", Channel: parties.PC, Service: "transactional",
		Session: "se-1", Minor: 150000, Currency: "AZN", Sealed: bytesOf("sealed" + id), BodyMAC: bytesOf("mac" + id),
		Decision: "step_up", State: payment.PendingProof, Policy: 1, SHA256: bytesOf(id),
		Reserved:  []payment.Reservation{{Key: "day/cu-1", Amount: 150000}},
		Timeline:  []payment.Step{{At: epoch, State: payment.PendingProof, By: "cl-1"}},
		CreatedAt: epoch, ExpiresAt: epoch.Add(5 * time.Minute), Version: version,
	}
}

func importRecord(id string, version uint64) tokens.Import {
	return tokens.Import{
		ID: id, State: tokens.ImportRunning, Format: "pskc", SHA256: base64.StdEncoding.EncodeToString(bytesOf(id)),
		Total: 100, Imported: 7, Rejections: []tokens.Rejection{{Index: 3, Serial: "S3", KeyID: "K", Reason: "digits"}},
		By: "cl-1", CreatedAt: epoch, Version: version,
	}
}

func pinRecord(customer string, version uint64) pin.Record {
	return pin.Record{Customer: customer, Sealed: bytesOf(customer), Pseudonym: "ps", ChangedAt: epoch, Version: version}
}

func incidentRecord(id string, version uint64) incident.Incident {
	return incident.Incident{
		ID: id, Kind: "credential.quarantined", Service: "pc", Reference: "n/a", Cause: "row-changed",
		Content: "content", At: epoch, State: "open", Version: version,
	}
}

func notice(id string) notify.Notice {
	return notify.Notice{ID: id, Customer: "cu-1", Channel: "sms", Kind: "locked", Sealed: bytesOf(id), CreatedAt: epoch, ExpiresAt: epoch.Add(time.Hour)}
}

// name returns an id nobody else has.
func name(prefix string) string { return ident.New(prefix) }
