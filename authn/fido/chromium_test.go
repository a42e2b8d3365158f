package fido_test

import (
	"crypto/x509"
	"encoding/json"
	"os"
	"testing"

	"mohur/authn/fido"
)

// recording is what a real browser answered, registration and assertion.
type recording struct {
	RPID   string `json:"rp_id"`
	Origin string
	Cases  []recorded
}

type recorded struct {
	Name        string
	Verified    bool `json:"user_verification"`
	Create, Get struct {
		Challenge  base64url
		Credential json.RawMessage
	}
}

type base64url []byte

func (b *base64url) UnmarshalText(text []byte) (err error) {
	*b, err = b64.DecodeString(string(text))
	return err
}

func readRecording(t testing.TB) (recording, *fido.RelyingParty) {
	t.Helper()
	text, err := os.ReadFile("testdata/chromium.json")
	if err != nil {
		t.Fatal(err)
	}
	var r recording
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	rp, err := fido.New(fido.Settings{RPID: r.RPID, RPName: "Bank", Origins: []string{r.Origin}})
	if err != nil {
		t.Fatal(err)
	}
	return r, rp
}

// TestClause4_3_2: what Chromium writes, with and without user verification,
// attested and not, discoverable, synced, by CTAP 2.1 and by U2F.
func TestClause4_3_2_WhatChromiumAnswers(t *testing.T) {
	r, rp := readRecording(t)
	if len(r.Cases) != 9 {
		t.Fatalf("%d cases", len(r.Cases))
	}
	trust := map[string]fido.Trust{"packed": fido.TrustUntrusted, "enterprise asked": fido.TrustUntrusted, "u2f": fido.TrustUntrusted}
	for _, c := range r.Cases {
		t.Run(c.Name, func(t *testing.T) {
			in := fido.RegistrationInput{Credential: c.Create.Credential, Challenge: c.Create.Challenge, UserVerification: c.Verified, Policy: anything}
			got := register(t, rp, in)
			if !got.OK {
				t.Fatalf("%s: %s", got.Reason, got.Detail)
			}
			want := trust[c.Name]
			if want == "" {
				want = fido.TrustNone
			}
			record := got.Record
			// With a PIN set, creating verifies the user whatever was asked.
			if record.Attestation.Trust != want || record.UVInitialized != (c.Name != "u2f") || record.BackupEligible != (c.Name == "synced") ||
				record.Discoverable == nil || *record.Discoverable != (c.Name == "discoverable") {
				t.Errorf("%+v", record)
			}
			answerIn := fido.AssertionInput{Credential: c.Get.Credential, Challenge: c.Get.Challenge, UserVerification: c.Verified}
			if c.Name != "discoverable" {
				answerIn.Allowed = [][]byte{record.ID}
			}
			login := answer(t, rp, record, answerIn)
			if !login.OK || login.UserVerified != c.Verified {
				t.Fatalf("%+v", login)
			}
			if again := answer(t, rp, login.Next, answerIn); login.Next.SignCount != 0 && !again.Clone {
				t.Errorf("the same answer again: %+v", again)
			}
		})
	}
}

// Its virtual authenticator signs its own attestation certificate anew each time.
// A BLOB can name an authority of that name and key as the model's root, and then
// it is as good as a maker's: so a test in a browser can meet a strict policy.
func TestChromiumsAttestationUnderABLOB(t *testing.T) {
	r, rp := readRecording(t)
	for _, c := range r.Cases {
		if c.Name != "packed" && c.Name != "u2f" {
			continue
		}
		leaf := leafOf(t, c.Create.Credential)
		root := newAuthority(t, "Somebody", nil).issue(&x509.Certificate{
			// With a name of its own, or crypto/x509 takes it for the leaf again.
			RawSubject: leaf.RawSubject, DNSNames: []string{"root.example"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		}, leaf.PublicKey)
		e := entryFor(&maker{root: &authority{cert: root}}, model, func(e *entry) {
			if c.Name == "u2f" {
				e.AAGUID, e.KeyIDs = "", []string{keyID(leaf)}
			}
		})
		in := fido.RegistrationInput{Credential: c.Create.Credential, Challenge: c.Create.Challenge, Metadata: metadataOf(t, e),
			Policy: fido.Policy{HardwareOnly: true, MinimumLevel: "L2"}}
		if got := register(t, rp, in); !got.OK || got.Record.Attestation.Trust != fido.Trusted {
			t.Errorf("%s: %+v", c.Name, got)
		}
	}
}

func leafOf(t testing.TB, credential []byte) *x509.Certificate {
	t.Helper()
	var c struct {
		Response struct {
			Object base64url `json:"attestationObject"`
		}
	}
	if err := json.Unmarshal(credential, &c); err != nil {
		t.Fatal(err)
	}
	var v vector
	v.Registration.Object = hexBytes(c.Response.Object)
	return v.leaf(t)
}
