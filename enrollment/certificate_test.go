package enrollment_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"sync"
	"testing"

	"mohur/banktest"
	"mohur/ca"
	"mohur/enrollment"
	"mohur/parties"
	"mohur/problem"
	"mohur/tokens"
	"mohur/tokens/pskc"
)

// eToken is a token of stock that is assigned to a customer.
func eToken(t *testing.T, b *banktest.Bank, serial, customer string) tokens.Token {
	t.Helper()
	job := runs(t, b, []byte("serial,manufacturer,model\n"+serial+",ACS,ACOS5-64\n"), enrollment.ImportCommand{Format: enrollment.FormatSerials, Profile: "acos5"})
	if job.State != tokens.ImportCompleted || job.Imported != 1 {
		t.Fatalf("%+v", job)
	}
	tk, err := b.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: b.Staff(), Token: "serial:" + serial, Move: tokens.Assign, Customer: customer})
	if err != nil {
		t.Fatal(err)
	}
	return tk
}

func keyRequest(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func certified(b *banktest.Bank, t *testing.T, token string, request []byte) (ca.Certificate, error) {
	t.Helper()
	return b.Enrollment.IssueCertificate(t.Context(), enrollment.CertificateCommand{Caller: b.Staff(), Token: token, Request: request})
}

// Clause 4.3.2: an E-token's key is certified once the token has its customer, and
// the certificate ends with the token.
func TestClause4_3_2_ACertificateLivesWithItsToken(t *testing.T) {
	b := banktest.New(t)
	customer := b.Customer().ID
	if _, err := b.CA.Create(t.Context(), parties.Caller{ID: "cl_admin"}, "A Bank E-token CA"); err != nil {
		t.Fatal(err)
	}
	tk := eToken(t, b, "0001", customer)
	request := keyRequest(t)
	c, err := certified(b, t, tk.ID, request)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := certified(b, t, tk.ID, request); !problem.Is(err, problem.Conflict) {
		t.Errorf("the same key again: %v", err)
	}
	other := eToken(t, b, "0002", customer)
	if _, err := certified(b, t, other.ID, request); !problem.Is(err, problem.Conflict) {
		t.Errorf("the same key on another token: %v", err)
	}
	for _, m := range []enrollment.MoveCommand{{Move: tokens.Deliver}, {Move: tokens.Revoke, Reason: "end"}} {
		m.Caller, m.Token = b.Staff(), tk.ID
		if _, revoked, err := b.CA.Status(t.Context(), c.DER); revoked || err != nil {
			t.Errorf("before %s: %v, %v", m.Move, revoked, err)
		}
		if _, err := b.Enrollment.Move(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if _, revoked, err := b.CA.Status(t.Context(), c.DER); !revoked || err != nil {
		t.Errorf("after the token's end: %v, %v", revoked, err)
	}
	list, err := b.CA.CRL(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	crl, err := x509.ParseRevocationList(list)
	if err != nil || len(crl.RevokedCertificateEntries) != 1 || hex.EncodeToString(crl.RevokedCertificateEntries[0].SerialNumber.Bytes()) != c.Serial {
		t.Errorf("the list: %v, %v", crl.RevokedCertificateEntries, err)
	}
	if _, err := certified(b, t, tk.ID, keyRequest(t)); !problem.Is(err, problem.Conflict) {
		t.Errorf("a revoked token: %v", err)
	}
	// Lost on its way: the token is revoked, and its certificate with it.
	lost, err := certified(b, t, other.ID, keyRequest(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Enrollment.Report(t.Context(), b.Staff(), other.ID, "lost", ""); err != nil {
		t.Fatal(err)
	}
	if _, revoked, err := b.CA.Status(t.Context(), lost.DER); !revoked || err != nil {
		t.Errorf("lost on its way: %v, %v", revoked, err)
	}
	codes := b.Import(1, pskc.HOTP)
	if _, err := certified(b, t, codes[0].ID, keyRequest(t)); !problem.Is(err, problem.Conflict) {
		t.Errorf("a generator of codes: %v", err)
	}
}

// However many ask at once, a token has one certificate in force.
func TestOneCertificateInForce(t *testing.T) {
	b := banktest.New(t)
	customer := b.Customer().ID
	if _, err := b.CA.Create(t.Context(), parties.Caller{ID: "cl_admin"}, "A Bank E-token CA"); err != nil {
		t.Fatal(err)
	}
	tk := eToken(t, b, "0001", customer)
	var all sync.WaitGroup
	for range 8 {
		request := keyRequest(t)
		all.Go(func() {
			if _, err := certified(b, t, tk.ID, request); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	list, err := b.Store.CertificatesOf(t.Context(), tk.ID)
	if err != nil || len(list) != 8 {
		t.Fatalf("%d certificates, %v", len(list), err)
	}
	inForce := slices.DeleteFunc(list, func(c ca.Certificate) bool { return !c.RevokedAt.IsZero() })
	if len(inForce) != 1 {
		t.Errorf("%d are in force", len(inForce))
	}
}
