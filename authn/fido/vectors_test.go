package fido_test

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	_ "unsafe" // go:linkname

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"

	"mohur/authn/fido"
)

// The vectors' own authority stands in for Google's, Apple's and a TPM maker's.
// go-webauthn has those compiled in, unexported, and its own test of the vectors
// adds the authority there; so does this one, in the test binary only. The
// metadata of the tests names it besides: without that nothing is trusted.
//
//go:linkname androidRoots github.com/go-webauthn/webauthn/protocol.attAndroidKeyHardwareRootsCertPool
var androidRoots *x509.CertPool

//go:linkname appleRoots github.com/go-webauthn/webauthn/protocol.attAppleHardwareRootsCertPool
var appleRoots *x509.CertPool

//go:linkname tpmMakers github.com/go-webauthn/webauthn/protocol.tpmManufacturers
var tpmMakers []struct{ id, name, code string }

type vectors struct {
	RPID      string   `json:"rp_id"`
	Origin    string   `json:"origin"`
	TopOrigin string   `json:"top_origin"`
	CA        hexBytes `json:"attestation_ca"`
	Vectors   []vector `json:"vectors"`
}

type vector struct {
	Name, Format string
	ID           hexBytes `json:"credential_id"`
	Registration struct {
		Challenge  hexBytes `json:"challenge"`
		ClientData hexBytes `json:"client_data_json"`
		Object     hexBytes `json:"attestation_object"`
	}
	Authentication struct {
		Challenge  hexBytes `json:"challenge"`
		ClientData hexBytes `json:"client_data_json"`
		AuthData   hexBytes `json:"authenticator_data"`
		Signature  hexBytes `json:"signature"`
		PublicKey  hexBytes `json:"public_key"`
	}
}

type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	text, err := os.ReadFile("testdata/webauthn3.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v vector) creation() []byte {
	return v.credential(map[string]any{
		"clientDataJSON":    b64.EncodeToString(v.Registration.ClientData),
		"attestationObject": b64.EncodeToString(v.Registration.Object),
	})
}

func (v vector) assertion() []byte {
	return v.credential(map[string]any{
		"clientDataJSON":    b64.EncodeToString(v.Authentication.ClientData),
		"authenticatorData": b64.EncodeToString(v.Authentication.AuthData),
		"signature":         b64.EncodeToString(v.Authentication.Signature),
	})
}

func (v vector) credential(response map[string]any) []byte {
	id := b64.EncodeToString(v.ID)
	out, err := json.Marshal(map[string]any{"id": id, "rawId": id, "type": "public-key", "response": response})
	if err != nil {
		panic(err)
	}
	return out
}

// authData returns the authenticator data of the registration.
func (v vector) authData(t testing.TB) []byte {
	t.Helper()
	var o struct {
		AuthData []byte `cbor:"authData"`
	}
	if err := webauthncbor.Unmarshal(v.Registration.Object, &o); err != nil {
		t.Fatal(err)
	}
	return o.AuthData
}

