package enrollment_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"mohur/authn/fido"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/hsm"
	"mohur/parties"
	"mohur/problem"
	"mohur/tokens"
)

// serialsOf is a list with n serials.
func serialsOf(prefix string, n int) []byte {
	var list bytes.Buffer
	list.WriteString("serial,manufacturer,model\n")
	for i := range n {
		fmt.Fprintf(&list, "%s%04d,Acme,Acme Key 5\n", prefix, i)
	}
	return list.Bytes()
}

// stocked imports a list of FIDO2 keys.
func stocked(t *testing.T, b *banktest.Bank, list []byte) tokens.Import {
	t.Helper()
	job := runs(t, b, list, enrollment.ImportCommand{Format: enrollment.FormatSerials, Profile: tokens.FIDOProfile, Batch: "2026-11", Branch: "B1"})
	if job.State != tokens.ImportCompleted {
		t.Fatalf("%+v", job)
	}
	return job
}

// handed brings a token from stock into a customer's hands.
func handed(t *testing.T, b *banktest.Bank, serial, customer string) tokens.Token {
	t.Helper()
	tk := tokens.Token{}
	for _, m := range []enrollment.MoveCommand{{Move: tokens.Assign, Customer: customer}, {Move: tokens.Ship}, {Move: tokens.Deliver}} {
		m.Caller, m.Token = b.Staff(), "serial:"+serial
		var err error
		if tk, err = b.Enrollment.Move(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	return tk
}

// asks begins the enrolment of a key on a token.
func asks(t *testing.T, b *banktest.Bank, customer, token string) (enrollment.PendingKey, error) {
	t.Helper()
	sent, err := b.Enrollment.SendSecret(t.Context(), enrollment.SecretCommand{Caller: b.Staff(), Customer: customer, Purpose: "enroll", Channel: "email"})
	if err != nil {
		t.Fatal(err)
	}
	return b.Enrollment.BeginKey(t.Context(), enrollment.KeyCommand{Caller: b.Front(), Customer: customer, Token: token, Proof: enrollment.Proof{ActivationSecret: sent.Text}})
}

func TestClause5_20_KeysComeIntoStockBySerial(t *testing.T) {
	b := banktest.New(t)
	b.Enrollment.Development = false // there is no secret in it that would have to be encrypted
	list := append(serialsOf("K", 450), "K0007,Acme\nK 1\nK0008,Other\n"...)
	job := stocked(t, b, list)
	if job.Format != "serials" || job.Total != 453 || job.Imported != 451 || job.Rejected != 2 || len(job.Warnings) != 0 {
		t.Fatalf("%+v", job)
	}
	if r := job.Rejections; r[0].Serial != "K0007" || !strings.Contains(r[0].Reason, "twice") || !strings.Contains(r[1].Reason, "serial number is not") {
		t.Errorf("%+v", r)
	}
	tk, err := b.Enrollment.Token(t.Context(), "serial:K0449")
	if err != nil || tk.State != tokens.InStock || tk.Profile != tokens.FIDOProfile || tk.Manufacturer != "Acme" || tk.Model != "Acme Key 5" ||
		tk.Batch != "2026-11" || tk.Branch != "B1" || tk.Import != job.ID || len(tk.Credentials) != 0 || tk.History[0].By != "cl_staff" {
		t.Errorf("%+v, %v", tk, err)
	}
	if b.Count("token.import", "in_stock", "") != 3 || b.Count("import.completed", "", "") != 1 {
		t.Error("no evidence")
	}
	again := stocked(t, b, list)
	if again.Imported != 0 || again.Rejected != 453 || again.ID == job.ID {
		t.Errorf("%+v", again)
	}
	if all, err := b.Store.TokensBySerial(t.Context(), "K0001"); err != nil || len(all) != 1 {
		t.Errorf("%d, %v", len(all), err)
	}
}

// A list goes with a model that has no seeds, and seeds never go with such a model.
func TestClause5_20_ListsAndSeedsAreNotMixedUp(t *testing.T) {
	b := banktest.New(t)
	begin := func(doc []byte, cmd enrollment.ImportCommand) error {
		cmd.Caller, cmd.File = b.Staff(), bytes.NewReader(doc)
		_, err := b.Enrollment.BeginImport(t.Context(), &cmd)
		return err
	}
	list := serialsOf("K", 2)
	for field, cmd := range map[string]enrollment.ImportCommand{
		"profile":       {Format: "serials"},
		"profile ":      {Format: "serials", Profile: "oath-pin"},
		"profile  ":     {Format: "auto", Profile: "oath"},
		"transport_key": {Format: "serials", Profile: tokens.FIDOProfile, Password: []byte("x")},
	} {
		var p *problem.Error
		if err := begin(list, cmd); !errors.As(err, &p) || len(p.Fields) != 1 || p.Fields[0].Field != strings.TrimSpace(field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	bare := bytes.TrimPrefix(list, []byte("serial,manufacturer,model\n"))
	if job := runs(t, b, bare, enrollment.ImportCommand{Profile: tokens.FIDOProfile}); job.State != tokens.ImportFailed || !strings.Contains(job.Error, "not recognised") {
		t.Errorf("a list that does not say what it is: %+v", job)
	}
	if job := runs(t, b, list, enrollment.ImportCommand{Profile: tokens.FIDOProfile}); job.State != tokens.ImportCompleted || job.Format != "serials" || job.Imported != 2 {
		t.Errorf("a list that says so: %+v", job)
	}
	seeds := []byte("OC-1,3132333435363738393031323334353637383930,hotp,6\n")
	if job := runs(t, b, seeds, enrollment.ImportCommand{Profile: tokens.FIDOProfile}); job.Imported != 0 || job.Rejected != 1 {
		t.Errorf("seeds: %+v", job)
	}
}

// An import that was cut off brings every device in once.
func TestAListIsGoneOnWith(t *testing.T) {
	b := banktest.New(t)
	list := serialsOf("K", 500)
	cmd := enrollment.ImportCommand{Caller: b.Staff(), File: bytes.NewReader(list), Format: "serials", Profile: tokens.FIDOProfile}
	job, err := b.Enrollment.BeginImport(t.Context(), &cmd)
	if err != nil {
		t.Fatal(err)
	}
	b.HSM.FailAt(2, &hsm.Fault{Class: hsm.ClassDevice, Op: "test"}) // one visit a chunk: in the second
	cut, err := b.Enrollment.RunImport(t.Context(), cmd, job)
	if err != nil || cut.State != tokens.ImportFailed || cut.Imported != 200 {
		t.Fatalf("%+v, %v", cut, err)
	}
	done := runs(t, b, list, enrollment.ImportCommand{Format: "serials", Profile: tokens.FIDOProfile})
	if done.ID != job.ID || done.Imported != 500 || done.Rejected != 0 || b.Count("import.resumed", "", "") != 1 {
		t.Errorf("%+v", done)
	}
	all, _, err := b.Store.Tokens(t.Context(), tokens.Filter{}, "", 600)
	if err != nil || len(all) != 500 {
		t.Errorf("%d tokens, %v", len(all), err)
	}
}

// enterprise is a bank that enrols only keys it has handed out, with a maker whose
// keys name their serials.
func enterprise(t *testing.T) (*banktest.Bank, *banktest.Alliance, func() *banktest.Key) {
	t.Helper()
	b := banktest.New(t)
	a := b.NewAlliance()
	model := fido.AAGUID{1, 2, 3}
	a.Publish(1, banktest.Model{AAGUID: model, Statuses: []string{"FIDO_CERTIFIED_L1"}})
	l := a.Loader()
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.AllowKeys(enrollment.FIDO{Metadata: l.Current, Policy: fido.Policy{MinimumLevel: "L1", Enterprise: fido.Enterprise{Required: true, From: "sernum", As: "hex"}}})
	return b, a, func() *banktest.Key {
		k := b.NewKey()
		k.Auth.Aaguid = model
		return k
	}
}

// The whole life of a key that the bank bought: from a list into stock, to a
// customer, and enrolled by him only, with the very device he was handed.
func TestClause4_3_2_AKeyFromStockIsEnrolled(t *testing.T) {
	b, a, newKey := enterprise(t)
	stocked(t, b, []byte("serial,manufacturer,model\n0a0b01,Acme,Key\n0a0b02,Acme,Key\n0a0b03,Acme,Key\n0a0b04,Acme,Key\n0a0b04,Other,Key\n"))
	c, other := b.Customer(), b.Customer()
	mine, his := handed(t, b, "0a0b01", c.ID), handed(t, b, "0a0b02", other.ID)

	refused := func(name, customer, token, reason string, serial []byte) {
		t.Helper()
		event, before := "token.activation", b.Count("", "refused", reason)
		p, err := asks(t, b, customer, token)
		if err == nil {
			k := newKey()
			_, err = finish(t, b, p.ID, a.Attest(k, p.PublicKey, serial))
			if logsIn(t, b, customer, k) {
				t.Errorf("%s: it logs in", name)
			}
		} else {
			event = "token.enroll"
		}
		if !problem.Is(err, problem.AuthenticationFailed) || b.Count(event, "refused", reason) != before+1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	refused("another customer's device", c.ID, mine.ID, "serial-not-handed-out", []byte{0x0a, 0x0b, 0x02})
	refused("a device handed to nobody", c.ID, mine.ID, "serial-not-handed-out", []byte{0x0a, 0x0b, 0x03})
	refused("a device that is not the bank's", c.ID, mine.ID, "serial-not-handed-out", []byte{0x0a, 0x0b, 0x09})
	// Each of these ends none of the others: five on one registration would.
	refused("a device without a serial", c.ID, mine.ID, string(fido.SerialMissing), nil)
	refused("another customer's token", c.ID, his.ID, "token-not-handed-out", []byte{0x0a, 0x0b, 0x02})
	inStock, err := b.Enrollment.Token(t.Context(), "serial:0a0b03")
	if err != nil {
		t.Fatal(err)
	}
	refused("a token in stock", c.ID, inStock.ID, "token-not-handed-out", []byte{0x0a, 0x0b, 0x03})

	k := newKey()
	p, err := asks(t, b, c.ID, mine.ID)
	if err != nil || !strings.Contains(string(p.PublicKey), `"attestation":"enterprise"`) {
		t.Fatalf("%s, %v", p.PublicKey, err)
	}
	got, err := finish(t, b, p.ID, a.Attest(k, p.PublicKey, []byte{0x0a, 0x0b, 0x01}))
	if err != nil || got.ID != mine.ID || got.State != tokens.Active || got.Serial != "0a0b01" || len(got.Credentials) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	if !logsIn(t, b, c.ID, k) {
		t.Error("it does not log in")
	}
	if _, err := b.Enrollment.Report(t.Context(), b.Front(), "serial:0a0b01", "lost", ""); err != nil || logsIn(t, b, c.ID, k) {
		t.Errorf("reported lost: %v", err)
	}

	// A serial of two makers names neither device.
	twins, err := b.Store.TokensBySerial(t.Context(), "0a0b04")
	if err != nil || len(twins) != 2 {
		t.Fatalf("%d, %v", len(twins), err)
	}
	for _, m := range []enrollment.MoveCommand{{Move: tokens.Assign, Customer: other.ID}, {Move: tokens.Deliver}} {
		m.Caller, m.Token = b.Staff(), twins[0].ID
		if _, err := b.Enrollment.Move(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	refused("a serial of two", other.ID, twins[0].ID, "serial-of-two", []byte{0x0a, 0x0b, 0x04})
}

// A key that comes back is wiped and filled anew: by the same list it is in stock
// again, the old credential is dead, and the device enrols for its next customer
// with a new one only.
func TestClause5_20_AKeyFromStockComesBack(t *testing.T) {
	b, a, newKey := enterprise(t)
	list := []byte("serial\n0c01\n")
	stocked(t, b, list)
	enrol := func(c parties.Customer, k *banktest.Key) error {
		tk := handed(t, b, "0c01", c.ID)
		p, err := asks(t, b, c.ID, tk.ID)
		if err != nil {
			t.Fatal(err)
		}
		_, err = finish(t, b, p.ID, a.Attest(k, p.PublicKey, []byte{0x0c, 0x01}))
		return err
	}
	back := func() {
		for _, m := range []tokens.Move{tokens.Revoke, tokens.Return, tokens.Wipe} {
			if _, err := b.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: b.Staff(), Token: "serial:0c01", Move: m, Reason: "r"}); err != nil {
				t.Fatal(err)
			}
		}
		if job := stocked(t, b, list); job.Imported != 1 {
			t.Fatalf("%+v", job)
		}
	}
	first, second, k := b.Customer(), b.Customer(), newKey()
	if err := enrol(first, k); err != nil {
		t.Fatal(err)
	}
	back()
	if logsIn(t, b, first.ID, k) {
		t.Error("the old credential logs in")
	}
	if err := enrol(second, k); !problem.Is(err, problem.AuthenticationFailed) || b.Count("", "refused", "already-enrolled") != 1 {
		t.Errorf("a device that was not reset: %v", err)
	}
	back()
	fresh := newKey()
	if err := enrol(second, fresh); err != nil || !logsIn(t, b, second.ID, fresh) || logsIn(t, b, first.ID, fresh) {
		t.Errorf("reset: %v", err)
	}
}

// Two lists at once with the same serials: each device is one token, whoever comes
// first, and the other list is told of it.
func TestAttack08_TwoListsAtOnce(t *testing.T) {
	b := banktest.New(t)
	list := serialsOf("K", 450)
	jobs := make(chan tokens.Import, 2)
	for _, batch := range []string{"B-1", "B-2"} {
		go func() {
			cmd := enrollment.ImportCommand{Caller: b.Staff(), File: bytes.NewReader(list), Format: "serials", Profile: tokens.FIDOProfile, Batch: batch}
			job, err := b.Enrollment.BeginImport(t.Context(), &cmd)
			if err == nil {
				job, err = b.Enrollment.RunImport(t.Context(), cmd, job)
			}
			if err != nil {
				t.Error(err)
			}
			jobs <- job
		}()
	}
	one, two := <-jobs, <-jobs
	if one.State != tokens.ImportCompleted || two.State != tokens.ImportCompleted || one.Imported+two.Imported != 450 || one.Rejected+two.Rejected != 450 {
		t.Fatalf("%+v\n%+v", one, two)
	}
	for i := range 450 {
		if all, err := b.Store.TokensBySerial(t.Context(), fmt.Sprintf("K%04d", i)); err != nil || len(all) != 1 {
			t.Fatalf("%d: %d tokens, %v", i, len(all), err)
		}
	}
}
