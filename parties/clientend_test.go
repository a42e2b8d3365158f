package parties_test

import (
	"sync"
	"testing"
	"time"

	"mohur/audit"
	"mohur/banktest"
	"mohur/hsm"
	"mohur/ident"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
)

// bank is a bank with clients.
type bank struct {
	*banktest.Bank
	t *testing.T
}

func (b bank) client(roles ...parties.Role) (parties.Client, string) {
	b.t.Helper()
	c, key, err := b.Parties.CreateClient(b.t.Context(), parties.CreateClientCommand{Caller: b.Staff(), Name: "c", Roles: roles, Life: time.Hour})
	if err != nil {
		b.t.Fatal(err)
	}
	return c, key
}

// opens reports whether a key opens; every refusal is the same 401.
func (b bank) opens(key string) bool {
	b.t.Helper()
	_, err := b.Parties.Authenticate(b.t.Context(), key)
	if err != nil && !problem.Is(err, problem.Unauthorized) {
		b.t.Fatal(err)
	}
	return err == nil
}

func (b bank) addKey(client string) (parties.ClientKey, string, error) {
	_, k, text, err := b.Parties.AddKey(b.t.Context(), parties.AddKeyCommand{Caller: b.Staff(), Client: client, Life: 2 * time.Hour})
	return k, text, err
}

// Attack 5: whoever sends wrong keys does not have the HSM work for him, whether
// the client exists or not.
func TestAttack05_AWrongKeyCostsTheHSMNothing(t *testing.T) {
	b := bank{banktest.New(t), t}
	c, key := b.client(parties.Frontend)
	_, other := b.client(parties.Frontend)
	wrong, _ := parties.NewKey(c.ID, b.Clock.Now(), b.Clock.Now().Add(time.Hour))
	nobodys, _ := parties.NewKey(ident.New("cl"), b.Clock.Now(), b.Clock.Now().Add(time.Hour))
	b.must(b.Engine.Close())
	b.Open() // nothing of the records is remembered
	before := b.HSM.Calls()
	for range 3 {
		for _, k := range []string{wrong, nobodys, other[:len(other)-1], "mk_", ""} {
			if b.opens(k) {
				t.Fatal("a wrong key opened")
			}
		}
	}
	if n := b.HSM.Calls() - before; n != 0 {
		t.Errorf("%d calls of the HSM", n)
	}
	if !b.opens(key) || b.HSM.Calls() == before {
		t.Error("a right key is believed without the HSM")
	}
}

// Clause 5.27: a thief who writes his own key into a client's record gains
// nothing: the key fits, and the record does not fit its MAC.
func TestClause5_27_AKeyWrittenIntoTheRecordOpensNothing(t *testing.T) {
	b := bank{banktest.New(t), t}
	c, key := b.client(parties.Admin)
	now := b.Clock.Now()
	mine, entry := parties.NewKey(c.ID, now, now.Add(time.Hour))
	stored, err := b.Engine.Client(t.Context(), c.ID)
	b.must(err)
	stored.Keys, stored.Version = append(stored.Keys, entry), stored.Version+1
	d, err := b.Audit.Draft(t.Context(), audit.Event{Name: "thief", Outcome: "done", Detail: 1})
	b.must(err)
	_, err = b.Engine.Settle(t.Context(), settle.Command{Effects: []settle.Effect{parties.SaveClient{Client: stored}}, Entries: []audit.Draft{d}})
	b.must(err)
	for _, k := range []string{mine, key} {
		if _, err := b.Parties.Authenticate(t.Context(), k); !problem.Is(err, problem.Unavailable) {
			t.Errorf("it answered %v", err)
		}
		if _, err := b.Parties.Remembered(mine); err == nil {
			t.Error("the thief's key is remembered")
		}
	}
	if n := b.Count("incident.opened", "", "record.tampered"); n != 1 {
		t.Errorf("%d incidents", n)
	}
}

