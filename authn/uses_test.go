package authn_test

import (
	"bytes"
	"encoding/binary"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mohur/authn"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/parties"
	"mohur/tokens/pskc"
)

// limited is a person with a device whose keys may be used so often.
func limited(b *banktest.Bank, uses uint64, kinds ...pskc.Algorithm) (parties.Customer, *banktest.Device) {
	b.Uses = uses
	defer func() { b.Uses = 0 }()
	return b.Person(kinds...)
}

// noticed counts the notices of a kind.
func noticed(t *testing.T, b *banktest.Bank, kind string) (n int) {
	t.Helper()
	notices, err := b.Store.Notices(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, no := range notices {
		if no.Kind == kind {
			n++
		}
	}
	return n
}

// A key that its maker gave so many uses proves so often and no more (RFC 6030
// section 5): the activation is one, a wrong code is none, a right one beside a wrong
// PIN is one. It is refused like any other, and the customer has been told.
func TestClause5_20_AKeyIsUsedAsOftenAsItsMakerAllows(t *testing.T) {
	for name, kind := range map[string]pskc.Algorithm{"counter": pskc.HOTP, "clock": pskc.TOTP, "question": pskc.OCRA} {
		t.Run(name, func(t *testing.T) {
			b := banktest.New(t)
			c, d := limited(b, 8, kind)
			try := func(pin string, wrong bool) error {
				t.Helper()
				b.Clock.Forward(30 * time.Second)
				v := begin(t, b, c.ID)
				if _, err := answer(t, b, v.Attempt.ID, authn.PIN, pin); err != nil {
					t.Fatal(err)
				}
				method, code := authn.OTP, "000000"
				switch {
				case kind == pskc.OCRA:
					method = authn.OCRA
					if code = "00000000"; !wrong {
						code = d.OCRA(v.Attempt.Offers[0].Question)
					}
				case wrong:
				case kind == pskc.HOTP:
					code = d.HOTP()
				default:
					code = d.TOTP()
				}
				_, err := answer(t, b, v.Attempt.ID, method, code)
				return err
			}
			for n := range 6 { // with the activation 7
				if try(banktest.PIN, true) == nil {
					t.Fatal("a wrong code was taken")
				}
				if err := try(banktest.PIN, false); err != nil {
					t.Fatalf("use %d: %v", n+2, err)
				}
				few := 0
				if n >= 1 { // 3 of 8 used
					few = 1
				}
				if noticed(t, b, "credential-few-uses-left") != few || noticed(t, b, "credential-used-up") != 0 {
					t.Fatalf("after use %d: %d and %d notices", n+2, noticed(t, b, "credential-few-uses-left"), noticed(t, b, "credential-used-up"))
				}
			}
			if err := try("999999", false); !refused(err) || noticed(t, b, "credential-used-up") != 1 {
				t.Fatalf("the last use, with a wrong PIN: %v, %d notices", err, noticed(t, b, "credential-used-up"))
			}
			granted := b.Count("authentication.answered", "granted", "")
			b.ForgetRows()
			for range 3 {
				if err := try(banktest.PIN, false); !refused(err) {
					t.Fatalf("after the last use: %v", err)
				}
			}
			if n := b.Count("authentication.answered", "refused", "used-up"); n != 3 || granted != 6 || b.Count("authentication.answered", "granted", "") != granted {
				t.Errorf("%d refusals, %d of 6 granted", n, granted)
			}
			if noticed(t, b, "credential-used-up") != 1 || b.Count("credential.locked", "", "") != 0 || b.Count("incident.opened", "", "") != 0 {
				t.Error("more was told than is so")
			}
		})
	}
}

// However many answers come at once, no more are granted than the key has uses.
func TestClause5_20_UsesAreCountedAtOnce(t *testing.T) {
	b := banktest.New(t)
	c, d := limited(b, 4, pskc.HOTP)
	const callers = 8
	var granted atomic.Int64
	var all sync.WaitGroup
	for range callers {
		v := begin(t, b, c.ID)
		if _, err := answer(t, b, v.Attempt.ID, authn.PIN, banktest.PIN); err != nil {
			t.Fatal(err)
		}
		code := d.HOTP()
		all.Go(func() {
			_, err := b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: authn.OTP, Secret: code})
			if err == nil {
				granted.Add(1)
			}
		})
	}
	all.Wait()
	for range 4 { // whatever the first left over
		if _, err := login(t, b, c.ID, authn.OTP, d.HOTP(), banktest.PIN); err == nil {
			granted.Add(1)
		}
	}
	rows, err := b.Store.Hot(t.Context(), credentialOf(t, b, d))
	if err != nil || rows[0].Hot.Uses != 4 || granted.Load() != 3 {
		t.Errorf("%d granted after the activation, %d uses of 4, %v", granted.Load(), rows[0].Hot.Uses, err)
	}
}

