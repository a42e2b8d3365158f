package storetest

import (
	"testing"
	"time"

	"mohur/payment"
	"mohur/settle"
)

// testLimits: one record for each customer, replaced only by who knows it.
func testLimits(t *testing.T, s Store) {
	_, err := s.Limits(t.Context(), "cu")
	absent(t, "limits", err)
	first := payment.Limits{
		Customer: "cu", Own: map[string]int64{"daily": 7, "channel.pc": 0}, Raises: []payment.Raise{{Limit: "daily", Amount: 9, From: epoch}},
		Days: []payment.Day{{Date: "2031-03-05", Sums: map[string]int64{"daily": 3}}}, Version: 1, MAC: bytesOf("mac"),
	}
	want(t, s, settle.Done, payment.SaveLimits{Limits: first})
	want(t, s, settle.Exists, payment.SaveLimits{Limits: first})
	second := first
	second.Own, second.Version = nil, 2
	want(t, s, settle.Done, payment.SaveLimits{Limits: second})
	want(t, s, settle.Stale, payment.SaveLimits{Limits: second})
	got, err := s.Limits(t.Context(), "cu")
	same(t, "limits", got, err, second)
	_, err = s.Limits(t.Context(), "another")
	absent(t, "another's", err)
}

// testHeld: held transactions by the moment at which something is due, and no others.
func testHeld(t *testing.T, s Store) {
	due := func(at time.Time, max int, want ...string) {
		t.Helper()
		got, err := s.HeldDue(t.Context(), at, max)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, "due", ids(got, func(tx payment.Transaction) string { return tx.ID }), want...)
	}
	count := func(waiting, late int) {
		t.Helper()
		w, l, err := s.HeldCount(t.Context())
		if err != nil || w != waiting || l != late {
			t.Errorf("%d wait and %d late, %v; want %d and %d", w, l, err, waiting, late)
		}
	}
	at := func(minutes int) time.Time { return epoch.Add(time.Duration(minutes) * time.Minute) }
	held := func(id string, minutes int) payment.Transaction {
		tx := transaction(id, 1)
		tx.State, tx.DueAt = payment.Held, at(minutes)
		return tx
	}
	due(at(100), 10)
	count(0, 0)
	one, two := held("x1", 20), held("x2", 10)
	other := held("x3", 0)
	other.State = payment.PendingProof
	never := held("x4", 0)
	never.DueAt = time.Time{}
	for _, tx := range []payment.Transaction{one, two, other, never} {
		want(t, s, settle.Done, payment.SaveTransaction{Transaction: tx})
	}
	count(2, 0)
	due(at(9), 10)
	due(at(10), 10, "x2")
	due(at(20), 10, "x2", "x1")
	due(at(20), 1, "x2")
	two.Late, two.DueAt, two.Version = true, at(30), 2
	want(t, s, settle.Done, payment.SaveTransaction{Transaction: two})
	count(1, 1)
	due(at(29), 10, "x1")
	due(at(30), 10, "x1", "x2")
	one.State, one.Version = payment.Rejected, 2
	want(t, s, settle.Done, payment.SaveTransaction{Transaction: one})
	count(0, 1)
	due(at(30), 10, "x2")
}
