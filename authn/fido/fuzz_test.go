package fido_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"mohur/authn/fido"
)

// FuzzClientData signs whatever client data it is given with the right key, so
// that only the reading of it stands between it and an acceptance. What is
// accepted must say the same to a decoder that matches names loosely and keeps
// the last of two.
func FuzzClientData(f *testing.F) {
	fix(f)
	text := challenge("login")
	good := `{"type":"webauthn.get","challenge":"` + b64.EncodeToString(text) + `","origin":"` + origin + `"`
	for _, seed := range []string{good + `}`, good + `,"crossOrigin":false}`, good + `,"crossOrigin":true,"topOrigin":"https://portal.example"}`,
		good + `,"TYPE":"x"}`, good + `,"type":"x"}`, "\uFEFF" + good + `}`, good + `}{}`, good + `,"x":{"a":[1,{"b":null}]}}`,
		strings.Replace(good, "type", `\u0074ype`, 1) + `}`, `[]`, `null`, ``} {
		f.Add([]byte(seed))
	}
	for _, v := range readVectors(f).Vectors {
		f.Add([]byte(v.Authentication.ClientData))
	}
	rp := relyingParty(f, func(s *fido.Settings) { s.CrossOrigin, s.TopOrigins = true, []string{"https://portal.example"} })
	d := newDevice(f, "EdDSA")
	record := enrol(f, rp, d)
	f.Fuzz(func(t *testing.T, raw []byte) {
		d.t = t
		d.clientData = func(string, []byte) string { return string(raw) }
		got := answer(t, rp, record, fido.AssertionInput{Credential: d.get(text), Challenge: text, Allowed: [][]byte{d.id}})
		if !got.OK {
			return
		}
		var loose struct {
			Type, Challenge, Origin, TopOrigin string
			CrossOrigin                        bool
		}
		if err := json.Unmarshal(raw, &loose); err != nil || loose.Type != "webauthn.get" ||
			loose.Challenge != b64.EncodeToString(text) || !slices.Contains(settings().Origins, loose.Origin) ||
			loose.CrossOrigin != (loose.TopOrigin == "https://portal.example") {
			t.Fatalf("accepted %q: %+v, %v", raw, loose, err)
		}
	})
}

// FuzzAuthenticatorData signs whatever authenticator data it is given.
func FuzzAuthenticatorData(f *testing.F) {
	fix(f)
	rp, d := relyingParty(f), newDevice(f, "EdDSA")
	record := enrol(f, rp, d)
	text := challenge("login")
	hash := sha256.Sum256([]byte(rpID))
	plain := append(hash[:], up|uv, 0, 0, 0, 9)
	f.Add(plain)
	f.Add(slices.Concat(hash[:], []byte{up | ed, 0, 0, 0, 1}, encode(f, map[string]any{"credProtect": 2, "hmac-secret": []byte{1}})))
	f.Add(slices.Concat(hash[:], []byte{up | at, 0, 0, 0, 1}, make([]byte, 16), []byte{0, 1, 7}, record.PublicKey))
	f.Add(plain[:36])
	for _, v := range readVectors(f).Vectors {
		f.Add([]byte(v.Authentication.AuthData))
		f.Add(v.authData(f))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		d.t = t
		d.authData = func([]byte) []byte { return raw }
		got := answer(t, rp, record, fido.AssertionInput{Credential: d.get(text), Challenge: text, Allowed: [][]byte{d.id}})
		if !got.OK {
			return
		}
		flags := raw[32]
		if !bytes.Equal(raw[:32], hash[:]) || flags&up == 0 || flags&(at|be|bs) != 0 || (len(raw) > 37) != (flags&ed != 0) ||
			got.UserVerified != (flags&uv != 0) || got.Next.SignCount != binary.BigEndian.Uint32(raw[33:37]) {
			t.Fatalf("accepted %x: %+v", raw, got)
		}
	})
}

