package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"mohur/audit"
	"mohur/parties"
	"mohur/payment"
	"mohur/settle"
)

// Clause 5.25: a server that starts does what became due about held payments while it
// was down, and counts those that still wait.
func TestClause5_25_TheServerReviewsHeldPayments(t *testing.T) {
	dir := filepath.Join(shortDir(t), "dev")
	must(t, "init", "--dir", dir, "--development", "--listen", "127.0.0.1:0", "--url", "https://localhost")
	c, err := loadConfig(filepath.Join(dir, configName))
	if err != nil {
		t.Fatal(err)
	}
	s, err := wire(t.Context(), c, slog.New(slog.DiscardHandler), func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	person, _, err := s.parties.Put(t.Context(), parties.PutCommand{
		Caller: sweeper, ID: "C-1", Profile: parties.Profile{Name: "A", Phone: "+994501234567"}, Locale: "az", Segment: "retail",
		ContractRef: "K", ContractVersion: "1", KYCRef: "V",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	hold := func(id string, since time.Duration) {
		t.Helper()
		details, err := json.Marshal(payment.Details{Purpose: "rent"})
		if err != nil {
			t.Fatal(err)
		}
		begun := now.Add(-since)
		tx := payment.Transaction{
			ID: id, Reference: "R-" + id, Customer: person.ID, Client: "cl_1", Channel: parties.Internet, Minor: 25_000_00, Currency: "AZN", Home: 25_000_00,
			State: payment.Held, CreatedAt: begun, DueAt: begun.Add(c.Held.Review), ExpiresAt: begun.Add(c.Held.Expire), Version: 1,
		}
		if tx.Sealed, err = s.keys.Seal(t.Context(), person.Key, payment.DetailsPlace(id), details); err != nil {
			t.Fatal(err)
		}
		r, err := settle.Write(t.Context(), s.records, s.audit, []settle.Effect{payment.SaveTransaction{Transaction: tx}}, []audit.Event{{Name: "transaction.created", Outcome: "held", Detail: 1}})
		if err != nil || r.Outcome != settle.Done {
			t.Fatalf("%s, %v", r.Outcome, err)
		}
	}
	hold("tx_new", time.Minute)
	hold("tx_late", c.Held.Review)
	hold("tx_old", c.Held.Expire)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.reviewHeld(ctx); close(done) }()
	for deadline := time.Now().Add(30 * time.Second); s.heldNow(t, "true") != 1; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is late")
		}
	}
	stop()
	<-done
	if n := s.heldNow(t, "false"); n != 1 {
		t.Errorf("%v wait", n)
	}
	for id, want := range map[string]payment.State{"tx_new": payment.Held, "tx_late": payment.Held, "tx_old": payment.Rejected} {
		if tx, err := s.records.Transaction(t.Context(), id); err != nil || tx.State != want || tx.Late == (id == "tx_new") {
			t.Errorf("%s is %s, late %v: %v", id, tx.State, tx.Late, err)
		}
	}
}

// heldNow is what the metric says.
func (s *server) heldNow(t *testing.T, late string) float64 {
	t.Helper()
	families, err := s.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "mohur_payments_held" && m.GetLabel()[0].GetValue() == late {
				return m.GetGauge().GetValue()
			}
		}
	}
	t.Fatal("there is no such metric")
	return 0
}