// Clause 5.3.4: a client changes over from one key to the next without a gap, and
// a key that was ended opens nothing any more.
func TestClause5_3_4_AClientChangesItsKey(t *testing.T) {
	b := bank{banktest.New(t), t}
	c, old := b.client(parties.Frontend)
	k, next, err := b.addKey(c.ID)
	b.must(err)
	if !b.opens(old) || !b.opens(next) {
		t.Error("both are valid")
	}
	if _, _, err := b.addKey(c.ID); !problem.Is(err, problem.Conflict) {
		t.Errorf("a third key: %v", err)
	}
	b.must(b.Parties.EndKey(t.Context(), b.Staff(), c.ID, c.Keys[0].ID()))
	if b.opens(old) || !b.opens(next) {
		t.Error("the old one has ended, the new one not")
	}
	if err := b.Parties.EndKey(t.Context(), b.Staff(), c.ID, c.Keys[0].ID()); !problem.Is(err, problem.NotFound) {
		t.Errorf("ended twice: %v", err)
	}
	third, _, err := b.addKey(c.ID)
	b.must(err)
	b.Clock.Forward(3 * time.Hour)
	if b.opens(next) {
		t.Error("an expired key opens")
	}
	if _, _, err := b.addKey(c.ID); err != nil {
		t.Errorf("expired keys do not count: %v", err)
	}
	now, err := b.Store.Client(t.Context(), c.ID)
	b.must(err)
	if len(now.Keys) != 1 || third.ID() == k.ID() || !ident.Valid("ck", k.ID()) {
		t.Errorf("%d keys are kept", len(now.Keys))
	}
	if a, e := b.Count("client.key-added", "added", ""), b.Count("client.key-ended", "ended", ""); a != 3 || e != 1 {
		t.Errorf("%d added, %d ended in the log", a, e)
	}
	if _, _, err := b.addKey(ident.New("cl")); !problem.Is(err, problem.NotFound) {
		t.Errorf("nobody's key: %v", err)
	}
	if _, _, _, err := b.Parties.AddKey(t.Context(), parties.AddKeyCommand{Caller: b.Staff(), Client: c.ID, Life: -1}); !problem.Is(err, problem.Invalid) {
		t.Errorf("a negative life: %v", err)
	}
}

// Clause 5.3.4: a client that was ended is nobody at once, also while the HSM is
// away.
func TestClause5_3_4_AnEndedClientIsNobody(t *testing.T) {
	b := bank{banktest.New(t), t}
	c, key := b.client(parties.Frontend)
	if !b.opens(key) {
		t.Fatal("before its end")
	}
	b.must(b.Parties.EndClient(t.Context(), b.Staff(), c.ID))
	if b.opens(key) {
		t.Error("it is let in")
	}
	b.HSM.FailAll(&hsm.Fault{Class: hsm.ClassDevice})
	if _, err := b.Parties.Remembered(key); err == nil {
		t.Error("it is remembered")
	}
	b.HSM.Heal()
	if _, _, err := b.addKey(c.ID); !problem.Is(err, problem.Conflict) {
		t.Errorf("a new key after the end: %v", err)
	}
	if err := b.Parties.EndClient(t.Context(), b.Staff(), c.ID); !problem.Is(err, problem.Conflict) {
		t.Errorf("ended twice: %v", err)
	}
	if b.Count("client.ended", "ended", "") != 1 {
		t.Error("no evidence")
	}
}

// The last administrator stays, however he or his last key is ended; two who end
// each other at the same moment do not both succeed.
func TestClause5_3_6_TheLastAdministratorStays(t *testing.T) {
	b := bank{banktest.New(t), t}
	by := parties.Caller{Kind: "client", ID: "cl_x", Roles: []parties.Role{parties.Admin}}
	a, _ := b.client(parties.Admin)
	b.client(parties.Frontend)
	expired, _, err := b.Parties.CreateClient(t.Context(), parties.CreateClientCommand{Caller: by, Name: "e", Roles: []parties.Role{parties.Admin}, Life: time.Second})
	b.must(err)
	b.Clock.Forward(time.Minute)
	end := func(by parties.Caller, id string) error { return b.Parties.EndClient(t.Context(), by, id) }
	if err := end(by, a.ID); !problem.Is(err, problem.Conflict) {
		t.Errorf("the last one: %v", err)
	}
	if err := b.Parties.EndKey(t.Context(), by, a.ID, a.Keys[0].ID()); !problem.Is(err, problem.Conflict) {
		t.Errorf("his last key: %v", err)
	}
	k, _, err := b.addKey(a.ID)
	b.must(err)
	b.must(b.Parties.EndKey(t.Context(), by, a.ID, k.ID())) // one of two
	b.must(end(by, expired.ID))                             // he administers nothing any more
	for range 10 {
		c, _ := b.client(parties.Admin)
		ids := []string{a.ID, c.ID}
		errs := make([]error, 2)
		var all sync.WaitGroup
		for i := range ids {
			all.Go(func() { errs[i] = end(by, ids[i]) })
		}
		all.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("both: %v", errs)
		}
		if errs[0] == nil {
			a = c
		}
	}
	host := parties.Caller{Kind: "host", ID: "host:root", Roles: []parties.Role{parties.Admin}}
	if err := end(host, a.ID); err != nil {
		t.Errorf("on the host: %v", err)
	}
}

func (b bank) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}