// FuzzAttestationObject offers whatever it is given as a registration, under a
// policy that accepts every well-formed key and under the strictest one. Only an
// attestation by the maker satisfies that, and the fuzzer does not have his key.
func FuzzAttestationObject(f *testing.F) {
	fix(f)
	m := newMaker(f)
	rp, d := relyingParty(f), newDevice(f, "ES256")
	text := challenge("enrol")
	clientData := d.collected("webauthn.create", text)
	hash := sha256.Sum256(clientData)
	data := d.data(true)
	maker := map[string]bool{}
	for name, attest := range map[string]attester{"none": none, "self": self, "packed": m.packed, "u2f": m.u2f} {
		format, statement := attest(d, data, hash[:])
		object := encode(f, map[string]any{"fmt": format, "attStmt": statement, "authData": data})
		f.Add(object)
		if name == "packed" {
			maker[string(object)] = true
		}
	}
	for _, v := range readVectors(f).Vectors {
		f.Add([]byte(v.Registration.Object))
	}
	md := metadataOf(f, entryFor(m, model))
	d.response = func(r map[string]any) { r["clientDataJSON"] = b64.EncodeToString(clientData) }
	f.Fuzz(func(t *testing.T, raw []byte) {
		d.t = t
		credential := d.credential(map[string]any{"attestationObject": b64.EncodeToString(raw)})
		in := fido.RegistrationInput{Credential: credential, Challenge: text, Policy: anything, Metadata: md}
		got := register(t, rp, in)
		if got.OK {
			r := got.Record
			if !bytes.Equal(r.ID, d.id) || r.Algorithm == "" || r.Attestation.Trust == "" || len(r.PublicKey) == 0 {
				t.Fatalf("accepted %x: %+v", raw, got)
			}
		}
		in.Policy = fido.Policy{}
		if strict := register(t, rp, in); strict.OK && (!got.OK || strict.Record.Attestation.Trust != fido.Trusted || strict.Record.AAGUID != model) {
			t.Fatalf("the strictest policy accepted %x: %+v", raw, strict)
		}
	})
}

// FuzzCredential offers whatever it is given as either response.
func FuzzCredential(f *testing.F) {
	fix(f)
	rp, d := relyingParty(f), newDevice(f, "EdDSA")
	record := enrol(f, rp, d)
	enrolText, text := challenge("enrol"), challenge("login")
	f.Add(d.create(enrolText, none))
	f.Add(d.get(text))
	f.Add([]byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d.t = t
		if got := register(t, rp, fido.RegistrationInput{Credential: raw, Challenge: enrolText, Policy: anything}); got.OK {
			if id, _, reason := fido.Peek(raw); reason == "" {
				t.Fatalf("a creation that is an assertion, too: %q, %x", raw, id)
			}
		}
		got := answer(t, rp, record, fido.AssertionInput{Credential: raw, Challenge: text, Allowed: [][]byte{d.id}})
		id, _, reason := fido.Peek(raw)
		if got.OK && (reason != "" || !bytes.Equal(id, d.id)) {
			t.Fatalf("accepted %q: %s %x", raw, reason, id)
		}
	})
}

// FuzzBLOB offers whatever it is given as a BLOB. The signed one is the only one
// that may pass, in whatever white space.
func FuzzBLOB(f *testing.F) {
	fix(f)
	m, a := newMaker(f), newAlliance(f)
	good := a.blob(f, entryFor(m, model))
	f.Add(good)
	f.Add(newAlliance(f).blob(f, entryFor(m, model)))
	f.Add([]byte("e30.e30.e30"))
	f.Add([]byte(b64.EncodeToString([]byte(`{"alg":"none"}`)) + ".e30."))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := fido.ParseBLOB(raw, a.trust, fido.Number{}, today)
		if (got == nil) == (err == nil) {
			t.Fatalf("%+v, %v", got, err)
		}
		if got != nil && got.Number.No != 7 {
			t.Fatalf("accepted %q", raw)
		}
	})
}

// FuzzBLOBPayload signs whatever payload it is given, so that the reading of it is
// reached.
func FuzzBLOBPayload(f *testing.F) {
	fix(f)
	m, a := newMaker(f), newAlliance(f)
	for _, p := range []payload{{No: 7, NextUpdate: "2026-04-01", Entries: []entry{entryFor(m, model)}}, {}} {
		text, err := json.Marshal(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"no":1,"nextUpdate":"2026-04-01","entries":[{"aaguid":"01020304-0506-0708-0102-030405060708","statusReports":[{"status":"REVOKED","effectiveDate":"x"}]}]}`))
	rp, d := relyingParty(f), newDevice(f, "EdDSA")
	record := enrol(f, rp, d)
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := fido.ParseBLOB(a.sign(t, text), a.trust, fido.Number{}, today)
		if (got == nil) == (err == nil) {
			t.Fatalf("%+v, %v", got, err)
		}
		if got == nil {
			return
		}
		if v := (fido.Policy{AllowNone: true}).Judge(record, got, today); !v.OK && v.Reason != fido.ModelCompromised && v.Reason != fido.ModelRetired {
			t.Fatalf("%q: %+v", text, v)
		}
		if v := (fido.Policy{}).Judge(record, got, today); v.OK {
			t.Fatalf("the strictest policy accepted a key without attestation: %q", text)
		}
	})
}
