package fido_test

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"mohur/authn/fido"
)

func answer(t testing.TB, rp *fido.RelyingParty, r fido.Record, in fido.AssertionInput) fido.Assertion {
	t.Helper()
	if in.UserHandle == nil {
		in.UserHandle = handle
	}
	got, err := rp.VerifyAssertion(r, in)
	if err != nil {
		t.Fatal(err)
	}
	if got.OK != (got.Reason == "") || !got.OK && (got.UserVerified || got.Next.ID != nil || got.Factors() != 0 || got.AMR() != nil) {
		t.Fatalf("half an answer: %+v", got)
	}
	if got.Reason == fido.LibraryFault {
		t.Fatalf("a parser panicked: %s", got.Detail)
	}
	return got
}

// TestClause5_18: user verification makes two factors, no verification one, and
// what is required is enforced here, whatever the client did.
func TestClause5_18_UserVerificationIsTheSecondFactor(t *testing.T) {
	for _, alg := range []string{"ES256", "ES384", "ES512", "EdDSA", "RS256"} {
		rp, d := relyingParty(t), newDevice(t, alg)
		r := enrol(t, rp, d)
		text := challenge("login " + alg)
		for _, c := range []struct {
			flags    byte
			required bool
			reason   fido.Reason
			factors  int
			amr      string
		}{
			{up | uv, true, "", 2, "mfa pop user"},
			{up | uv, false, "", 2, "mfa pop user"},
			{up, false, "", 1, "pop"},
			{up, true, fido.UserNotVerified, 0, ""},
		} {
			d.flags = c.flags
			d.count++
			got := answer(t, rp, r, fido.AssertionInput{Credential: d.get(text), Challenge: text, Allowed: [][]byte{d.id}, UserVerification: c.required})
			if got.Reason != c.reason || got.Factors() != c.factors || strings.Join(got.AMR(), " ") != c.amr {
				t.Errorf("%s, flags %x, required %t: %+v", alg, c.flags, c.required, got)
			}
			if got.OK {
				r = got.Next
			}
		}
	}
}

// A thief can set a PIN on a key that had none. Its user verification is no
// factor until another factor vouched for it.
func TestClause5_18_UserVerificationThatBeginsLater(t *testing.T) {
	rp, d := relyingParty(t), newDevice(t, "ES256")
	d.flags = up
	r := enrol(t, rp, d)
	text := challenge("login")
	d.flags = up | uv
	ask := func(required, second bool) fido.Assertion {
		d.count++
		return answer(t, rp, r, fido.AssertionInput{Credential: d.get(text), Challenge: text, Allowed: [][]byte{d.id},
			UserVerification: required, SecondFactor: second})
	}
	if got := ask(true, false); got.Reason != fido.VerificationNew {
		t.Errorf("required: %+v", got)
	}
	if got := ask(false, false); !got.OK || got.Factors() != 1 || got.Next.UVInitialized {
		t.Errorf("not required: %+v", got)
	}
	got := ask(true, true)
	if !got.OK || got.Factors() != 2 || !got.Next.UVInitialized {
		t.Fatalf("with another factor: %+v", got)
	}
	r = got.Next
	if got := ask(true, false); !got.OK || got.Factors() != 2 {
		t.Errorf("afterwards: %+v", got)
	}
}

// assertionCase bends one thing of a good assertion of a record.
type assertionCase struct {
	name   string
	reason fido.Reason
	bend   func(*device)
	record func(*fido.Record)
	in     func(*fido.AssertionInput)
}

func asserted(f func(*fido.AssertionInput)) func(*fido.AssertionInput) { return f }

