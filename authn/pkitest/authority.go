// Package pkitest makes the certificates of tests: roots, authorities, persons'
// cards, each with whatever is wrong with it, and an OCSP responder and a list of
// revoked certificates to serve over HTTP. A card's answers to log-ins and to
// card-sign are made here, too.
package pkitest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"
)

// From and Until are the dates of what is made here unless a change says
// otherwise: wide enough for tests that use the machine's clock.
var (
	From  = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	Until = time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC)
)

// Pair is a certificate and its private key.
type Pair struct {
	*x509.Certificate
	Key crypto.Signer
}

// Template is a certificate to be made: what a change may change.
type Template struct {
	x509.Certificate
	// Kind is the key's kind, as Key has it.
	Kind string
	// With is a key to use instead of a new one.
	With crypto.Signer
}

// Change changes a template before it is signed.
type Change func(*Template)

// Kind asks for a key of the kind, as Key has it.
func Kind(kind string) Change { return func(c *Template) { c.Kind = kind } }

// Dates sets the dates of validity.
func Dates(from, until time.Time) Change {
	return func(c *Template) { c.NotBefore, c.NotAfter = from, until }
}

// Usage sets the key usage; 0 leaves the extension out.
func Usage(u x509.KeyUsage) Change { return func(c *Template) { c.KeyUsage = u } }

// Extended sets the extended key usages; none leaves the extension out.
func Extended(usages ...x509.ExtKeyUsage) Change {
	return func(c *Template) { c.ExtKeyUsage = usages }
}

// Policies sets the certificate policies, dotted.
func Policies(dotted ...string) Change {
	return func(c *Template) {
		c.Policies = nil
		for _, d := range dotted {
			oid, err := x509.ParseOID(d)
			if err != nil {
				panic(err)
			}
			c.Policies = append(c.Policies, oid)
		}
	}
}

// Extension adds an extension; value is its DER.
func Extension(dotted string, critical bool, value []byte) Change {
	return func(c *Template) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: OID(dotted), Critical: critical, Value: value})
	}
}

// Subject sets the subject by attributes, each "dotted=value".
func Subject(attributes ...string) Change {
	return func(c *Template) {
		c.Certificate.Subject = pkix.Name{}
		for _, a := range attributes {
			dotted, value, _ := strings.Cut(a, "=")
			c.Certificate.Subject.ExtraNames = append(c.Certificate.Subject.ExtraNames, pkix.AttributeTypeAndValue{Type: OID(dotted), Value: value})
		}
	}
}

// OID reads a dotted identifier.
func OID(dotted string) (oid asn1.ObjectIdentifier) {
	for arc := range strings.SplitSeq(dotted, ".") {
		n, err := strconv.Atoi(arc)
		if err != nil {
			panic(err)
		}
		oid = append(oid, n)
	}
	return oid
}

// Key makes a key: "P-224", "P-256", "P-384", "P-521", "Ed25519" or RSA by its size,
// "RSA-1024" to "RSA-8192". RSA takes time.
func Key(t testing.TB, kind string) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch kind {
	case "P-224":
		key, err = ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	case "P-256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "P-384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "P-521":
		key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "Ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		size, ok := strings.CutPrefix(kind, "RSA-")
		bits, bad := strconv.Atoi(size)
		if !ok || bad != nil {
			t.Fatalf("no kind of key: %q", kind)
		}
		key, err = rsa.GenerateKey(rand.Reader, bits)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Root makes an authority that signs itself, on P-256.
func Root(t testing.TB, name string, changes ...Change) *Pair {
	t.Helper()
	return issue(t, authority(name), nil, changes)
}

// Authority makes an authority below p, on P-256.
func (p *Pair) Authority(t testing.TB, name string, changes ...Change) *Pair {
	t.Helper()
	return issue(t, authority(name), p, changes)
}

// Card makes a person's log-in certificate below p, on P-256: digitalSignature,
// clientAuth, and the person's key as the subject's serialNumber.
func (p *Pair) Card(t testing.TB, person string, changes ...Change) *Pair {
	t.Helper()
	return issue(t, card(person, x509.KeyUsageDigitalSignature, x509.ExtKeyUsageClientAuth), p, changes)
}

// SigningCard makes a person's certificate for signing documents below p, on P-256:
// contentCommitment alone.
func (p *Pair) SigningCard(t testing.TB, person string, changes ...Change) *Pair {
	t.Helper()
	return issue(t, card(person, x509.KeyUsageContentCommitment), p, changes)
}

// Responding makes a certificate below p that may sign for p's OCSP responder
// (RFC 6960 section 4.2.2.2), on P-256.
func (p *Pair) Responding(t testing.TB, name string, changes ...Change) *Pair {
	t.Helper()
	c := card(name, x509.KeyUsageDigitalSignature, x509.ExtKeyUsageOCSPSigning)
	c.ExtraExtensions = []pkix.Extension{{Id: OID("1.3.6.1.5.5.7.48.1.5"), Value: []byte{5, 0}}} // nocheck
	return issue(t, c, p, changes)
}

func authority(name string) *Template {
	return &Template{Kind: "P-256", Certificate: x509.Certificate{
		Subject: pkix.Name{CommonName: name, Country: []string{"AZ"}}, NotBefore: From, NotAfter: Until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}}
}

func card(person string, usage x509.KeyUsage, extended ...x509.ExtKeyUsage) *Template {
	return &Template{Kind: "P-256", Certificate: x509.Certificate{
		Subject:   pkix.Name{CommonName: "SOMEBODY," + person, SerialNumber: person, Country: []string{"AZ"}},
		NotBefore: From, NotAfter: Until, KeyUsage: usage, ExtKeyUsage: extended, BasicConstraintsValid: true,
	}}
}

// issue signs the template by the authority above, or by its own key.
func issue(t testing.TB, c *Template, above *Pair, changes []Change) *Pair {
	t.Helper()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber = serial.Add(serial, big.NewInt(1))
	for _, change := range changes {
		change(c)
	}
	made := &Pair{Key: c.With}
	if made.Key == nil {
		made.Key = Key(t, c.Kind)
	}
	parent, key := &c.Certificate, made.Key
	if above != nil {
		parent, key = above.Certificate, above.Key
	}
	der, err := x509.CreateCertificate(rand.Reader, &c.Certificate, parent, made.Key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if made.Certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return made
}
