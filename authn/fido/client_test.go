package fido_test

import (
	"testing"

	"github.com/descope/virtualwebauthn"

	"mohur/authn/fido"
)

// virtual is a second client, by others: it reads our options and answers in its
// own JSON.
type virtual struct {
	t    *testing.T
	rp   virtualwebauthn.RelyingParty
	auth virtualwebauthn.Authenticator
	cred virtualwebauthn.Credential
}

func newVirtual(t *testing.T, kind virtualwebauthn.KeyType) *virtual {
	t.Helper()
	v := &virtual{t: t, rp: virtualwebauthn.RelyingParty{ID: rpID, Name: "Bank", Origin: origin},
		auth: virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{UserHandle: handle})}
	// It leaves out leading zeros of a coordinate, which makes an invalid key of
	// one in 128.
	for v.cred = virtualwebauthn.NewCredential(kind); kind == virtualwebauthn.KeyTypeEC2 && len(v.cred.Key.AttestationData()) != 77; {
		v.cred = virtualwebauthn.NewCredential(kind)
	}
	return v
}

func (v *virtual) create(options []byte) []byte {
	v.t.Helper()
	parsed, err := virtualwebauthn.ParseAttestationOptions(string(options))
	if err != nil {
		v.t.Fatal(err)
	}
	if parsed.UserID != string(handle) || v.cred.IsExcludedForAttestation(*parsed) {
		v.t.Fatalf("options: %+v", parsed)
	}
	return []byte(virtualwebauthn.CreateAttestationResponse(v.rp, v.auth, v.cred, *parsed))
}

func (v *virtual) get(options []byte) []byte {
	v.t.Helper()
	parsed, err := virtualwebauthn.ParseAssertionOptions(string(options))
	if err != nil {
		v.t.Fatal(err)
	}
	v.cred.Counter++
	return []byte(virtualwebauthn.CreateAssertionResponse(v.rp, v.auth, v.cred, *parsed))
}

func TestClause4_3_2_AnIndependentClient(t *testing.T) {
	for _, kind := range []virtualwebauthn.KeyType{virtualwebauthn.KeyTypeEC2, virtualwebauthn.KeyTypeRSA} {
		t.Run(string(kind), func(t *testing.T) {
			rp, v := relyingParty(t), newVirtual(t, kind)
			text := challenge("enrol")
			options, err := rp.CreationOptions(fido.CreationInput{Challenge: text, User: fido.User{Handle: handle, Name: "C-1"},
				Exclude: []fido.Descriptor{{ID: random(16)}}})
			if err != nil {
				t.Fatal(err)
			}
			in := fido.RegistrationInput{Credential: v.create(options), Challenge: text, UserVerification: true, Policy: fido.Policy{AllowSelf: true}}
			got := register(t, rp, in)
			if !got.OK || got.Record.Attestation.Trust != fido.TrustSelf {
				t.Fatalf("%+v", got)
			}
			in.Policy = fido.Policy{AllowNone: true}
			if other := register(t, rp, in); other.Reason != fido.AttestationSelf {
				t.Errorf("%+v", other)
			}
			record := got.Record

			login := challenge("login")
			options, err = rp.RequestOptions(fido.RequestInput{Challenge: login, Allow: []fido.Descriptor{record.Descriptor()}})
			if err != nil {
				t.Fatal(err)
			}
			ask := func(challenge []byte) fido.Assertion {
				return answer(t, rp, record, fido.AssertionInput{Credential: v.get(options), Challenge: challenge,
					Allowed: [][]byte{record.ID}, UserVerification: true})
			}
			first := ask(login)
			if !first.OK || first.Factors() != 2 {
				t.Fatalf("%+v", first)
			}
			record = first.Next
			if got := ask(challenge("payment of 10.00")); got.Reason != fido.WrongChallenge {
				t.Errorf("a log-in's response for a payment: %+v", got)
			}
			v.auth.Options.UserNotVerified = true
			if got := ask(login); got.Reason != fido.UserNotVerified {
				t.Errorf("%+v", got)
			}
			v.auth.Options.UserNotPresent, v.auth.Options.UserNotVerified = true, false
			if got := ask(login); got.Reason != fido.UserNotPresent {
				t.Errorf("%+v", got)
			}
			v.auth.Options.UserNotPresent = false
			v.auth.Options.BackupEligible = true
			if got := ask(login); !got.Changed {
				t.Errorf("%+v", got)
			}
			v.auth.Options.BackupEligible = false
			v.rp.Origin = "https://login.bank.example.evil.example"
			if got := ask(login); got.Reason != fido.WrongOrigin {
				t.Errorf("%+v", got)
			}
			v.rp.Origin, v.rp.ID = origin, "evil.example"
			if got := ask(login); got.Reason != fido.WrongRPID {
				t.Errorf("%+v", got)
			}
			v.rp.ID = rpID
			v.cred.Counter = 0
			if got := ask(login); !got.Clone {
				t.Errorf("%+v", got)
			}
		})
	}
}