var assertionRefusals = []assertionCase{
	{name: "no JSON", reason: fido.MalformedCredential, in: asserted(func(in *fido.AssertionInput) { in.Credential = []byte(`"x"`) })},
	{name: "no signature", reason: fido.MalformedCredential, bend: inResponse(func(r map[string]any) { delete(r, "signature") })},
	{name: "signature null", reason: fido.MalformedCredential, bend: inResponse(func(r map[string]any) { r["signature"] = nil })},
	{name: "no authenticator data", reason: fido.MalformedCredential, bend: inResponse(func(r map[string]any) { delete(r, "authenticatorData") })},
	{name: "Signature besides", reason: fido.MalformedCredential, bend: inResponse(func(r map[string]any) { r["Signature"] = "AAAA" })},
	{name: "handle a number", reason: fido.MalformedCredential, bend: inResponse(func(r map[string]any) { r["userHandle"] = 1 })},
	{name: "client data cut", reason: fido.MalformedClientData, bend: clientData(func(k, c string) string { return `{"type":"` + k })},
	{name: "origin twice", reason: fido.MalformedClientData, bend: clientData(func(k, c string) string {
		return `{"type":"` + k + `","challenge":"` + c + `","origin":"https://evil.example","origin":"` + origin + `"}`
	})},
	{name: "a creation for a request", reason: fido.WrongType, bend: clientData(func(_, c string) string {
		return `{"type":"webauthn.create","challenge":"` + c + `","origin":"` + origin + `"}`
	})},
	{name: "a payment's response for a log-in", reason: fido.WrongChallenge, in: asserted(func(in *fido.AssertionInput) { in.Challenge = challenge("payment") })},
	{name: "challenge padded", reason: fido.WrongChallenge, bend: clientData(func(k, c string) string {
		return `{"type":"` + k + `","challenge":"` + c + `=","origin":"` + origin + `"}`
	})},
	{name: "phishing", reason: fido.WrongOrigin, bend: func(d *device) { d.origin = "https://bank-example.evil.example" }},
	{name: "origin in capitals", reason: fido.WrongOrigin, bend: func(d *device) { d.origin = "https://LOGIN.bank.example" }},
	{name: "origin with a path", reason: fido.WrongOrigin, bend: func(d *device) { d.origin += "/" }},
	{name: "framed", reason: fido.CrossOrigin, bend: clientData(func(k, c string) string {
		return `{"type":"` + k + `","challenge":"` + c + `","origin":"` + origin + `","crossOrigin":true,"topOrigin":"https://evil.example"}`
	})},
	{name: "another RP ID", reason: fido.WrongRPID, bend: func(d *device) { d.rpID = "login.bank.example" }},
	{name: "a record of another RP ID", reason: fido.WrongRPID, record: func(r *fido.Record) { r.RPID = "old.example" }},
	{name: "nobody there", reason: fido.UserNotPresent, bend: func(d *device) { d.flags = uv }},
	{name: "BS without BE", reason: fido.BackupFlags, bend: func(d *device) { d.flags |= bs }},
	{name: "attested data in an assertion", reason: fido.AttestedData, bend: func(d *device) {
		d.authData = func(a []byte) []byte {
			a[32] |= at
			a = append(a, make([]byte, 16)...)
			return append(append(a, 0, 4, 1, 2, 3, 4), encode(d.t, d.cose)...)
		}
	}},
	{name: "short data", reason: fido.MalformedAuthData, bend: func(d *device) { d.authData = func(a []byte) []byte { return a[:36] } }},
	{name: "bytes behind", reason: fido.MalformedAuthData, bend: func(d *device) { d.authData = func(a []byte) []byte { return append(a, 0xa0) } }},
	{name: "extensions not a map", reason: fido.MalformedAuthData, bend: func(d *device) {
		d.authData = func(a []byte) []byte { a[32] |= ed; return append(a, 0x01) }
	}},
	{name: "another credential's answer", reason: fido.WrongCredential, bend: func(d *device) { d.id = random(32) }},
	{name: "another credential's answer, none offered", reason: fido.WrongCredential, bend: func(d *device) { d.id, d.handle = random(32), handle },
		in: asserted(func(in *fido.AssertionInput) { in.Allowed = nil })},
	{name: "not offered", reason: fido.WrongCredential, in: asserted(func(in *fido.AssertionInput) { in.Allowed = [][]byte{random(32)} })},
	{name: "none offered", reason: fido.WrongCredential, in: asserted(func(in *fido.AssertionInput) { in.Allowed = [][]byte{} })},
	{name: "another account", reason: fido.WrongUserHandle, bend: func(d *device) { d.handle = []byte("account-2") }},
	{name: "an empty handle", reason: fido.WrongUserHandle, bend: func(d *device) { d.handle = []byte{} }},
	{name: "no account, none offered", reason: fido.WrongUserHandle, in: asserted(func(in *fido.AssertionInput) { in.Allowed = nil })},
	{name: "an algorithm given up", reason: fido.KeyAlgorithm, record: func(r *fido.Record) {
		_, cose := rsaKeyOf(2048)
		r.PublicKey = encodeKey(cose)
	}},
	{name: "signature by another key", reason: fido.WrongSignature, bend: func(d *device) { d.signer, _ = newKey(d.t, "ES256") }},
	{name: "no bytes of a signature", reason: fido.WrongSignature, bend: func(d *device) { d.signature = func([]byte) []byte { return nil } }},
	{name: "signature with bytes behind", reason: fido.WrongSignature, bend: func(d *device) { d.signature = func(s []byte) []byte { return append(s, 0) } }},
	{name: "signature of zeros", reason: fido.WrongSignature, bend: func(d *device) { d.signature = func([]byte) []byte { return []byte{0x30, 6, 2, 1, 0, 2, 1, 0} } }},
	{name: "signed without the client data", reason: fido.WrongSignature, bend: func(d *device) {
		d.sign = func(m []byte) []byte { return signWith(d.t, d.signer, m[:37]) }
	}},
	{name: "eligible for backup all of a sudden", reason: fido.EligibilityChanged, bend: func(d *device) { d.flags |= be }},
	{name: "no longer eligible", reason: fido.EligibilityChanged, record: func(r *fido.Record) { r.BackupEligible = true }},
	{name: "counter stays", reason: fido.CounterWentBack, bend: func(d *device) { d.count = 10 }},
	{name: "counter goes back", reason: fido.CounterWentBack, bend: func(d *device) { d.count = 9 }},
	{name: "counter 0 after 10", reason: fido.CounterWentBack, bend: func(d *device) { d.count = 0 }},
	{name: "counter wraps", reason: fido.CounterWentBack, record: func(r *fido.Record) { r.SignCount = math.MaxUint32 }},
}

