package fido_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"mohur/authn/fido"
)

// The models of the tests' maker.
var (
	model   = fido.AAGUID{1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8}
	another = fido.AAGUID{9, 9, 9, 9, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8}
)

var (
	oidAAGUID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}
	oidSernum = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 2}
)

// authority signs certificates.
type authority struct {
	t    testing.TB
	key  crypto.Signer
	cert *x509.Certificate
}

var serial int64 = 0x1000

// newAuthority makes a root, or an authority below another.
func newAuthority(t testing.TB, name string, above *authority, change ...func(*x509.Certificate)) *authority {
	t.Helper()
	a := &authority{t: t, key: ecKey(t, elliptic.P256())}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	for _, c := range change {
		c(template)
	}
	by := above
	if by == nil {
		by = &authority{t: t, key: a.key, cert: template}
	}
	a.cert = by.issue(template, a.key.Public())
	return a
}

func ecKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	size := (curve.Params().BitSize + 7) / 8
	for { // until it is below the order
		secret := random(size)
		secret[0] &= byte(1<<(curve.Params().BitSize-8*(size-1)) - 1)
		if k, err := ecdsa.ParseRawPrivateKey(curve, secret); err == nil {
			return k
		}
	}
}

// issue signs a certificate, valid from 1999 to 2099 unless the template says.
func (a *authority) issue(template *x509.Certificate, public any) *x509.Certificate {
	a.t.Helper()
	if template.SerialNumber == nil {
		serial++
		template.SerialNumber = big.NewInt(serial)
	}
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, public, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

// maker is a manufacturer's line of one model: its attestation certificate and
// key.
type maker struct {
	root *authority
	key  crypto.Signer
	x5c  []*x509.Certificate
}

// attestationTemplate is a certificate as section 8.2.1 asks.
func attestationTemplate(aaguid fido.AAGUID) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{Country: []string{"AZ"}, Organization: []string{"Maker"},
			OrganizationalUnit: []string{"Authenticator Attestation"}, CommonName: "Maker Key"},
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtraExtensions: []pkix.Extension{octets(oidAAGUID, aaguid[:])},
	}
}

func octets(id asn1.ObjectIdentifier, content []byte) pkix.Extension {
	der, err := asn1.Marshal(content)
	if err != nil {
		panic(err)
	}
	return pkix.Extension{Id: id, Value: der}
}

func newMaker(t testing.TB, change ...func(*x509.Certificate)) *maker {
	t.Helper()
	return makerUnder(t, newAuthority(t, "Maker Root", nil), change...)
}

func makerUnder(t testing.TB, root *authority, change ...func(*x509.Certificate)) *maker {
	t.Helper()
	m := &maker{root: root, key: ecKey(t, elliptic.P256())}
	template := attestationTemplate(model)
	for _, c := range change {
		c(template)
	}
	m.x5c = []*x509.Certificate{m.root.issue(template, m.key.Public())}
	return m
}

func ders(certs []*x509.Certificate) (out []any) {
	for _, c := range certs {
		out = append(out, c.Raw)
	}
	return out
}

// packed attests in the packed format (section 8.2).
func (m *maker) packed(d *device, authData, hash []byte) (string, map[string]any) {
	return "packed", map[string]any{
		"alg": -7, "sig": signWith(d.t, m.key, slices.Concat(authData, hash)), "x5c": ders(m.x5c),
	}
}

// u2f attests in the fido-u2f format (section 8.6).
func (m *maker) u2f(d *device, authData, hash []byte) (string, map[string]any) {
	public := slices.Concat([]byte{4}, d.cose[-2].([]byte), d.cose[-3].([]byte))
	message := slices.Concat([]byte{0}, authData[:32], hash, d.id, public)
	return "fido-u2f", map[string]any{"sig": signWith(d.t, m.key, message), "x5c": ders(m.x5c)}
}

// alliance signs BLOBs.
type alliance struct {
	root  *authority
	key   crypto.Signer
	x5c   []*x509.Certificate
	trust fido.BLOBTrust
}

const signerName = "mds.alliance.example"

