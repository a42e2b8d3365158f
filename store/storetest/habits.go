package storetest

import (
	"context"
	"testing"
	"time"

	"mohur/compromised"
	"mohur/payment"
	"mohur/settle"
)

// testVelocities: one record for each customer, replaced only by who knows it, and gone
// when it says nothing any more.
func testVelocities(t *testing.T, s Store) {
	_, err := s.Velocity(t.Context(), "cu-1")
	absent(t, "velocity", err)
	first := payment.Velocity{Customer: "cu-1", Day: "2031-03-05", DayCount: 1, DaySum: 100, Last: epoch.Unix() / 60, Version: 1, MAC: bytesOf("mac")}
	want(t, s, settle.Done, payment.SaveVelocity{Velocity: first})
	want(t, s, settle.Exists, payment.SaveVelocity{Velocity: first})
	second := first
	second.Minutes, second.DayCount, second.DaySum, second.Version = []payment.Minute{{At: first.Last, Count: 2, Sum: 300}}, 2, 300, 2
	want(t, s, settle.Done, payment.SaveVelocity{Velocity: second})
	want(t, s, settle.Stale, payment.SaveVelocity{Velocity: second})
	got, err := s.Velocity(t.Context(), "cu-1")
	same(t, "velocity", got, err, second)
	_, err = s.Velocity(t.Context(), "cu-2")
	absent(t, "another customer's", err)

	sweep(t, s, epoch.Add(48*time.Hour), 10, 0)
	sweep(t, s, epoch.Add(4*24*time.Hour), 10, 1)
	_, err = s.Velocity(t.Context(), "cu-1")
	absent(t, "one of last week", err)
}

// testPayeeHistories: one record for each customer and payee, read several at once.
func testPayeeHistories(t *testing.T, s Store) {
	one := payment.PayeeHistory{Key: "a", First: epoch, Last: epoch, Count: 1, Day: "2031-03-05", DayCount: 1, DaySum: 100, Version: 1, MAC: bytesOf("mac")}
	want(t, s, settle.Done, payment.SavePayeeHistory{History: one})
	want(t, s, settle.Exists, payment.SavePayeeHistory{History: one})
	two := one
	two.Last, two.Count, two.Version = epoch.Add(100*24*time.Hour), 2, 2
	want(t, s, settle.Done, payment.SavePayeeHistory{History: two})
	want(t, s, settle.Stale, payment.SavePayeeHistory{History: two})
	got, err := s.PayeeHistories(t.Context(), "b", "a")
	same(t, "histories", got, err, []payment.PayeeHistory{{}, two})
	got, err = s.PayeeHistories(t.Context())
	same(t, "none", got, err, []payment.PayeeHistory{})

	sweep(t, s, epoch.Add(499*24*time.Hour), 10, 0)
	sweep(t, s, epoch.Add(502*24*time.Hour), 10, 1)
	got, err = s.PayeeHistories(t.Context(), "a")
	same(t, "one of two years ago", got, err, []payment.PayeeHistory{{}})
}

// testCompromised: two records with one version, both or none.
func testCompromised(t *testing.T, s Store) {
	record := func(id string, version uint64) compromised.Record {
		r := compromised.Record{ID: id, Counts: map[compromised.Kind]int{compromised.IP: 1}, SHA256: bytesOf("items"), At: epoch, By: "cl-1", Version: version, MAC: bytesOf("mac")}
		if id == compromised.ItemsID {
			r.Items = bytesOf("items")
		}
		return r
	}
	both := func(version uint64) []settle.Effect {
		return []settle.Effect{compromised.Save{Record: record(compromised.HeadID, version)}, compromised.Save{Record: record(compromised.ItemsID, version)}}
	}
	_, err := s.Compromised(context.Background(), compromised.HeadID)
	absent(t, "list", err)
	want(t, s, settle.Done, both(1)...)
	if r := settled(t, s, both(3)...); r.Outcome != settle.Stale {
		t.Errorf("a version left out: %s", r.Outcome)
	}
	want(t, s, settle.Done, both(2)...)
	if r := settled(t, s, both(2)...); r.Outcome != settle.Stale {
		t.Errorf("a version twice: %s", r.Outcome)
	}
	for _, id := range []string{compromised.HeadID, compromised.ItemsID} {
		got, err := s.Compromised(t.Context(), id)
		same(t, id, got, err, record(id, 2))
	}
}
