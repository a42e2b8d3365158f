package api_test

import (
	"testing"
	"time"

	"mohur/api"
	"mohur/authn"
	"mohur/authn/pin"
	"mohur/banktest"
	"mohur/hsm"
	"mohur/parties"
	paying "mohur/payment"
	"mohur/seal"
	records "mohur/store/bound"
	"mohur/tokens/pskc"
)

// node is another server of the same bank: it has the store and the HSM in common with the
// first, and services with memories of its own.
func (w *world) node() *world {
	w.T.Helper()
	b := w.Bank
	m := hsm.NewRecall(b.HSM, 64)
	keys := &seal.Keyring{HSM: b.HSM, Now: b.Clock.Now}
	store := &records.Store{Engine: b.Disk, HSM: m, Audit: b.Audit, Now: b.Clock.Now}
	logins := &authn.Service{
		Store: store, Settler: store, HSM: m, Keys: keys, Bank: b.Key, Audit: b.Audit, PINs: pin.NewVerifier(m, 2), Policy: b.Authn.Policy, Settings: b.Authn.Settings, Now: b.Clock.Now,
	}
	if err := logins.Start(w.T.Context()); err != nil {
		w.T.Fatal(err)
	}
	payments := &paying.Service{
		Store: store, Settler: store, HSM: m, Keys: keys, Audit: b.Audit, Authn: logins, Policy: b.Payments.Policy, Rates: b.Payments.Rates, Issuer: banktest.Issuer, Zone: b.Payments.Zone, Now: b.Clock.Now,
	}
	logins.Payments = payments
	out := *w
	out.deps.Authn, out.deps.Payments, out.deps.Store = logins, payments, store
	out.deps.Parties = &parties.Service{Store: store, Settler: store, Keys: keys, Audit: b.Audit, Now: b.Clock.Now}
	server, err := api.New(out.deps)
	if err != nil {
		w.T.Fatal(err)
	}
	out.api, out.url = server, serve(w.T, server.Handler(server.APIKeys))
	w.T.Cleanup(server.Wait)
	return &out
}

// What ends a session on one node ends it on the other at its very next use, also after
// that one has used it a moment ago.
func TestAttack06_ASessionIsDeadOnEveryNode(t *testing.T) {
	a := newWorld(t)
	b := a.node()
	front := a.as("frontend")
	for name, end := range map[string]func(c parties.Customer, d *banktest.Device, g object){
		"log-out": func(_ parties.Customer, _ *banktest.Device, g object) {
			a.ask(front, "DELETE", "/v1/sessions/"+g.str("id"), nil).is(204)
		},
		"thrown out": func(c parties.Customer, _ *banktest.Device, _ object) {
			a.ask(a.as("helpdesk"), "DELETE", "/v1/customers/"+c.ID+"/sessions", nil).is(204)
		},
		"4.6 suspension": func(c parties.Customer, _ *banktest.Device, _ object) {
			a.ask(a.as("helpdesk"), "POST", "/v1/customers/"+c.ID+"/suspend", body{"reason": "r", "class": "technical"}).is(200)
		},
		"5.17.3 the report of a loss": func(_ parties.Customer, d *banktest.Device, _ object) {
			a.ask(front, "POST", "/v1/customer-reports", body{"token": "serial:" + d.Serial, "kind": "lost", "channel": "phone", "details": "x"}).is(201)
		},
		"too many sessions": func(c parties.Customer, d *banktest.Device, _ object) {
			for range 5 {
				a.Clock.Forward(time.Second)
				a.login(front, c.ID, d)
			}
		},
		"rotation": func(_ parties.Customer, d *banktest.Device, g object) { a.stepUp(front, g.str("access_token"), d) },
	} {
		c, d := a.Person(pskc.HOTP)
		g := a.login(front, c.ID, d)
		session, token := g.str("id"), g.str("access_token")
		touch := func(w *world) *answer {
			return w.ask(front, "POST", "/v1/sessions/"+session+"/touch", body{"activity": "user"})
		}
		introspect := func(w *world) *answer {
			return w.ask(front, "POST", "/v1/sessions/introspect", body{"access_token": token})
		}
		for _, w := range []*world{a, b} {
			w.Clock.Forward(time.Second)
			touch(w).is(200)
			introspect(w).is(200).has(body{"active": true})
		}
		b.ask(front, "POST", "/v1/transactions", payment("N-"+session, "1.00", token)).is(201)
		end(c, d, g)
		for on, w := range map[string]*world{"the other node": b, "the same node": a} {
			if got := introspect(w); string(got.body) != `{"active":false}` {
				t.Errorf("%s, %s: %s", name, on, got.body)
			}
			if got := touch(w); got.status != 404 {
				t.Errorf("%s, %s: touched, %d %s", name, on, got.status, got.body)
			}
			w.ask(front, "POST", "/v1/transactions", payment("M-"+session, "1.00", token)).refused(403, "session-ended")
			w.ask(front, "POST", "/v1/authentications", body{"purpose": "login", "channel": "internet", "access_token": token}).refused(403, "session-ended")
		}
	}
}

// A touch that was taken while the session lived, and is written after its end, brings
// nothing back, on whatever node and after a restart.
func TestAttack06_ALateTouchRevivesNothing(t *testing.T) {
	a := newWorld(t)
	b := a.node()
	front := a.as("frontend")
	c, d := a.Person(pskc.HOTP)
	out, idle := a.login(front, c.ID, d), a.login(front, c.ID, d)
	for _, g := range []object{out, idle} {
		a.Clock.Forward(time.Second)
		b.ask(front, "POST", "/v1/sessions/"+g.str("id")+"/touch", body{"activity": "user"}).is(200) // in memory only
	}
	a.ask(front, "DELETE", "/v1/sessions/"+out.str("id"), nil).is(204)
	a.Clock.Forward(a.Authn.Settings.Idle)
	dead := func(when string, w *world) {
		t.Helper()
		for name, g := range map[string]object{"logged out": out, "idle": idle} {
			w.ask(front, "POST", "/v1/sessions/"+g.str("id")+"/touch", body{"activity": "user"}).refused(404, "not-found")
			if s := w.ask(front, "GET", "/v1/sessions/"+g.str("id"), nil).is(200); s.str("state") != "ended" {
				t.Errorf("%s, %s: %v", name, when, s.m)
			}
		}
	}
	dead("before the flush", b)
	if _, err := a.Engine.Sweep(t.Context(), a.Clock.Now(), 1000); err != nil {
		t.Fatal(err)
	}
	dead("after the flush", b)
	if err := a.Engine.Close(); err != nil {
		t.Fatal(err)
	}
	a.Open()
	a.start()
	dead("after a restart", a)
}