func newAlliance(t testing.TB, change ...func(*x509.Certificate)) *alliance {
	t.Helper()
	a := &alliance{root: newAuthority(t, "Alliance Root", nil), key: ecKey(t, elliptic.P256())}
	middle := newAuthority(t, "Alliance CA", a.root)
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: signerName}, DNSNames: []string{signerName},
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	for _, c := range change {
		c(template)
	}
	a.x5c = []*x509.Certificate{middle.issue(template, a.key.Public()), middle.cert}
	a.trust = fido.BLOBTrust{Roots: []*x509.Certificate{a.root.cert}, Name: signerName}
	return a
}

// payload of a BLOB, as the tests write it.
type payload struct {
	LegalHeader string  `json:"legalHeader"`
	No          int     `json:"no"`
	NextUpdate  string  `json:"nextUpdate"`
	Entries     []entry `json:"entries"`
}

type entry struct {
	AAGUID    string    `json:"aaguid,omitempty"`
	KeyIDs    []string  `json:"attestationCertificateKeyIdentifiers,omitempty"`
	Statement statement `json:"metadataStatement"`
	Reports   []report  `json:"statusReports"`
	Changed   string    `json:"timeOfLastStatusChange"`
}

type statement struct {
	Description   string   `json:"description"`
	Types         []string `json:"attestationTypes"`
	KeyProtection []string `json:"keyProtection"`
	Roots         []string `json:"attestationRootCertificates"`
	Icon          string   `json:"icon,omitempty"`
}

type report struct {
	Status string `json:"status"`
	From   string `json:"effectiveDate,omitempty"`
	Until  string `json:"sunsetDate,omitempty"`
	Cert   string `json:"certificate,omitempty"`
	Batch  string `json:"batchCertificate,omitempty"`
}

// entryFor lists a model of the maker as certified hardware.
func entryFor(m *maker, aaguid fido.AAGUID, change ...func(*entry)) entry {
	e := entry{
		AAGUID: aaguid.String(), Changed: "2026-01-01",
		Statement: statement{Description: "Maker Key", Types: []string{"basic_full"},
			KeyProtection: []string{"hardware", "secure_element"}, Roots: []string{base64.StdEncoding.EncodeToString(m.root.cert.Raw)}},
		Reports: []report{{Status: "FIDO_CERTIFIED_L1", From: "2020-01-01"}, {Status: "FIDO_CERTIFIED_L2", From: "2022-01-01"}},
	}
	for _, c := range change {
		c(&e)
	}
	return e
}

func status(reports ...report) func(*entry) {
	return func(e *entry) { e.Reports = append(e.Reports, reports...) }
}

// blob signs entries as number 7, due again in a month.
func (a *alliance) blob(t testing.TB, entries ...entry) []byte {
	t.Helper()
	return a.sign(t, payload{No: 7, NextUpdate: "2026-04-01", Entries: entries})
}

func (a *alliance) sign(t testing.TB, p any) []byte {
	t.Helper()
	text, ok := p.([]byte)
	if !ok {
		var err error
		if text, err = json.Marshal(p); err != nil {
			t.Fatal(err)
		}
	}
	return jwsOf(t, jose.ES256, a.key, map[string]any{"x5c": texts(a.x5c)}, text)
}

func texts(certs []*x509.Certificate) (out []string) {
	for _, c := range certs {
		out = append(out, base64.StdEncoding.EncodeToString(c.Raw))
	}
	return out
}

func jwsOf(t testing.TB, alg jose.SignatureAlgorithm, key any, header map[string]any, text []byte) []byte {
	t.Helper()
	options := &jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{}}
	for k, v := range header {
		options.ExtraHeaders[jose.HeaderKey(k)] = v
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return []byte(compact)
}

// metadata parses a BLOB of these entries.
func metadataOf(t testing.TB, entries ...entry) *fido.Metadata {
	t.Helper()
	a := newAlliance(t)
	m, err := fido.ParseBLOB(a.blob(t, entries...), a.trust, fido.Number{}, today)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func noConstraints(c *x509.Certificate) { c.BasicConstraintsValid = false }

// keyID is the SHA-1 of a certificate's key, as metadata lists it.
func keyID(c *x509.Certificate) string {
	raw, err := c.PublicKey.(*ecdsa.PublicKey).Bytes()
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("%x", sha1.Sum(raw))
}