func TestAttack10_AnAssertionThatIsNotOurs(t *testing.T) {
	rp := relyingParty(t, func(s *fido.Settings) { s.Algorithms = []string{"ES256"} })
	for _, c := range assertionRefusals {
		t.Run(c.name, func(t *testing.T) {
			d := newDevice(t, "ES256")
			d.count = 10
			r := enrol(t, rp, d)
			if c.record != nil {
				c.record(&r)
			}
			d.count = 11
			if c.bend != nil {
				c.bend(d)
			}
			text := challenge("login")
			in := fido.AssertionInput{Credential: d.get(text), Challenge: text, Allowed: [][]byte{r.ID}}
			if c.in != nil {
				c.in(&in)
			}
			got := answer(t, rp, r, in)
			if got.OK || got.Reason != c.reason {
				t.Fatalf("%q: %s, want %s", got.Reason, got.Detail, c.reason)
			}
			if got.Clone != (c.reason == fido.CounterWentBack) || got.Changed != (c.reason == fido.EligibilityChanged) {
				t.Errorf("%+v", got)
			}
			if got.Detail == "" || len(got.Detail) > 300 || strings.ContainsAny(got.Detail, "\n\r\x00") {
				t.Errorf("detail %q", got.Detail)
			}
		})
	}
}

func encodeKey(cose map[int]any) []byte { return encode(discard{}, cose) }

// Two devices with one key: whoever comes second is refused and told apart from
// a wrong signature, because only the holder of the key can cause it.
func TestAttack10_AClonedKey(t *testing.T) {
	rp, d := relyingParty(t), newDevice(t, "ES256")
	r := enrol(t, rp, d)
	clone := *d
	text := challenge("login")
	login := func(d *device) fido.Assertion {
		d.count++
		return answer(t, rp, r, fido.AssertionInput{Credential: d.get(text), Challenge: text, Allowed: [][]byte{d.id}})
	}
	for range 3 {
		got := login(d)
		if !got.OK || got.Next.SignCount != d.count {
			t.Fatalf("%+v", got)
		}
		r = got.Next
	}
	if got := login(&clone); !got.Clone || got.OK {
		t.Fatalf("%+v", got)
	}
	// A stranger, who has no key, can cause no such thing.
	clone.signer, _ = newKey(t, "ES256")
	if got := login(&clone); got.Clone || got.Reason != fido.WrongSignature {
		t.Fatalf("%+v", got)
	}
	clone.flags |= be
	if got := login(&clone); got.Changed || got.Reason != fido.WrongSignature {
		t.Fatalf("%+v", got)
	}
	// Keys without a counter stay at 0.
	d.count = 0
	r.SignCount = 0
	if got := answer(t, rp, r, fido.AssertionInput{Credential: d.get(text), Challenge: text, Allowed: [][]byte{d.id}}); !got.OK {
		t.Fatalf("%+v", got)
	}
}

