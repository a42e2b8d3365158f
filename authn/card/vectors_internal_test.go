package card

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	"mohur/authn/revocation"
)

// vector is a token that a real card made through the unmodified application.
type vector struct {
	Name, Origin, Nonce, Subject string
	At                           time.Time
	Authority                    []byte
	Token                        json.RawMessage
}

func readVectors(t testing.TB) (vectors []vector) {
	t.Helper()
	text, err := os.ReadFile("testdata/web-eid.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Source  string
		Vectors []vector
	}
	if err := json.Unmarshal(text, &file); err != nil || len(file.Vectors) != 6 {
		t.Fatal(len(file.Vectors), err)
	}
	for i := range file.Vectors {
		var line bytes.Buffer
		if err := json.Compact(&line, file.Vectors[i].Token); err != nil {
			t.Fatal(err)
		}
		file.Vectors[i].Token = line.Bytes()
	}
	return file.Vectors
}

// Tokens of real test cards of three states, by the unmodified application: those
// whose authority is known go through the whole verification.
func TestVectors(t *testing.T) {
	whole := 0
	for _, k := range readVectors(t) {
		t.Run(k.Name, func(t *testing.T) {
			form, der, signature, err := parseToken(k.Token)
			if err != nil {
				t.Fatal(err)
			}
			c, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			if err := person(c); err != nil {
				t.Error(err)
			}
			if err := usage(c, logIn); err != nil {
				t.Error(err)
			}
			p := &profile{Issuer: Issuer{Subject: "serialNumber"}, subject: []int{2, 5, 4, 5}}
			if key, err := p.key(c); err != nil || key != k.Subject {
				t.Errorf("%q, %v", key, err)
			}
			a, err := p.accepted(form.Algorithm, c.PublicKey)
			if err != nil {
				t.Fatal(err)
			}
			v := &Verifier{origins: []string{"https://bank.example", k.Origin}}
			if got := v.signedOrigin(a, form.Format, k.Nonce, c.PublicKey, signature); got != k.Origin {
				t.Errorf("signed for %q", got)
			}
			if got := v.signedOrigin(a, form.Format, k.Nonce+" ", c.PublicKey, signature); got != "" {
				t.Errorf("another nonce is signed for %q", got)
			}
			if got := v.signedOrigin(a, formatAgent, k.Nonce, c.PublicKey, signature); got != "" {
				t.Errorf("taken for the agent's, %q", got)
			}
			if k.Authority == nil {
				return
			}
			whole++
			verdict := verifier(t, k).VerifyToken(context.Background(), TokenInput{Token: k.Token, Nonce: k.Nonce, At: k.At})
			if !verdict.OK || verdict.Record.Subject != k.Subject || verdict.Shown != ShownNone || verdict.Origin != k.Origin {
				t.Errorf("%+v", verdict)
			}
			later := TokenInput{Token: k.Token, Nonce: k.Nonce, At: c.NotAfter.Add(time.Second)}
			if verdict := verifier(t, k).VerifyToken(context.Background(), later); verdict.OK || verdict.Reason != Expired {
				t.Errorf("%+v", verdict)
			}
		})
	}
	if whole != 2 {
		t.Errorf("%d vectors went through everything", whole)
	}
}

// verifier takes the vector's authority, and everything for not revoked: the
// responders of these cards are not ours to ask.
func verifier(t testing.TB, k vector) *Verifier {
	t.Helper()
	root, err := x509.ParseCertificate(k.Authority)
	if err != nil {
		t.Fatal(err)
	}
	v, err := New(Settings{Origins: []string{k.Origin}, Status: &revocation.Checker{}, Issuers: []Issuer{{
		Name: "test", Roots: []*x509.Certificate{root}, Subject: "serialNumber", LogIn: true,
		Policies: []string{"2.16.56.12.1.1.2.2"}, Revocation: revocation.Rules{CRLs: []string{"http://crl.example"}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	v.check = good
	return v
}

func good(_ context.Context, _, _ *x509.Certificate, _ revocation.Rules, at time.Time) revocation.Status {
	return revocation.Status{State: revocation.Good, CheckedAt: at}
}

// Every reason has its sentence.
func TestReasonsHaveTexts(t *testing.T) {
	for _, r := range Reasons() {
		if r.Text() == "" || string(r) == "" {
			t.Errorf("%q: %q", r, r.Text())
		}
	}
	if !slices.Contains(Reasons(), WrongSignature) || Reason("").Text() != "" {
		t.Error(Reasons())
	}
}

// A panic of a parser is a refusal and leaves no evidence behind.
func TestAPanicIsARefusal(t *testing.T) {
	got := guarded(func(v *Verdict) error {
		v.OK, v.Shown, v.Record.Subject = true, ShownAgent, "AZE1"
		var list []int
		_ = list[len(v.Shown)]
		return nil
	})
	if got.OK || got.Reason != ParserFault || got.Shown != "" || got.Record.Subject != "" {
		t.Errorf("%+v", got)
	}
	if (Verdict{}).OK {
		t.Error("the zero verdict is good")
	}
}