// leaf returns the attestation certificate, or nil.
func (v vector) leaf(t testing.TB) *x509.Certificate {
	t.Helper()
	var o struct {
		Statement struct {
			X5C [][]byte `cbor:"x5c"`
		} `cbor:"attStmt"`
	}
	if err := webauthncbor.Unmarshal(v.Registration.Object, &o); err != nil {
		t.Fatal(err)
	}
	if len(o.Statement.X5C) == 0 {
		return nil
	}
	c, err := x509.ParseCertificate(o.Statement.X5C[0])
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// vectorMetadata lists these vectors' models with the vectors' authority.
func vectorMetadata(t testing.TB, set vectors, of ...vector) *fido.Metadata {
	t.Helper()
	ca, err := x509.ParseCertificate(set.CA)
	if err != nil {
		t.Fatal(err)
	}
	m := &maker{root: &authority{cert: ca}}
	entries := []entry{}
	for _, v := range of {
		leaf := v.leaf(t)
		if leaf == nil {
			continue
		}
		entries = append(entries, entryFor(m, fido.AAGUID(v.authData(t)[37:53]), func(e *entry) {
			switch v.Format {
			case "tpm":
				e.Statement.Types = []string{"attca"}
			case "apple":
				e.Statement.Types = []string{"anonca"}
			case "fido-u2f": // it has no AAGUID that is signed
				e.AAGUID, e.KeyIDs = "", []string{hex.EncodeToString(leaf.SubjectKeyId)}
			}
		}))
	}
	return metadataOf(t, entries...)
}

// Every vector of section 16 but Ed448's, whose algorithm is not accepted. The
// vector for android-key has empty authorization lists, so by section 8.4 its
// statement must not verify; its assertion does.
func TestClause4_3_2_TheW3CTestVectors(t *testing.T) {
	set := readVectors(t)
	ca, err := x509.ParseCertificate(set.CA)
	if err != nil {
		t.Fatal(err)
	}
	androidRoots.AddCert(ca)
	appleRoots.AddCert(ca)
	tpmMakers = append(tpmMakers, struct{ id, name, code string }{"00000000", "WebAuthn test vectors", "W3C"})

	rp, err := fido.New(fido.Settings{RPID: set.RPID, RPName: "W3C", Origins: []string{set.Origin},
		CrossOrigin: true, TopOrigins: []string{set.TopOrigin}, TopOriginOptional: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Vectors) != 14 {
		t.Fatalf("%d vectors", len(set.Vectors))
	}
	for _, v := range set.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			policy := fido.Policy{AllowNone: v.Format == "none", AllowSelf: v.leaf(t) == nil && v.Format == "packed", AllowSynced: true}
			in := fido.RegistrationInput{Credential: v.creation(), Challenge: v.Registration.Challenge,
				Policy: policy, Metadata: vectorMetadata(t, set, v), At: today}
			got, err := rp.VerifyRegistration(in)
			if err != nil {
				t.Fatal(err)
			}
			record := got.Record
			if v.Format == "android-key" {
				if got.OK || got.Reason != fido.AttestationInvalid || !strings.Contains(got.Detail, "origin") {
					t.Fatalf("%s: %s", got.Reason, got.Detail)
				}
				record = fido.Record{ID: v.ID, RPID: set.RPID, PublicKey: v.Authentication.PublicKey, BackupEligible: true}
			} else {
				checkVector(t, v, got)
			}
			// The certificates do not name their model: where the root serves
			// others, too, they prove none.
			if v.Format == "packed" && v.leaf(t) != nil {
				in.Metadata = vectorMetadata(t, set, set.Vectors...)
				if shared, _ := rp.VerifyRegistration(in); shared.OK || shared.Reason != fido.AAGUIDUnproven {
					t.Errorf("under a shared root: %+v", shared)
				}
			}
			request := fido.AssertionInput{Credential: v.assertion(), Challenge: v.Authentication.Challenge,
				Allowed: [][]byte{v.ID}, UserHandle: handle}
			answer, err := rp.VerifyAssertion(record, request)
			if err != nil || !answer.OK {
				t.Fatalf("%v %s: %s", err, answer.Reason, answer.Detail)
			}
			request.Credential = bytes.Replace(request.Credential, []byte(b64.EncodeToString(v.Authentication.Signature)),
				[]byte(b64.EncodeToString(flip(v.Authentication.Signature))), 1)
			if answer, err = rp.VerifyAssertion(record, request); err != nil || answer.OK || answer.Reason != fido.WrongSignature {
				t.Errorf("a changed signature: %v %+v", err, answer)
			}
		})
	}
}

func checkVector(t *testing.T, v vector, got fido.Registration) {
	t.Helper()
	if !got.OK {
		t.Fatalf("%s: %s", got.Reason, got.Detail)
	}
	r := got.Record
	if !bytes.Equal(r.ID, v.ID) || !bytes.Equal(r.PublicKey, v.Authentication.PublicKey) || r.Attestation.Format != v.Format {
		t.Errorf("record: %+v", r)
	}
	want := fido.Trusted
	switch {
	case v.Format == "none":
		want = fido.TrustNone
	case v.leaf(t) == nil:
		want = fido.TrustSelf
	}
	if r.Attestation.Trust != want {
		t.Errorf("trust %s, want %s", r.Attestation.Trust, want)
	}
	if v.Format == "fido-u2f" && !r.AAGUID.IsZero() {
		t.Error("an AAGUID that nothing signs was taken")
	}
}

func flip(b []byte) []byte {
	out := slices.Clone(b)
	out[len(out)-1] ^= 1
	return out
}