func TestAttack09_AResponseFromAPhishingPage(t *testing.T) {
	rp, d := relyingParty(t), newDevice(t, "ES256")
	r := enrol(t, rp, d)
	text := challenge("login")
	for _, page := range []string{"https://login.bank.exarnple", "https://bank.example", "https://login.bank.example:444",
		"http://login.bank.example", "null", "", "https://xn--bnk-lna.example", "android:apk-key-hash:" + strings.Repeat("A", 43)} {
		d.count++
		d.origin = page
		got := answer(t, rp, r, fido.AssertionInput{Credential: d.get(text), Challenge: text, Allowed: [][]byte{d.id}})
		if got.OK || got.Reason != fido.WrongOrigin {
			t.Errorf("%q: %+v", page, got)
		}
	}
	app := "android:apk-key-hash:" + strings.Repeat("A", 43)
	wide := relyingParty(t, func(s *fido.Settings) {
		s.AppOrigins, s.RelatedOrigins = []string{app}, []string{"https://bank.example.net"}
	})
	for _, page := range []string{origin, "https://bank.example:8443", app, "https://bank.example.net"} {
		d.count++
		d.origin = page
		got := answer(t, wide, r, fido.AssertionInput{Credential: d.get(text), Challenge: text, Allowed: [][]byte{d.id}})
		if !got.OK {
			t.Errorf("%q: %+v", page, got)
		}
		r.SignCount = d.count
	}
}

func TestAssertionOfADiscoverableCredential(t *testing.T) {
	rp, d := relyingParty(t), newDevice(t, "ES256")
	r := enrol(t, rp, d)
	text := challenge("login")
	d.handle, d.flags = handle, up|uv
	credential := d.get(text)
	id, account, reason := fido.Peek(credential)
	if !bytes.Equal(id, d.id) || !bytes.Equal(account, handle) || reason != "" {
		t.Fatalf("%x %q %s", id, account, reason)
	}
	if got := answer(t, rp, r, fido.AssertionInput{Credential: credential, Challenge: text}); !got.OK {
		t.Fatalf("%+v", got)
	}
	d.handle = nil
	d.response = func(r map[string]any) { r["userHandle"] = nil }
	if _, account, reason := fido.Peek(d.get(text)); account != nil || reason != "" {
		t.Errorf("%q %s", account, reason)
	}
	if _, _, reason := fido.Peek([]byte(`{}`)); reason != fido.MalformedCredential {
		t.Error(reason)
	}
}

func TestAssertionInputThatIsBrokenIsAnError(t *testing.T) {
	rp, d := relyingParty(t), newDevice(t, "ES256")
	r := enrol(t, rp, d)
	text := challenge("login")
	good := fido.AssertionInput{Credential: d.get(text), Challenge: text, Allowed: [][]byte{d.id}, UserHandle: handle}
	for name, bend := range map[string]func(*fido.Record, *fido.AssertionInput){
		"no challenge": func(_ *fido.Record, in *fido.AssertionInput) { in.Challenge = nil },
		"no account":   func(_ *fido.Record, in *fido.AssertionInput) { in.UserHandle = nil },
		"no record":    func(r *fido.Record, _ *fido.AssertionInput) { *r = fido.Record{} },
		"no key":       func(r *fido.Record, _ *fido.AssertionInput) { r.PublicKey = nil },
		"a torn key":   func(r *fido.Record, _ *fido.AssertionInput) { r.PublicKey = slices.Clone(r.PublicKey)[:40] },
	} {
		record, in := r, good
		bend(&record, &in)
		if got, err := rp.VerifyAssertion(record, in); err == nil || got.OK || got.Reason != "" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
