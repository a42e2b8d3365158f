package banktest

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"strings"

	"mohur/authn/card"
	"mohur/authn/pkitest"
	"mohur/authn/revocation"
	"mohur/ca"
	"mohur/enrollment"
	"mohur/parties"
	"mohur/tokens"
)

// OwnProfile is the issuer profile of the bank's own authority.
const OwnProfile = "bank"

// AllowOwnCards makes the bank take the certificates of its own authority, which need
// not be there yet. Bank.Open ends it.
func (b *Bank) AllowOwnCards() {
	b.T.Helper()
	v, err := card.New(card.Settings{Origins: []string{Issuer}, Status: &revocation.Checker{Now: b.Clock.Now}, Issuers: []card.Issuer{
		{Name: OwnProfile, Own: enrollment.OwnCards{CA: b.CA}, Subject: "serialNumber", LogIn: true},
	}})
	b.must(err)
	b.TakeCards(v)
	b.CardRules.SubjectIs = map[string]string{OwnProfile: enrollment.SubjectToken}
	b.Enrollment.Cards = b.CardRules
}

// MakeAuthority makes the bank's own authority.
func (b *Bank) MakeAuthority() {
	b.T.Helper()
	_, err := b.CA.Create(b.T.Context(), parties.Caller{ID: "cl_admin"}, "A Bank E-token CA")
	b.must(err)
}

// EToken brings an E-token of the bank's into stock and hands it to a customer.
func (b *Bank) EToken(serial, customer string) tokens.Token {
	b.T.Helper()
	cmd := enrollment.ImportCommand{
		Caller: b.Staff(), Format: enrollment.FormatSerials, Profile: "acos5", File: strings.NewReader("serial,manufacturer,model\n" + serial + ",ACS,ACOS5-64\n"),
	}
	job, err := b.Enrollment.BeginImport(b.T.Context(), &cmd)
	b.must(err)
	_, err = b.Enrollment.RunImport(b.T.Context(), cmd, job)
	b.must(err)
	var t tokens.Token
	for _, m := range []tokens.Move{tokens.Assign, tokens.Deliver} {
		t, err = b.Enrollment.Move(b.T.Context(), enrollment.MoveCommand{Caller: b.Staff(), Token: "serial:" + serial, Move: m, Customer: customer})
		b.must(err)
	}
	return t
}

// Certify makes a key of the kind (as pkitest.Key has it) and has the bank's authority
// certify it for a token.
func (b *Bank) Certify(token, kind string) (*Card, ca.Certificate) {
	b.T.Helper()
	key := pkitest.Key(b.T, kind)
	c, err := b.Enrollment.IssueCertificate(b.T.Context(), enrollment.CertificateCommand{Caller: b.Staff(), Token: token, Request: requestOf(b, key)})
	b.must(err)
	parsed, err := x509.ParseCertificate(c.DER)
	b.must(err)
	return &Card{Pair: &pkitest.Pair{Certificate: parsed, Key: key}, Origin: Issuer, bank: b}, c
}

func requestOf(b *Bank, key crypto.Signer) []byte {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	b.must(err)
	return der
}
