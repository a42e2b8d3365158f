package parties_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"mohur/banktest"
	"mohur/parties"
	"mohur/problem"
)

// Clause 5.3.6: roles that must not meet in one hand do not.
func TestClause5_3_6_ExcludingRoles(t *testing.T) {
	for _, v := range []struct {
		roles []parties.Role
		ok    bool
	}{
		{[]parties.Role{parties.Operator}, true},
		{[]parties.Role{parties.Operator, parties.Helpdesk}, true},
		{[]parties.Role{parties.Operator, parties.Supervisor}, false},
		{[]parties.Role{parties.Security, parties.Custodian}, false},
		{[]parties.Role{parties.Auditor}, true},
		{[]parties.Role{parties.Auditor, parties.Helpdesk}, false},
		{[]parties.Role{parties.Frontend, parties.Auditor}, false},
		{[]parties.Role{parties.Frontend, parties.Core}, true},
	} {
		if _, _, ok := parties.Compatible(v.roles); ok != v.ok {
			t.Errorf("%v: %v", v.roles, ok)
		}
	}
	b := banktest.New(t)
	by := parties.Caller{ID: "a", Roles: []parties.Role{parties.Admin}}
	_, _, err := b.Parties.CreateClient(t.Context(), parties.CreateClientCommand{Caller: by, Name: "both", Roles: []parties.Role{parties.Operator, parties.Supervisor}})
	if !problem.Is(err, problem.Invalid) {
		t.Errorf("a client with excluding roles: %v", err)
	}
}

// Clause 5.3.4: an API key opens its own client, while it lives, and no other.
func TestClause5_3_4_AnAPIKeyIsItsClients(t *testing.T) {
	b := banktest.New(t)
	by := parties.Caller{ID: "a", Roles: []parties.Role{parties.Admin}}
	c, key, err := b.Parties.CreateClient(t.Context(), parties.CreateClientCommand{Caller: by, Name: "front", Roles: []parties.Role{parties.Frontend}, Life: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Channels) != 3 {
		t.Errorf("channels %v", c.Channels)
	}
	_, other, err := b.Parties.CreateClient(t.Context(), parties.CreateClientCommand{Caller: by, Name: "other", Roles: []parties.Role{parties.Frontend}})
	if err != nil {
		t.Fatal(err)
	}
	who, err := b.Parties.Authenticate(t.Context(), key)
	if err != nil || who.ID != c.ID || !who.Has(parties.Frontend) || who.Has(parties.Admin) {
		t.Fatalf("%+v, %v", who, err)
	}
	cut := strings.LastIndex(key, "_")
	for name, k := range map[string]string{
		"none": "", "another prefix": "xx" + key[2:], "cut": key[:len(key)-1], "longer": key + "A", "another's secret": key[:cut] + other[strings.LastIndex(other, "_"):],
		"no secret": key[:cut+1], "spaces": " " + key,
	} {
		if _, err := b.Parties.Authenticate(t.Context(), k); !problem.Is(err, problem.Unauthorized) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b.Clock.Forward(time.Hour)
	if _, err := b.Parties.Authenticate(t.Context(), key); !problem.Is(err, problem.Unauthorized) {
		t.Errorf("after its end: %v", err)
	}
	if _, err := b.Parties.Authenticate(t.Context(), other); err != nil {
		t.Errorf("another key in its life: %v", err)
	}
}

// Clauses 4.1 and 4.3.4: nobody is a customer without a contract and without
// having been identified.
func TestClause4_1_ACustomerHasAContract(t *testing.T) {
	b := banktest.New(t)
	put := func(spoil func(*parties.PutCommand)) error {
		cmd := parties.PutCommand{
			Caller: b.Staff(), ID: "C-1", Profile: parties.Profile{Name: "Ə"}, Locale: "az", Segment: "retail", ContractRef: "K", ContractVersion: "1", KYCRef: "V",
		}
		spoil(&cmd)
		_, _, err := b.Parties.Put(t.Context(), cmd, nil)
		return err
	}
	for name, spoil := range map[string]func(*parties.PutCommand){
		"contract_ref":     func(c *parties.PutCommand) { c.ContractRef = "" },
		"contract_version": func(c *parties.PutCommand) { c.ContractVersion = "" },
		"kyc_ref":          func(c *parties.PutCommand) { c.KYCRef = "" },
		"locale":           func(c *parties.PutCommand) { c.Locale = "de" },
		"segment":          func(c *parties.PutCommand) { c.Segment = "" },
		"name":             func(c *parties.PutCommand) { c.Profile.Name = "" },
		"id":               func(c *parties.PutCommand) { c.ID = "a b" },
	} {
		if err := put(spoil); !problem.Is(err, problem.Invalid) || !strings.Contains(err.Error(), name+":") {
			t.Errorf("without %s: %v", name, err)
		}
	}
	if err := put(func(*parties.PutCommand) {}); err != nil {
		t.Fatal(err)
	}
	if err := put(func(c *parties.PutCommand) { c.Profile.Phone = "+994" }); !problem.Is(err, problem.ProofRequired) {
		t.Errorf("another's contacts: %v", err)
	}
}

// Clause 4.6: who is suspended is out; coming back has evidence too (4.7).
func TestClause4_6_SuspendAndResume(t *testing.T) {
	b := banktest.New(t)
	c := b.Customer()
	if _, err := b.Parties.SetState(t.Context(), b.Staff(), c.ID, parties.CustomerSuspended, "", true); !problem.Is(err, problem.Invalid) {
		t.Errorf("without a reason: %v", err)
	}
	for _, to := range []parties.CustomerState{parties.CustomerSuspended, parties.CustomerActive} {
		if _, err := b.Parties.SetState(t.Context(), b.Staff(), c.ID, to, "breach of the rules", true); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Parties.SetState(t.Context(), desk(b), c.ID, to, "again", true); !problem.Is(err, problem.Conflict) {
			t.Errorf("twice %s: %v", to, err)
		}
	}
	notices, err := b.Store.Notices(t.Context(), 10)
	if err != nil || len(notices) != 2 || notices[0].Kind != "customer-suspended" || notices[1].Kind != "customer-active" {
		t.Errorf("notices %+v, %v", notices, err)
	}
	if _, err := b.Parties.SetState(t.Context(), b.Staff(), c.ID, parties.CustomerSuspended, "no tip-off", false); err != nil {
		t.Fatal(err)
	}
	if notices, err = b.Store.Notices(t.Context(), 10); err != nil || len(notices) != 2 {
		t.Errorf("a notice held back was queued: %v", err)
	}
	if b.Count("customer.suspended", "suspended", "") != 2 || b.Count("customer.resumed", "active", "") != 1 {
		t.Error("no evidence")
	}
}

// Clause 5.3.1: the store's file names nobody.
func TestClause5_3_1_TheStoreNamesNobody(t *testing.T) {
	b := banktest.New(t)
	c := b.Customer()
	p, err := b.Parties.Profile(t.Context(), c)
	if err != nil || p.Name == "" {
		t.Fatal(err)
	}
	if err := b.Engine.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(b.Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{p.Name, p.Phone, p.Email, "Məmmədova"} {
		if bytes.Contains(raw, []byte(secret)) {
			t.Errorf("the file contains %q", secret)
		}
	}
	b.Open()
}
