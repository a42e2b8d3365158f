// Package banktest is a whole bank for tests: a real SoftHSM, a real store in a
// file, the real services, and a clock that a test can move. Nothing in it is a
// fake; what a test wants broken, it breaks itself.
package banktest

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"mohur/approval"
	"mohur/audit"
	"mohur/authn"
	"mohur/authn/pin"
	"mohur/ca"
	"mohur/compromised"
	"mohur/enrollment"
	"mohur/hsm"
	"mohur/hsm/hsmtest"
	"mohur/parties"
	"mohur/payment"
	"mohur/rate"
	"mohur/risk"
	"mohur/risk/policy"
	"mohur/rulebook"
	"mohur/seal"
	"mohur/stoplist"
	"mohur/store/bolt"
	"mohur/store/bolttest"
	"mohur/store/bound"
)

// Issuer is the bank's url.
const Issuer = "https://bank.test"

// Bank is the house, wired as the server wires it.
type Bank struct {
	T          testing.TB
	Path       string
	Clock      *Clock
	HSM        *hsmtest.Faulty
	Engine     *bolt.Store  // as it lies on the disk
	Store      *bound.Store // as the domain sees it
	Disk       *Disk        // between the two
	Stops      *stoplist.List
	Keys       *seal.Keyring
	Key        seal.Key // the bank's own
	Audit      *audit.Drafter
	Parties    *parties.Service
	Authn      *authn.Service
	Enrollment *enrollment.Service
	Payments   *payment.Service
	Rules      risk.Policy // in force for both while the book has adopted none
	Book       *rulebook.Book
	Approvals  *approval.Service
	CA         *ca.Service
	FIDO       enrollment.FIDO // see AllowKeys
	Cards      *authn.Cards    // see AllowCards
	CardRules  enrollment.Cards
	Uses       uint64 // how often keys that are imported from now on may be used; 0: no limit

	rows *hsm.Recall
}

// fast is a pace that no test reaches unless it wants to.
var fast = authn.Pace{
	Customer: rate.Limit{PerSecond: 1e6, Burst: 1e6}, Source: rate.Limit{PerSecond: 1e6, Burst: 1e6},
	NamelessSource: rate.Limit{PerSecond: 1e6, Burst: 1e6}, NamelessClient: rate.Limit{PerSecond: 1e6, Burst: 1e6},
	CustomerSlow: rate.Slow{From: 1e6, Window: time.Minute, Most: time.Second}, SourceSlow: rate.Slow{From: 1e6, Window: time.Minute, Most: time.Second},
}

// Clock is the time of the bank: the true time, moved.
type Clock struct {
	mu   sync.Mutex
	plus time.Duration
}

// Now returns the bank's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.plus)
}

// Forward moves the clock by d.
func (c *Clock) Forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.plus += d
}

// New opens a new bank in a temporary directory.
func New(t testing.TB) *Bank {
	t.Helper()
	return NewOn(t, hsmtest.SoftHSM(t))
}

// NewOn is New on another module than SoftHSM, which has all keys of the house.
func NewOn(t testing.TB, module hsm.Module) *Bank {
	t.Helper()
	b := &Bank{T: t, Path: filepath.Join(t.TempDir(), "mohur.db"), Clock: &Clock{}, HSM: &hsmtest.Faulty{Module: module}}
	b.Open()
	t.Cleanup(func() { b.Engine.Close() })
	return b
}

// Open opens the store and wires the services; after Store.Close it is a restart.
func (b *Bank) Open() {
	b.T.Helper()
	store, err := bolt.Open(bolt.Options{Path: b.Path, Node: "n1", Now: b.Clock.Now, Fatal: func(err error) { b.T.Errorf("store: %v", err) }})
	b.must(err)
	b.Engine = store
	b.Keys = &seal.Keyring{HSM: b.HSM, Now: b.Clock.Now}
	b.Key, err = store.BankKey(b.T.Context(), func() (seal.Key, error) { return b.Keys.New(b.T.Context(), "bank") })
	b.must(err)
	b.must(b.Stops.Close())
	b.Stops, err = stoplist.Open(b.T.Context(), stoplist.Options{Path: b.Path + ".stop", Keys: b.Keys, Now: b.Clock.Now, Limit: 1 << 18})
	b.must(err)
	b.wire()
	b.must(b.Authn.Start(b.T.Context()))
}

// rowsRecalled is small, so that rows are forgotten in tests too.
const rowsRecalled = 256

// ForgetRows makes the bank forget the MACs it has made and verified, as after a
// restart.
func (b *Bank) ForgetRows() {
	b.T.Helper()
	for i := range 2*rowsRecalled + 1 {
		_, err := b.rows.MAC(b.T.Context(), hsm.RowMAC, "forget", []byte(strconv.Itoa(i)))
		b.must(err)
	}
}

