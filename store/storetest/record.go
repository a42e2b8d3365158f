package storetest

import (
	"testing"

	"mohur/authn"
	"mohur/authn/pin"
	"mohur/enrollment"
	"mohur/incident"
	"mohur/parties"
	"mohur/payment"
	"mohur/settle"
	"mohur/tokens"
)

// saved is a sort of record with versions: how one is saved, and how it is
// found again, as an any to be compared.
type saved struct {
	name string
	save func(id string, version uint64) settle.Effect
	rec  func(id string, version uint64) any
	read func(t *testing.T, s Store, id string) (any, error)
}

func kind[T any](name string, rec func(string, uint64) T, save func(T) settle.Effect, read func(*testing.T, Store, string) (T, error)) saved {
	return saved{
		name: name,
		save: func(id string, v uint64) settle.Effect { return save(rec(id, v)) },
		rec:  func(id string, v uint64) any { return rec(id, v) },
		read: func(t *testing.T, s Store, id string) (any, error) { return read(t, s, id) },
	}
}

var kinds = []saved{
	kind("customer", customer, func(r parties.Customer) settle.Effect { return parties.SaveCustomer{Customer: r} },
		func(t *testing.T, s Store, id string) (parties.Customer, error) { return s.Customer(t.Context(), id) }),
	kind("client", client, func(r parties.Client) settle.Effect { return parties.SaveClient{Client: r} },
		func(t *testing.T, s Store, id string) (parties.Client, error) { return s.Client(t.Context(), id) }),
	kind("token", token, func(r tokens.Token) settle.Effect { return tokens.SaveToken{Token: r} },
		func(t *testing.T, s Store, id string) (tokens.Token, error) { return s.Token(t.Context(), id) }),
	kind("import", importRecord, func(r tokens.Import) settle.Effect { return tokens.SaveImport{Import: r} },
		func(t *testing.T, s Store, id string) (tokens.Import, error) { return s.Import(t.Context(), id) }),
	kind("PIN", pinRecord, func(r pin.Record) settle.Effect { return pin.Save{Record: r} },
		func(t *testing.T, s Store, id string) (pin.Record, error) { return s.PIN(t.Context(), id) }),
	kind("attempt", attempt, func(r authn.Attempt) settle.Effect { return authn.SaveAttempt{Attempt: r} },
		func(t *testing.T, s Store, id string) (authn.Attempt, error) { return s.Attempt(t.Context(), id) }),
	kind("session", session, func(r authn.Session) settle.Effect { return authn.SaveSession{Session: r} },
		func(t *testing.T, s Store, id string) (authn.Session, error) { return s.Session(t.Context(), id) }),
	kind("transaction", transaction, func(r payment.Transaction) settle.Effect { return payment.SaveTransaction{Transaction: r} },
		func(t *testing.T, s Store, id string) (payment.Transaction, error) {
			return s.Transaction(t.Context(), id)
		}),
	kind("secret", secret, func(r enrollment.Secret) settle.Effect { return enrollment.SaveSecret{Secret: r} }, findSecret),
	kind("incident", incidentRecord, func(r incident.Incident) settle.Effect { return incident.Save{Incident: r} }, findIncident),
}

func findSecret(t *testing.T, s Store, id string) (enrollment.Secret, error) {
	list, err := s.OpenSecrets(t.Context(), "cu-1", "activate", "tk-1")
	for _, r := range list {
		if r.ID == id {
			return r, err
		}
	}
	if err == nil {
		err = parties.ErrNotFound
	}
	return enrollment.Secret{}, err
}

func findIncident(t *testing.T, s Store, id string) (incident.Incident, error) {
	list, _, err := s.Incidents(t.Context(), "", 200)
	for _, r := range list {
		if r.ID == id {
			return r, err
		}
	}
	if err == nil {
		err = parties.ErrNotFound
	}
	return incident.Incident{}, err
}

// testRecords: a version is written over the one before it, and never over
// another; the first one never over anything.
func testRecords(t *testing.T, s Store) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) { testVersions(t, s, k) })
	}
}

func testVersions(t *testing.T, s Store, k saved) {
	_, err := k.read(t, s, "id-1")
	absent(t, "before it was saved", err)
	want(t, s, settle.Stale, k.save("id-1", 2))
	want(t, s, settle.Done, k.save("id-1", 1))
	want(t, s, settle.Exists, k.save("id-1", 1))
	want(t, s, settle.Stale, k.save("id-1", 3))
	want(t, s, settle.Done, k.save("id-1", 2))
	want(t, s, settle.Stale, k.save("id-1", 2))
	want(t, s, settle.Exists, k.save("id-1", 1))
	want(t, s, settle.Done, k.save("id-2", 1))
	refused(t, s, command(k.save("id-3", 0)))
	refused(t, s, command(k.save("", 1)))

	got, err := k.read(t, s, "id-1")
	same(t, "as saved last", got, err, k.rec("id-1", 2))
	got, err = k.read(t, s, "id-2")
	same(t, "the other one", got, err, k.rec("id-2", 1))
	_, err = k.read(t, s, "id-3")
	absent(t, "refused", err)
	_, err = k.read(t, s, "")
	absent(t, "no id", err)
}

// testRequired: what is required of a record is that very version, and nothing
// is changed by it.
func testRequired(t *testing.T, s Store) {
	for what, c := range map[string]struct {
		save    func(version uint64) settle.Effect
		require func(id string, version uint64) settle.Effect
	}{
		"customer": {
			func(v uint64) settle.Effect { return parties.SaveCustomer{Customer: customer("r", v)} },
			func(id string, v uint64) settle.Effect { return parties.RequireCustomer{ID: id, Version: v} },
		},
		"client": {
			func(v uint64) settle.Effect { return parties.SaveClient{Client: client("r", v)} },
			func(id string, v uint64) settle.Effect { return parties.RequireClient{ID: id, Version: v} },
		},
		"session": {
			func(v uint64) settle.Effect { return authn.SaveSession{Session: session("r", v)} },
			func(id string, v uint64) settle.Effect { return authn.RequireSession{ID: id, Version: v} },
		},
	} {
		t.Run(what, func(t *testing.T) {
			want(t, s, settle.Stale, c.require("r", 0))
			want(t, s, settle.Stale, c.require("r", 1))
			want(t, s, settle.Done, c.save(1))
			want(t, s, settle.Done, c.require("r", 1))
			want(t, s, settle.Stale, c.require("r", 0))
			want(t, s, settle.Stale, c.require("r", 2))
			want(t, s, settle.Stale, c.require("", 1))
			want(t, s, settle.Stale, settle.Reserve{Key: what, Amount: 1, Ceiling: 9}, c.require("r", 2))
			sum(t, s, what, epoch, 0)
			want(t, s, settle.Done, c.require("r", 1), c.save(2), c.require("r", 2))
			want(t, s, settle.Stale, c.require("r", 2), c.save(3), c.require("r", 2))
			want(t, s, settle.Done, c.require("r", 2))
		})
	}
}
