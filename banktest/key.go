package banktest

import (
	"encoding/json"

	"github.com/descope/virtualwebauthn"

	"mohur/authn/fido"
	"mohur/enrollment"
	"mohur/parties"
	"mohur/tokens"
)

// AllowKeys makes the bank take FIDO2 keys by a policy, at its own address.
func (b *Bank) AllowKeys(f enrollment.FIDO) {
	b.T.Helper()
	if f.RP == nil {
		var err error
		f.RP, err = fido.New(fido.Settings{RPID: "bank.test", RPName: "A Bank", Origins: []string{Issuer}})
		b.must(err)
	}
	b.FIDO = f
	b.Authn.FIDO, b.Authn.Nameless, b.Authn.Models, b.Enrollment.FIDO = f.RP, f.Discoverable(), f.Metadata, f
}

// Key is a FIDO2 key with its browser, by virtualwebauthn: code that is not the
// server's.
type Key struct {
	Token tokens.Token
	Site  virtualwebauthn.RelyingParty // what the browser believes
	Auth  virtualwebauthn.Authenticator
	Cred  virtualwebauthn.Credential

	bank *Bank
}

// NewKey returns a key that nobody knows yet, which verifies its user.
func (b *Bank) NewKey() *Key {
	k := &Key{bank: b, Site: virtualwebauthn.RelyingParty{ID: "bank.test", Name: "A Bank", Origin: Issuer}, Auth: virtualwebauthn.NewAuthenticator()}
	// It leaves out leading zeros of a coordinate, which makes an invalid key of one
	// in 128.
	for k.Cred = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2); len(k.Cred.Key.AttestationData()) != 77; {
		k.Cred = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	}
	return k
}

// Create answers creation options. A key that is asked to keeps the account.
func (k *Key) Create(options []byte) []byte {
	k.bank.T.Helper()
	o, err := virtualwebauthn.ParseAttestationOptions(string(options))
	k.bank.must(err)
	var asked struct {
		AuthenticatorSelection struct{ ResidentKey fido.Need }
	}
	k.bank.must(json.Unmarshal(options, &asked))
	if n := asked.AuthenticatorSelection.ResidentKey; n == fido.Required || n == fido.Preferred {
		k.Auth.Options.UserHandle = []byte(o.UserID)
	}
	return []byte(virtualwebauthn.CreateAttestationResponse(k.Site, k.Auth, k.Cred, *o))
}

// Get answers request options, and counts.
func (k *Key) Get(options []byte) []byte {
	k.bank.T.Helper()
	o, err := virtualwebauthn.ParseAssertionOptions(string(options))
	k.bank.must(err)
	k.Cred.Counter++
	return []byte(virtualwebauthn.CreateAssertionResponse(k.Site, k.Auth, k.Cred, *o))
}

// Enrol registers a key for a customer by way of an activation secret.
func (b *Bank) Enrol(k *Key, customer string) {
	b.T.Helper()
	p := b.BeginKey(customer)
	var err error
	k.Token, err = b.Enrollment.FinishKey(b.T.Context(), enrollment.KeyAnswer{Caller: b.Front(), ID: p.ID, Credential: k.Create(p.PublicKey)})
	b.must(err)
}

// BeginKey begins a registration by way of an activation secret.
func (b *Bank) BeginKey(customer string) enrollment.PendingKey {
	b.T.Helper()
	sent, err := b.Enrollment.SendSecret(b.T.Context(), enrollment.SecretCommand{Caller: b.Staff(), Customer: customer, Purpose: "enroll", Channel: "email"})
	b.must(err)
	p, err := b.Enrollment.BeginKey(b.T.Context(), enrollment.KeyCommand{Caller: b.Front(), Customer: customer, Proof: enrollment.Proof{ActivationSecret: sent.Text}})
	b.must(err)
	return p
}

// Holder is a customer with a key that verifies its user, and nothing else.
func (b *Bank) Holder() (parties.Customer, *Key) {
	b.T.Helper()
	c, k := b.Customer(), b.NewKey()
	b.Enrol(k, c.ID)
	return c, k
}
