package ca_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mohur/audit"
	"mohur/banktest"
	"mohur/ca"
	"mohur/ident"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
)

// bank is a bank with a certificate authority.
type bank struct {
	*banktest.Bank
	t     *testing.T
	ca    *ca.Service
	admin parties.Caller
}

func newBank(t *testing.T) *bank {
	t.Helper()
	b := &bank{Bank: banktest.New(t), t: t, admin: parties.Caller{Kind: "client", ID: "cl_admin", Name: "admin", Roles: []parties.Role{parties.Admin}, Request: ident.New("rq")}}
	b.ca = b.authority()
	return b
}

// authority is the service as after a start.
func (b *bank) authority() *ca.Service {
	return &ca.Service{Store: b.Store, Settler: b.Store, HSM: b.HSM, Audit: b.Audit, Settings: ca.Settings{Organization: "A Bank", CRLURL: "https://bank.test/ca/crl.der"}, Now: b.Clock.Now}
}

func (b *bank) create() *x509.Certificate {
	b.t.Helper()
	a, err := b.ca.Create(b.t.Context(), b.admin, "A Bank E-token CA")
	if err != nil {
		b.t.Fatal(err)
	}
	return b.parse(a.Certificate)
}

func (b *bank) parse(der []byte) *x509.Certificate {
	b.t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// issue issues and settles.
func (b *bank) issue(token string, request []byte, attestation ...[]byte) (ca.Certificate, settle.Outcome, error) {
	b.t.Helper()
	c, effects, events, err := b.ca.Issue(b.t.Context(), ca.Order{Caller: b.admin, Token: token, Serial: "12345", Request: request, Attestation: attestation})
	if err != nil {
		return c, 0, err
	}
	return c, b.settle(effects, events), nil
}

func (b *bank) settle(effects []settle.Effect, events []audit.Event) settle.Outcome {
	b.t.Helper()
	r, err := settle.Write(b.t.Context(), b.Store, b.Audit, effects, events)
	if err != nil {
		b.t.Fatal(err)
	}
	return r.Outcome
}

func request(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "whoever", SerialNumber: "somebody else"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Clause 4.3.2: a key made on a token is certified by the bank's own authority, for
// log-in and nothing else, and says nothing of its holder.
func TestClause4_3_2_CertificateOfAnEToken(t *testing.T) {
	b := newBank(t)
	key := ecKey(t, elliptic.P256())
	if _, _, err := b.issue("tk_1", request(t, key)); !problem.Is(err, problem.NotFound) || !strings.Contains(err.Error(), "mohur ca create") {
		t.Errorf("without an authority: %v", err)
	}
	root := b.create()
	if _, err := b.ca.Create(t.Context(), b.admin, "another"); !problem.Is(err, problem.Conflict) {
		t.Errorf("a second authority: %v", err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(root)
	for i, k := range []crypto.Signer{key, ecKey(t, elliptic.P384()), rsaKey} {
		token := "tk_" + string(rune('a'+i))
		c, outcome, err := b.issue(token, request(t, k))
		if err != nil || outcome != settle.Done {
			t.Fatalf("%T: %v, %v", k, outcome, err)
		}
		cert := b.parse(c.DER)
		if _, err := cert.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: b.Clock.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
			t.Error(err)
		}
		if _, err := cert.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: b.Clock.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err == nil {
			t.Error("the certificate is good for a server")
		}
		if cert.KeyUsage != x509.KeyUsageDigitalSignature || cert.IsCA || !cert.BasicConstraintsValid {
			t.Errorf("key usage %b, authority %v", cert.KeyUsage, cert.IsCA)
		}
		if got := cert.Subject.String(); got != "SERIALNUMBER="+token+",CN=12345,O=A Bank" {
			t.Errorf("subject %s", got)
		}
		if n := cert.SerialNumber.BitLen(); n != 127 {
			t.Errorf("a serial of %d bits", n)
		}
		if known, revoked, err := b.ca.Status(t.Context(), c.DER); !known || revoked || err != nil {
			t.Errorf("status %v, %v, %v", known, revoked, err)
		}
	}
}

// A request whose key is weak, is not proven, or was certified before gets nothing.
func TestRequestsRefused(t *testing.T) {
	b := newBank(t)
	b.create()
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	good := request(t, ecKey(t, elliptic.P256()))
	forged := bytes.Clone(good)
	forged[len(forged)-1] ^= 1
	for name, der := range map[string][]byte{
		"nothing": nil, "no request": []byte("x"), "too long": make([]byte, ca.MaxRequest+1), "a forged signature": forged,
		"RSA 1024": request(t, weak), "P-224": request(t, ecKey(t, elliptic.P224())), "P-521": request(t, ecKey(t, elliptic.P521())),
		"more behind it": append(bytes.Clone(good), 0),
	} {
		if _, _, err := b.issue("tk_1", der); !problem.Is(err, problem.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, outcome, err := b.issue("tk_1", good); err != nil || outcome != settle.Done {
		t.Fatalf("%v, %v", outcome, err)
	}
	for _, token := range []string{"tk_1", "tk_2"} {
		if _, outcome, err := b.issue(token, good); err != nil || outcome != settle.Exists {
			t.Errorf("the same key for %s: %v, %v", token, outcome, err)
		}
	}
}

// A token has one certificate in force: the next one revokes it in the same write.
// The list tells it, to others' software too, and its number only rises.
func TestClause5_17_3_RevocationList(t *testing.T) {
	b := newBank(t)
	root := b.create()
	first := b.list(root, 1)
	old, _, err := b.issue("tk_1", request(t, ecKey(t, elliptic.P256())))
	if err != nil {
		t.Fatal(err)
	}
	if next, _, err := b.issue("tk_1", request(t, ecKey(t, elliptic.P256()))); err != nil || next.Serial == old.Serial {
		t.Fatal(err)
	}
	if known, revoked, err := b.ca.Status(t.Context(), old.DER); !known || !revoked || err != nil {
		t.Errorf("the old one: %v, %v, %v", known, revoked, err)
	}
	if again, err := b.ca.CRL(t.Context()); err != nil || !bytes.Equal(again, first) {
		t.Errorf("a list within the minute was made anew, %v", err)
	}
	b.Clock.Forward(time.Minute)
	second := b.list(root, 2, old.Serial)
	b.openssl(root, old.DER, second, "certificate revoked")

	b.ca = b.authority() // after a restart the stored list is served
	if again, err := b.ca.CRL(t.Context()); err != nil || !bytes.Equal(again, second) {
		t.Errorf("after a restart, %v", err)
	}
	b.Clock.Forward(61 * time.Minute)
	b.list(root, 3, old.Serial)
	b.Clock.Forward(ca.DefaultLife)
	b.list(root, 4) // what has ended is not listed any more
}

// list returns the list after it was verified to have that number and entries.
func (b *bank) list(root *x509.Certificate, number int64, serials ...string) []byte {
	b.t.Helper()
	der, err := b.ca.CRL(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := list.CheckSignatureFrom(root); err != nil {
		b.t.Error(err)
	}
	var got []string
	for _, e := range list.RevokedCertificateEntries {
		got = append(got, hex.EncodeToString(e.SerialNumber.Bytes()))
	}
	if list.Number.Int64() != number || !slices.Equal(got, serials) || list.NextUpdate.Sub(list.ThisUpdate) != ca.DefaultCRLLife {
		b.t.Errorf("number %v, %v until %v; want %d, %v", list.Number, got, list.NextUpdate, number, serials)
	}
	return der
}

// openssl asks another implementation.
func (b *bank) openssl(root *x509.Certificate, cert, crl []byte, want string) {
	b.t.Helper()
	dir := b.t.TempDir()
	file := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			b.t.Fatal(err)
		}
		return path
	}
	out, err := exec.Command("openssl", "verify", "-attime", big.NewInt(b.Clock.Now().Unix()).String(), "-CAfile", file("root", "CERTIFICATE", root.Raw),
		"-crl_check", "-CRLfile", file("crl", "X509 CRL", crl), file("cert", "CERTIFICATE", cert)).CombinedOutput()
	if err == nil || !strings.Contains(string(out), want) {
		b.t.Errorf("openssl: %v\n%s", err, out)
	}
}

// A record that somebody edited fails the list instead of leaving it unseen.
func TestAttack02_AnEditedRevocationIsFound(t *testing.T) {
	b := newBank(t)
	b.create()
	c, _, err := b.issue("tk_1", request(t, ecKey(t, elliptic.P256())))
	if err != nil {
		t.Fatal(err)
	}
	effects, events, err := b.ca.Revoke(t.Context(), b.admin, "tk_1", ca.KeyCompromise)
	if err != nil || b.settle(effects, events) != settle.Done {
		t.Fatal(err)
	}
	stored, err := b.Engine.Certificate(t.Context(), c.Serial)
	if err != nil {
		t.Fatal(err)
	}
	stored.NotAfter, stored.Version = stored.NotAfter.Add(time.Hour), stored.Version+1 // its MAC is kept
	d, err := b.Audit.Draft(t.Context(), audit.Event{Name: "thief", Outcome: "done", Detail: 1})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := b.Engine.Settle(context.Background(), settle.Command{Effects: []settle.Effect{ca.SaveCertificate{Certificate: stored}}, Entries: []audit.Draft{d}}); err != nil || r.Outcome != settle.Done {
		t.Fatal(r, err)
	}
	if _, err := b.ca.CRL(t.Context()); !problem.Is(err, problem.Unavailable) {
		t.Errorf("a list over an edited record: %v", err)
	}
	if _, _, err := b.ca.Status(t.Context(), c.DER); !problem.Is(err, problem.Unavailable) {
		t.Errorf("the status of an edited record: %v", err)
	}
}

// A bank that has a root already stands its authority under it.
func TestAuthorityUnderAnotherRoot(t *testing.T) {
	b := newBank(t)
	der, err := b.ca.Request(t.Context(), "A Bank E-token CA")
	if err != nil {
		t.Fatal(err)
	}
	asked, err := x509.ParseCertificateRequest(der)
	if err != nil || asked.CheckSignature() != nil {
		t.Fatal(err, asked.CheckSignature())
	}
	above := newMaker(t, "Root", nil)
	good := above.sign(t, &x509.Certificate{
		Subject: asked.Subject, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, SubjectKeyId: []byte{1, 2, 3},
	}, asked.PublicKey)
	for name, c := range map[string]struct{ der, root []byte }{
		"another key":   {newMaker(t, "x", above).cert.Raw, above.cert.Raw},
		"no authority":  {above.sign(t, &x509.Certificate{Subject: asked.Subject}, asked.PublicKey), above.cert.Raw},
		"another root":  {good, newMaker(t, "Root", nil).cert.Raw},
		"no chain":      {good, nil},
		"no root":       {good, newMaker(t, "Root", above).cert.Raw},
		"not in DER":    {[]byte("x"), above.cert.Raw},
		"a root itself": {good, good},
	} {
		chain := [][]byte{c.root}
		if c.root == nil {
			chain = nil
		}
		if _, err := b.ca.Adopt(t.Context(), b.admin, c.der, chain); !problem.Is(err, problem.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := b.ca.Adopt(t.Context(), b.admin, good, [][]byte{above.cert.Raw}); err != nil {
		t.Fatal(err)
	}
	c, _, err := b.issue("tk_1", request(t, ecKey(t, elliptic.P256())))
	if err != nil {
		t.Fatal(err)
	}
	// The authority's own certificate ends one day, and another takes its place.
	again := &x509.Certificate{Subject: asked.Subject, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, SubjectKeyId: []byte{1, 2, 3}}
	renewed := above.sign(t, again, asked.PublicKey)
	again.Subject = pkix.Name{CommonName: "another name"}
	if _, err := b.ca.Adopt(t.Context(), b.admin, above.sign(t, again, asked.PublicKey), [][]byte{above.cert.Raw}); !problem.Is(err, problem.Invalid) {
		t.Errorf("another name: %v", err)
	}
	if a, err := b.ca.Adopt(t.Context(), b.admin, renewed, [][]byte{above.cert.Raw}); err != nil || !bytes.Equal(a.Certificate, renewed) {
		t.Errorf("renewed: %v", err)
	}
	if _, err := b.ca.Create(t.Context(), b.admin, "A Bank E-token CA"); !problem.Is(err, problem.Conflict) {
		t.Errorf("a root of its own beside it: %v", err)
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(above.cert)
	between.AddCert(b.parse(good))
	if _, err := b.parse(c.DER).Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: b.Clock.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Error(err)
	}
}

// Clause 5.21: where a device can prove that it made the key itself, the bank can
// ask for that proof; a key made elsewhere has none.
func TestClause5_21_AttestedKeys(t *testing.T) {
	b := newBank(t)
	b.create()
	root := newMaker(t, "Maker's root", nil)
	b.ca.Settings.Attestation, b.ca.Settings.Attested = x509.NewCertPool(), true
	b.ca.Settings.Attestation.AddCert(root.cert)
	device, other := newMaker(t, "Device", root), newMaker(t, "Device", newMaker(t, "Maker's root", nil))
	key := ecKey(t, elliptic.P256())
	proof := func(m *maker, serial any, public crypto.PublicKey) [][]byte {
		value, err := asn1.Marshal(serial)
		if err != nil {
			t.Fatal(err)
		}
		return [][]byte{m.sign(t, &x509.Certificate{ExtraExtensions: []pkix.Extension{{Id: attestedSerial, Value: value}, {Id: attestedPolicy, Value: []byte{2, 1}}}}, public), m.cert.Raw}
	}
	for name, chain := range map[string][][]byte{
		"none": nil, "of another key": proof(device, 12345, &ecKey(t, elliptic.P256()).PublicKey), "of another maker": proof(other, 12345, &key.PublicKey),
		"of another device": proof(device, 54321, &key.PublicKey), "without a serial": {device.sign(t, &x509.Certificate{}, &key.PublicKey), device.cert.Raw},
		"with a text for a serial": proof(device, "12345", &key.PublicKey), "one certificate": proof(device, 12345, &key.PublicKey)[:1],
		"another device's": {proof(device, 12345, &key.PublicKey)[0], other.cert.Raw},
	} {
		if _, _, err := b.issue("tk_1", request(t, key), chain...); !problem.Is(err, problem.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c, outcome, err := b.issue("tk_1", request(t, key), proof(device, 12345, &key.PublicKey)...)
	if err != nil || outcome != settle.Done || c.Attested != "12345" {
		t.Errorf("%v, %v, attested %q", outcome, err, c.Attested)
	}
}

// What a device says of a key it made: its own serial, and when the key asks for the
// PIN and for a touch.
var (
	attestedSerial = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, 7}
	attestedPolicy = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, 8}
)

// maker makes certificates.
type maker struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newMaker(t *testing.T, name string, above *maker) *maker {
	t.Helper()
	m := &maker{key: ecKey(t, elliptic.P256())}
	signer := above
	if above == nil {
		signer = &maker{key: m.key}
	}
	der := signer.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}, &m.key.PublicKey)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	m.cert = cert
	return m
}

func (m *maker) sign(t *testing.T, template *x509.Certificate, public crypto.PublicKey) []byte {
	t.Helper()
	parent := m.cert
	if parent == nil {
		parent = template
	}
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(5*365*24*time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, m.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func FuzzRequest(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Add([]byte{0x30, 0x80})
	f.Fuzz(func(t *testing.T, der []byte) {
		if public, err := ca.ReadRequest(der); err == nil && public == nil {
			t.Error("a request without a key passed")
		}
	})
}