// Clause 5.3.2: who edits the count, or the limit, gets a credential in quarantine
// and not one use more.
func TestClause5_3_2_NobodyEditsTheUses(t *testing.T) {
	for name, edit := range map[string]func(b *banktest.Bank, id string){
		"the count": func(b *banktest.Bank, id string) {
			was := row(b, "hot", id)
			if len(was) != 68 || binary.BigEndian.Uint64(was[44:]) != 2 {
				b.T.Fatalf("a row of %d bytes", len(was))
			}
			was[51] = 1
			put(b, "hot", id, was)
		},
		"no count": func(b *banktest.Bank, id string) {
			was := row(b, "hot", id)
			put(b, "hot", id, append(was[:44:44], was[52:]...))
		},
		"the limit": func(b *banktest.Bank, id string) {
			was := row(b, "credential", id)
			now := bytes.Replace(was, []byte(`"max_uses":2`), []byte(`"max_uses":9`), 1)
			if bytes.Equal(was, now) {
				b.T.Fatal("the record has no limit")
			}
			put(b, "credential", id, now)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := banktest.New(t)
			c, d := limited(b, 2, pskc.HOTP)
			if _, err := login(t, b, c.ID, authn.OTP, d.HOTP(), banktest.PIN); err != nil {
				t.Fatal(err)
			}
			edit(b, credentialOf(t, b, d))
			nobody(t, b, c.ID, d)
		})
	}
}

// A resynchronisation takes two codes, and so two uses.
func TestClause5_20_AResyncIsTwoUses(t *testing.T) {
	b := banktest.New(t)
	c, d := limited(b, 4, pskc.HOTP)
	resync := func() error {
		for range 20 {
			d.HOTP()
		}
		_, err := b.Enrollment.Resync(t.Context(), enrollment.ResyncCommand{Caller: b.Staff(), Token: d.ID, Customer: c.ID, Codes: [2]string{d.HOTP(), d.HOTP()}})
		return err
	}
	if err := resync(); err != nil {
		t.Fatal(err)
	}
	if err := resync(); !refused(err) || b.Count("token.resync", "refused", "used-up") != 1 {
		t.Fatalf("two codes with one use left: %v", err)
	}
}

// Attack 3: the refusal of a key that is used up asks the HSM for what that of a wrong
// code asks for, and so takes as long.
func TestAttack03_AUsedUpKeyCostsWhatAWrongCodeCosts(t *testing.T) {
	b := banktest.New(t)
	c, d := limited(b, 2, pskc.HOTP)
	cost := func(code, want string) map[string]int {
		t.Helper()
		v := begin(t, b, c.ID)
		if _, err := answer(t, b, v.Attempt.ID, authn.PIN, banktest.PIN); err != nil {
			t.Fatal(err)
		}
		b.ForgetRows()
		calls := asked(b, func() {
			if _, err := answer(t, b, v.Attempt.ID, authn.OTP, code); !refused(err) {
				t.Fatal(err)
			}
		})
		if b.Count("authentication.answered", "refused", want) != 1 {
			t.Fatalf("%s is not refused as %s", code, want)
		}
		return calls
	}
	wrong := cost("000000", "wrong-code")
	if _, err := login(t, b, c.ID, authn.OTP, d.HOTP(), banktest.PIN); err != nil {
		t.Fatal(err)
	}
	if used := cost(d.HOTP(), "used-up"); !maps.Equal(used, wrong) {
		t.Errorf("used up %v, wrong %v", used, wrong)
	}
}
