package doctor_test

import (
	"os"
	"slices"
	"testing"
	"time"

	"mohur/agent"
	"mohur/agent/doctor"
	"mohur/agent/pkcs11"
	"mohur/agent/words"
	"mohur/authn/pkitest"
	"mohur/cardtest"
)

// TestMain: the test's own binary is the child.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == pkcs11.ChildArgument {
		os.Exit(pkcs11.Child(os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

// A real pcscd, OpenSC and a virtual card (a process has one pcscd, so all of it is one
// test), from the plug to the last try. The doctor
// spends none.
func TestDoctorAtARealCard(t *testing.T) {
	stack := cardtest.NewStack(t)
	t.Setenv("PCSCLITE_CSOCK_NAME", stack.Socket())
	d, _ := patient(t)
	d.Root = ""
	opensc := &agent.Devices{Catalog: d.Catalog, Modules: []string{cardtest.OpenSC(t)}, Runner: pkcs11.Runner{Deadline: 30 * time.Second}}
	d.Cards = opensc
	look := func(level doctor.Level, code string) doctor.Finding {
		t.Helper()
		r := d.Examine(t.Context())
		i := slices.IndexFunc(r.Findings, func(f doctor.Finding) bool { return f.Code == code })
		if i < 0 || r.Findings[i].Level != level {
			t.Fatalf("not found: %s %s\n%s", level, code, r.Text(words.EN))
		}
		return r.Findings[i]
	}
	look(doctor.OK, "service-good")
	look(doctor.Warn, "reader-empty")

	ca := pkitest.Root(t, "CA")
	issue := func(s cardtest.Settings, changes ...pkitest.Change) *cardtest.Card {
		t.Helper()
		p := ca.Card(t, "AZE1", append(changes, pkitest.Kind("P-256"))...)
		c := cardtest.New(s)
		c.Put(cardtest.Authentication, p.Key, p.Raw)
		return c
	}
	card := issue(cardtest.Settings{ATR: cardtest.YubiKey})
	stack.Insert(card)
	for _, code := range []string{"card-good", "module-good", "token", "pin-left", "certificate"} {
		look(doctor.OK, code)
	}
	// pcscd switches a card off that nobody uses: each time its application is selected anew.
	wrong := func(c *cardtest.Card) {
		c.Exchange([]byte{0, 0xA4, 4, 0, 11, 0xA0, 0, 0, 3, 8, 0, 0, 0x10, 0, 1, 0})
		c.Exchange(append([]byte{0, 0x20, 0, 0x80, 8}, "000000\xff\xff"...))
	}
	wrong(card)
	wrong(card)
	if left, _ := card.Tries(); left != 1 {
		t.Fatalf("%d tries left", left)
	}
	look(doctor.Warn, "pin-last")
	if left, _ := card.Tries(); left != 1 {
		t.Fatal("the doctor spent a try")
	}
	wrong(card)
	look(doctor.Fault, "pin-locked")

	stack.Insert(issue(cardtest.Settings{}, pkitest.Dates(time.Now().AddDate(-2, 0, 0), time.Now().AddDate(0, 0, -1))))
	look(doctor.Warn, "card-unknown")
	look(doctor.Fault, "certificate-expired")

	// An ACOS5 without its vendor's module.
	d.Cards = &agent.Devices{Catalog: d.Catalog, Runner: opensc.Runner}
	stack.Insert(issue(cardtest.Settings{ATR: cardtest.ACOS5}))
	look(doctor.OK, "card-good")
	look(doctor.Fault, "module-missing")

	stack.Stop()
	look(doctor.Fault, "service-stopped")
}