func (b *Bank) wire() {
	m := hsm.NewRecall(b.HSM, rowsRecalled)
	b.rows = m
	now := b.Clock.Now
	b.Rules = policy.Default()
	inForce := func() risk.Policy {
		if e := b.Book.Present(); e.Adopted() {
			return e.Rules
		}
		return b.Rules
	}
	b.Audit = &audit.Drafter{Keys: b.Keys, Bank: b.Key, Now: now}
	b.Disk = &Disk{Engine: b.Engine}
	b.Store = &bound.Store{Engine: b.Disk, HSM: m, Audit: b.Audit, Now: now}
	zone := time.FixedZone("Asia/Baku", 4*3600)
	var err error
	b.Book, err = rulebook.Open(b.T.Context(), rulebook.Options{
		Store: b.Store, Settler: b.Store, Audit: b.Audit, Base: b.Rules, Zone: zone, Places: payment.Places, Now: now,
	})
	b.must(err)
	pins := pin.NewVerifier(m, 2)
	settings := authn.DefaultSettings(Issuer)
	settings.FloorPIN, settings.FloorRefusal, settings.FloorBegin = 0, 0, 0 // tests of the floors set them
	settings.Pace = fast                                                    // and those of the pace that
	b.Parties = &parties.Service{Store: b.Store, Settler: b.Store, Keys: b.Keys, Audit: b.Audit, Now: now}
	b.Authn = &authn.Service{
		Store: b.Store, Settler: b.Store, HSM: m, Keys: b.Keys, Bank: b.Key, Audit: b.Audit, PINs: pins, Policy: inForce, Settings: settings, Stops: b.Stops, Now: now,
	}
	b.Payments = &payment.Service{
		Store: b.Store, Settler: b.Store, HSM: m, Keys: b.Keys, Audit: b.Audit, Authn: b.Authn, Policy: inForce, Shadow: b.Book.Shadow, Rates: b.Book.RatesNow, Issuer: Issuer,
		Zone: zone, Now: now, Compromised: &compromised.List{Store: b.Store, Settler: b.Store, Audit: b.Audit, Now: now},
	}
	b.must(b.Payments.Compromised.Refresh(b.T.Context()))
	b.Authn.Zone, b.Authn.Compromised = zone, b.Payments.Compromised
	b.Authn.Payments, b.Authn.FIDO, b.Authn.Models = b.Payments, b.FIDO.RP, b.FIDO.Metadata
	b.Authn.Nameless = b.FIDO.Discoverable()
	b.Approvals = &approval.Service{Store: b.Store, Settler: b.Store, Keys: b.Keys, Audit: b.Audit, Now: now}
	b.CA = &ca.Service{Store: b.Store, Settler: b.Store, HSM: b.HSM, Audit: b.Audit, Settings: ca.Settings{Organization: "A Bank"}, Now: now}
	b.Enrollment = &enrollment.Service{
		Store: b.Store, Settler: b.Store, HSM: m, Keys: b.Keys, Audit: b.Audit, PINs: pins, Prover: b.Authn, Pace: b.Authn, Parties: b.Parties, Stops: b.Stops, Development: true, Now: now,
		FIDO: b.FIDO, CA: b.CA,
	}
	if b.Cards != nil {
		b.TakeCards(b.Cards.Verifier)
	}
}

// Merger merges the stop-list into this bank, once HSM and disk are both well.
func (b *Bank) Merger() stoplist.Merger {
	return stoplist.Merger{Apply: b.Enrollment.Merge, Ready: func(ctx context.Context) error {
		return errors.Join(b.HSM.Check(ctx), b.Disk.Check(ctx))
	}}
}

func (b *Bank) must(err error) {
	b.T.Helper()
	if err != nil {
		b.T.Fatal(err)
	}
}

// Entries returns the headers of the audit log, oldest first.
func (b *Bank) Entries() []audit.Header {
	b.T.Helper()
	var out []audit.Header
	for from := uint64(0); ; {
		batch, err := b.Engine.Entries(b.T.Context(), from, 1000)
		b.must(err)
		if len(batch) == 0 {
			return out
		}
		for _, e := range batch {
			h, err := audit.ParseHeader(e.Header)
			b.must(err)
			out = append(out, h)
		}
		from += uint64(len(batch))
	}
}

// Count counts the entries of the audit log that fit; an empty string fits all.
func (b *Bank) Count(event, outcome, reason string) int {
	b.T.Helper()
	n := 0
	for _, h := range b.Entries() {
		if (event == "" || h.Event == event) && (outcome == "" || h.Outcome == outcome) && (reason == "" || h.Reason == reason) {
			n++
		}
	}
	return n
}

// Edit stops the bank, lets a thief edit the store's file, and starts it again.
func (b *Bank) Edit(f func(bolttest.File)) {
	b.T.Helper()
	b.must(b.Engine.Close())
	bolttest.Edit(b.T, b.Path, f)
	b.Open()
}
