// Package storetest is the suite every storage engine passes, with -race. It
// asks only what the interfaces promise: that an effect is done once or not at
// all, that a command is whole, that the audit sequence has no gap, that no
// parallel caller gets more than his share, and that lists and reads tell what
// was written.
package storetest

import (
	"context"
	"testing"
	"time"

	"mohur/approval"
	"mohur/audit"
	"mohur/audit/audittest"
	"mohur/authn"
	"mohur/ca"
	"mohur/compromised"
	"mohur/custody"
	"mohur/enrollment"
	"mohur/incident"
	"mohur/notify"
	"mohur/payment"
	"mohur/rulebook"
	"mohur/seal"
	"mohur/settle"
)

// Store is everything an engine serves.
type Store interface {
	settle.Store
	audit.Store
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
	// BankKey returns the bank's own key, made by create at first use.
	BankKey(ctx context.Context, create func() (seal.Key, error)) (seal.Key, error)
	// Sweep removes at most max records whose time is over.
	Sweep(ctx context.Context, now time.Time, max int) (removed int, err error)
}

// Tamper is what an attacker with the engine's own tools could do. An engine's
// test provides it on the store it opens; without it those tests are skipped.
type Tamper interface {
	// EditHot replaces the bytes of a hot row and nothing else; nil removes it.
	EditHot(t *testing.T, id string, edit func(row []byte) []byte)
}

// Run runs the suite. open returns an empty store, closed by the test's cleanup.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Store)
	}{
		{"records", testRecords},
		{"required records", testRequired},
		{"effects beside records", testSingles},
		{"commands", testCommands},
		{"hot rows", testHot},
		{"tampering", testTamper},
		{"one counter, one wins", testOneWins},
		{"guesses end at the limit", testGuesses},
		{"sums", testSums},
		{"remembered requests", testMemory},
		{"first uses", testFirstUse},
		{"parallel reservations", testParallelReservations},
		{"unique names", testUnique},
		{"audit sequence", testSequence},
		{"tokens", testTokens},
		{"token lists", testTokenLists},
		{"transactions", testTransactions},
		{"limits", testLimits},
		{"held transactions", testHeld},
		{"decisions", testDecisions},
		{"registers", testRegisters},
		{"attempts", testAttempts},
		{"sessions", testSessions},
		{"touches", testTouches},
		{"activity", testActivity},
		{"velocities", testVelocities},
		{"payee histories", testPayeeHistories},
		{"compromised", testCompromised},
		{"secrets", testSecrets},
		{"imports", testImports},
		{"permits", testPermits},
		{"halves of keys", testHalves},
		{"approvals", testApprovals},
		{"certificates", testCertificates},
		{"metadata", testMetadata},
		{"policies", testPolicies},
		{"rates of exchange", testRates},
		{"exemptions", testExemptions},
		{"staff", testStaff},
		{"holders", testHolders},
		{"large command", testLargeCommand},
		{"sweep", testSweep},
		{"bank key", testBankKey},
		{"ended context", testContext},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open(t))
		})
	}
	t.Run("audit", func(t *testing.T) {
		audittest.Run(t, func(t *testing.T) (audit.Store, func(...audit.Draft) error) {
			s := open(t)
			return s, func(drafts ...audit.Draft) error {
				_, err := s.Settle(t.Context(), settle.Command{Entries: drafts})
				return err
			}
		})
	})
}
