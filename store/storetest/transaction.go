package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"mohur/incident"
	"mohur/notify"
	"mohur/parties"
	"mohur/payment"
	"mohur/settle"
)

// testTransactions: newest first, by filter, From included and To not.
func testTransactions(t *testing.T, s Store) {
	for i := range 6 {
		tx := transaction(fmt.Sprint("x", i), 1)
		tx.CreatedAt = epoch.Add(time.Duration(i) * time.Minute)
		tx.Customer, tx.Client = fmt.Sprint("cu-", i%2), fmt.Sprint("cl-", i%3)
		tx.State, tx.Decision = []payment.State{payment.Approved, payment.Held}[i/3], []string{"approved", "held"}[i/3]
		want(t, s, settle.Done, payment.SaveTransaction{Transaction: tx})
	}
	list := func(f payment.Filter) listed[payment.Transaction] {
		return func(ctx context.Context, cursor string, limit int) ([]payment.Transaction, string, error) {
			return s.Transactions(ctx, f, cursor, limit)
		}
	}
	id := func(tx payment.Transaction) string { return tx.ID }
	at := func(minutes int) time.Time { return epoch.Add(time.Duration(minutes) * time.Minute) }
	for what, c := range map[string]struct {
		filter payment.Filter
		want   []string
	}{
		"all":               {payment.Filter{}, []string{"x5", "x4", "x3", "x2", "x1", "x0"}},
		"customer":          {payment.Filter{Customer: "cu-1"}, []string{"x5", "x3", "x1"}},
		"no such customer":  {payment.Filter{Customer: "cu-"}, nil},
		"client":            {payment.Filter{Client: "cl-2"}, []string{"x5", "x2"}},
		"state":             {payment.Filter{State: payment.Held}, []string{"x5", "x4", "x3"}},
		"decision":          {payment.Filter{Decision: "approved"}, []string{"x2", "x1", "x0"}},
		"from":              {payment.Filter{From: at(4)}, []string{"x5", "x4"}},
		"to":                {payment.Filter{To: at(2)}, []string{"x1", "x0"}},
		"from and to":       {payment.Filter{From: at(1), To: at(4)}, []string{"x3", "x2", "x1"}},
		"customer and from": {payment.Filter{Customer: "cu-0", From: at(1)}, []string{"x4", "x2"}},
		"to before all":     {payment.Filter{To: at(0)}, nil},
		"from after to":     {payment.Filter{From: at(3), To: at(3)}, nil},
	} {
		inPages(t, what, list(c.filter), id, c.want...)
	}
	badCursors(t, list(payment.Filter{Customer: "cu-1"}))

	// A page's cursor goes on under the same bounds.
	_, next, err := s.Transactions(t.Context(), payment.Filter{}, "", 1)
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := s.Transactions(t.Context(), payment.Filter{To: at(2)}, next, 10)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "a cursor beyond To", ids(got, id), "x1", "x0")
}

// testRegisters: incidents newest first, notices oldest first, clients all.
func testRegisters(t *testing.T, s Store) {
	for i := range 5 {
		in := incidentRecord(fmt.Sprint("in", i), 1)
		in.At = epoch.Add(time.Duration(i) * time.Second)
		no := notice(fmt.Sprint("no", i))
		no.CreatedAt = epoch.Add(-time.Duration(i) * time.Second)
		want(t, s, settle.Done, incident.Save{Incident: in}, notify.Queue{Notice: no}, parties.SaveClient{Client: client(fmt.Sprint("cl", i), 1)})
	}
	inPages(t, "incidents", s.Incidents, func(in incident.Incident) string { return in.ID }, "in4", "in3", "in2", "in1", "in0")
	badCursors(t, s.Incidents)

	notices, err := s.Notices(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "notices", ids(notices, func(n notify.Notice) string { return n.ID }), "no4", "no3", "no2")
	first := notice("no4")
	first.CreatedAt = epoch.Add(-4 * time.Second)
	same(t, "first notice", notices[0], nil, first)
	if none, err := s.Notices(t.Context(), 0); err != nil || len(none) != 0 {
		t.Errorf("no notices asked for: %d, %v", len(none), err)
	}

	clients, err := s.Clients(t.Context())
	if err != nil || len(clients) != 5 {
		t.Fatalf("clients: %d, %v", len(clients), err)
	}
	for _, c := range clients {
		same(t, "client", c, nil, client(c.ID, 1))
		keys, err := s.ClientKeys(t.Context(), c.ID)
		same(t, "its keys", keys, err, c.Keys)
	}
	_, err = s.ClientKeys(t.Context(), "nobody")
	absent(t, "the keys of nobody", err)
}
