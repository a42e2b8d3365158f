package card_test

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"mohur/authn/card"
	"mohur/authn/pkitest"
)

// asked are the reasons behind which the responder was asked. Before them no
// address is contacted: the chain is not trusted yet.
var asked = []card.Reason{"", card.Revoked, card.StatusUnknown, card.StatusUnavailable, card.WrongAlgorithm, card.WrongSignature}

func der(t testing.TB, v any) []byte {
	t.Helper()
	b, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What crypto/x509 alone accepts, and what it refuses: every trap is one
// certificate of an authority the bank trusts.
func TestCertificates(t *testing.T) {
	b := fix(t)
	digital := x509.KeyUsageDigitalSignature
	commit := x509.KeyUsageContentCommitment
	noPolicy := func(*card.Issuer) {}
	dual := func(p *card.Issuer) { p.DualUse = true }
	disallowed := func(p *card.Issuer) { p.Disallowed = []string{"1.2.3.4.5", policy} }
	only := func(p *card.Issuer) { p.Policies = []string{"1.2.3.4.5", policy} }
	by := func(dotted string) func(*card.Issuer) { return func(p *card.Issuer) { p.Subject = dotted } }
	twice, err := asn1.Marshal(pkix.RDNSequence{{{Type: pkitest.OID("2.5.4.5"), Value: "AZE1"}, {Type: pkitest.OID("2.5.4.5"), Value: "AZE2"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		changes []pkitest.Change
		profile func(*card.Issuer)
		want    card.Reason
	}{
		{"P-256", nil, noPolicy, ""},
		{"P-384", []pkitest.Change{pkitest.Kind("P-384")}, noPolicy, ""},
		{"P-521", []pkitest.Change{pkitest.Kind("P-521")}, noPolicy, ""},
		{"RSA-2048", []pkitest.Change{pkitest.Kind("RSA-2048")}, noPolicy, ""},
		{"RSA-3072", []pkitest.Change{pkitest.Kind("RSA-3072")}, noPolicy, ""},
		{"RSA-1024", []pkitest.Change{pkitest.Kind("RSA-1024")}, noPolicy, card.WeakKey},
		{"RSA-2040", []pkitest.Change{pkitest.Kind("RSA-2040")}, noPolicy, card.WeakKey},
		{"P-224", []pkitest.Change{pkitest.Kind("P-224")}, noPolicy, card.WeakKey},
		{"Ed25519", []pkitest.Change{pkitest.Kind("Ed25519")}, noPolicy, card.WeakKey},

		{"a CA", []pkitest.Change{func(c *pkitest.Template) { c.IsCA = true }}, noPolicy, card.CAAsLeaf},
		{"keyCertSign without cA", []pkitest.Change{func(c *pkitest.Template) { c.BasicConstraintsValid, c.KeyUsage = false, digital|x509.KeyUsageCertSign }}, noPolicy, card.CAAsLeaf},
		{"cRLSign", []pkitest.Change{pkitest.Usage(digital | x509.KeyUsageCRLSign)}, noPolicy, card.CAAsLeaf},
		{"unknown critical extension", []pkitest.Change{pkitest.Extension("1.2.3.4.5.6", true, []byte{5, 0})}, noPolicy, card.CriticalExtension},
		{"unknown extension", []pkitest.Change{pkitest.Extension("1.2.3.4.5.6", false, []byte{5, 0})}, noPolicy, ""},

		{"no key usage", []pkitest.Change{pkitest.Usage(0)}, noPolicy, card.KeyUsage},
		{"keyEncipherment only", []pkitest.Change{pkitest.Usage(x509.KeyUsageKeyEncipherment)}, noPolicy, card.KeyUsage},
		{"with keyAgreement", []pkitest.Change{pkitest.Usage(digital | x509.KeyUsageKeyAgreement)}, noPolicy, ""},
		{"signing only", []pkitest.Change{pkitest.Usage(commit)}, noPolicy, card.SigningOnly},
		{"signing only, dual use taken", []pkitest.Change{pkitest.Usage(commit)}, dual, card.SigningOnly},
		{"dual use", []pkitest.Change{pkitest.Usage(digital | commit)}, noPolicy, card.DualUse},
		{"dual use taken", []pkitest.Change{pkitest.Usage(digital | commit)}, dual, ""},

		{"no extended usage", []pkitest.Change{pkitest.Extended()}, noPolicy, ""},
		{"clientAuth and another", []pkitest.Change{pkitest.Extended(x509.ExtKeyUsageEmailProtection, x509.ExtKeyUsageClientAuth)}, noPolicy, ""},
		{"clientAuth and any", []pkitest.Change{pkitest.Extended(x509.ExtKeyUsageAny, x509.ExtKeyUsageClientAuth)}, noPolicy, ""},
		{"any extended usage", []pkitest.Change{pkitest.Extended(x509.ExtKeyUsageAny)}, noPolicy, card.ExtendedKeyUsage},
		{"another extended usage", []pkitest.Change{pkitest.Extended(x509.ExtKeyUsageServerAuth)}, noPolicy, card.ExtendedKeyUsage},
		{"unknown extended usage", []pkitest.Change{pkitest.Extended(), func(c *pkitest.Template) { c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 2, 3}} }}, noPolicy, card.ExtendedKeyUsage},
		{"empty extended usage", []pkitest.Change{pkitest.Extended(), pkitest.Extension("2.5.29.37", false, []byte{0x30, 0})}, noPolicy, card.ExtendedKeyUsage},

		{"policy disallowed", []pkitest.Change{pkitest.Policies("1.2.3", policy)}, disallowed, card.PolicyDisallowed},
		{"policy not disallowed", []pkitest.Change{pkitest.Policies("1.2.3")}, disallowed, ""},
		{"policy", []pkitest.Change{pkitest.Policies("1.2.3", policy)}, only, ""},
		{"no policy", nil, only, card.PolicyMissing},
		{"another policy", []pkitest.Change{pkitest.Policies(policy + ".1")}, only, card.PolicyMissing},
		{"anyPolicy", []pkitest.Change{pkitest.Policies("2.5.29.32.0")}, only, card.PolicyMissing},

		{"first second", []pkitest.Change{pkitest.Dates(today, pkitest.Until)}, noPolicy, ""},
		{"last second", []pkitest.Change{pkitest.Dates(pkitest.From, today)}, noPolicy, ""},
		{"not yet valid", []pkitest.Change{pkitest.Dates(today.Add(time.Second), pkitest.Until)}, noPolicy, card.NotYetValid},
		{"expired", []pkitest.Change{pkitest.Dates(pkitest.From, today.Add(-time.Second))}, noPolicy, card.Expired},
		{"SHA-1", []pkitest.Change{func(c *pkitest.Template) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 }}, noPolicy, card.WeakChain},

		{"no subject", []pkitest.Change{pkitest.Subject("2.5.4.3=" + person)}, noPolicy, card.SubjectMissing},
		{"two subjects", []pkitest.Change{pkitest.Subject("2.5.4.5=AZE1", "2.5.4.5=AZE2")}, noPolicy, card.SubjectMissing},
		{"one subject twice", []pkitest.Change{pkitest.Subject("2.5.4.5=AZE1", "2.5.4.5=AZE1")}, noPolicy, card.SubjectMissing},
		{"two in one RDN", []pkitest.Change{func(c *pkitest.Template) { c.RawSubject = twice }}, noPolicy, card.SubjectMissing},
		{"empty subject", []pkitest.Change{pkitest.Subject("2.5.4.5=")}, noPolicy, card.SubjectMissing},
		{"a space before", []pkitest.Change{pkitest.Subject("2.5.4.5= AZE1")}, noPolicy, card.SubjectMissing},
		{"a line break", []pkitest.Change{pkitest.Subject("2.5.4.5=AZE1\n")}, noPolicy, card.SubjectMissing},
		{"Unicode", []pkitest.Change{pkitest.Subject("2.5.4.5=AZƏ1")}, noPolicy, card.SubjectMissing},
		{"65 characters", []pkitest.Change{pkitest.Subject("2.5.4.5=" + strings.Repeat("A", 65))}, noPolicy, card.SubjectMissing},
		{"64 characters", []pkitest.Change{pkitest.Subject("2.5.4.5=" + strings.Repeat("A", 64))}, noPolicy, ""},
		{"by UID", []pkitest.Change{pkitest.Subject("0.9.2342.19200300.100.1.1=u17", "2.5.4.5=AZE1")}, by("UID"), ""},
		{"by UID, there is none", nil, by("UID"), card.SubjectMissing},
		{"by an identifier", []pkitest.Change{pkitest.Subject("1.2.3.4=17")}, by("1.2.3.4"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := b.responder.Asked()
			got := logIn(t, b.verifier(t, c.profile), b.middle.Card(t, person, c.changes...))
			expect(t, got, c.want)
			if after := b.responder.Asked(); (after != before) != slices.Contains(asked, c.want) {
				t.Errorf("%q, and the responder was asked %d times", c.want, after-before)
			}
			if !strings.HasPrefix(got.Seen, "serial ") {
				t.Errorf("seen is %q", got.Seen)
			}
		})
	}
}

func TestRecord(t *testing.T) {
	b := fix(t)
	p := b.middle.Card(t, person)
	got := logIn(t, b.verifier(t), p)
	expect(t, got, "")
	r := got.Record
	if r.Issuer != "state" || r.Subject != person || r.Serial != p.SerialNumber.Text(16) || !slices.Equal(r.Certificate, p.Raw) ||
		len(r.KeySHA256) != 32 || !r.NotAfter.Equal(pkitest.Until) || !r.NotBefore.Equal(pkitest.From) || r.Signing || r.Algorithm != "ES256" {
		t.Errorf("%+v", r)
	}
	if got.Shown != card.ShownNone || got.Origin != origin || !strings.HasPrefix(got.AppVersion, "https://web-eid.eu") {
		t.Errorf("%+v", got)
	}
}

// A stored card is byte for byte the same one, under the same profile, or nothing.
func TestStored(t *testing.T) {
	b := fix(t)
	v := b.verifier(t)
	p := b.middle.Card(t, person)
	stored := logIn(t, v, p).Record
	use := func(p *pkitest.Pair, r card.Record) card.Verdict {
		t.Helper()
		n := nonce("again")
		return v.VerifyToken(context.Background(), card.TokenInput{Token: p.Token(t, origin, n), Nonce: n, At: today, Stored: &r})
	}
	expect(t, use(p, stored), "")
	expect(t, use(b.middle.Card(t, person), stored), card.WrongCertificate)
	// Renewed with the same key and person: another certificate, bound anew or not at all.
	expect(t, use(b.middle.Card(t, person, func(c *pkitest.Template) { c.With = p.Key }), stored), card.WrongCertificate)
	expect(t, use(p, card.Record{}), card.WrongCertificate)
	changed := stored
	changed.KeySHA256 = make([]byte, 32)
	expect(t, use(p, changed), card.WrongCertificate)
	changed = stored
	changed.Issuer = "another"
	expect(t, use(p, changed), card.NotTrusted)
}

// A certificate is of whoever signed it, whatever names it and its issuer bear.
func TestChains(t *testing.T) {
	b := fix(t)
	emails := b.root.Authority(t, "Constrained", func(c *pkitest.Template) {
		c.PermittedEmailAddresses, c.PermittedDNSDomainsCritical = []string{"bank.example"}, true
	})
	mail := func(address string) pkitest.Change {
		return func(c *pkitest.Template) { c.EmailAddresses = []string{address} }
	}
	short := pkitest.Root(t, "Short", func(c *pkitest.Template) { c.MaxPathLenZero = true })
	long := short.Authority(t, "Long")
	with := func(root, middle *pkitest.Pair) func(*card.Issuer) {
		return func(p *card.Issuer) { p.Roots, p.Intermediates = certificates(root), certificates(middle) }
	}
	usage := b.root.Authority(t, "Mail only", pkitest.Extended(x509.ExtKeyUsageEmailProtection))
	old := b.root.Authority(t, "Old", pkitest.Dates(pkitest.From, today.Add(-time.Second)))
	oldRoot := pkitest.Root(t, "Old root", pkitest.Dates(pkitest.From, today.Add(-time.Second)))
	narrow := b.root.Authority(t, "Narrow", pkitest.Policies("1.2.3"))
	twin := pkitest.Root(t, "State Root")
	for _, c := range []struct {
		name    string
		card    *pkitest.Pair
		profile func(*card.Issuer)
		want    card.Reason
	}{
		{"by the root itself", b.root.Card(t, person), func(*card.Issuer) {}, card.StatusUnavailable}, // the responder is the other authority's
		{"self-signed", pkitest.Root(t, person, func(c *pkitest.Template) {
			c.IsCA, c.KeyUsage, c.Subject.SerialNumber = false, x509.KeyUsageDigitalSignature, person
		}), func(*card.Issuer) {}, card.NotTrusted},
		{"an unknown root", pkitest.Root(t, "Other").Card(t, person), func(*card.Issuer) {}, card.NotTrusted},
		{"a root of the same name", twin.Authority(t, "State Cards").Card(t, person), func(*card.Issuer) {}, card.NotTrusted},
		{"an authority of the same name", pkitest.Root(t, "State Cards").Card(t, person), func(*card.Issuer) {}, card.NotTrusted},
		{"an authority that is not configured", b.root.Authority(t, "New").Card(t, person), func(*card.Issuer) {}, card.NotTrusted},
		{"issued by a person", b.middle.Card(t, "AZE2").Card(t, person), func(*card.Issuer) {}, card.NotTrusted},
		{"an expired authority", old.Card(t, person), with(b.root, old), card.NotTrusted},
		{"an expired root", oldRoot.Card(t, person), with(oldRoot, b.middle), card.NotTrusted},
		{"too long a path", long.Card(t, person), with(short, long), card.NotTrusted},
		{"outside the names", emails.Card(t, person, mail("x@other.example")), with(b.root, emails), card.NotTrusted},
		{"an authority for mail", usage.Card(t, person), with(b.root, usage), card.NotTrusted},
		{"an authority for other policies", narrow.Card(t, person, pkitest.Policies(policy)), func(p *card.Issuer) {
			with(b.root, narrow)(p)
			p.Policies = []string{policy}
		}, card.PolicyMissing},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := b.responder.Asked()
			expect(t, logIn(t, b.verifier(t, c.profile), c.card), c.want)
			if after := b.responder.Asked(); c.want == card.NotTrusted && after != before {
				t.Error("the responder was asked about a stranger's certificate")
			}
		})
	}
	inside := newBank(t, func(c *pkitest.Template) {
		c.PermittedEmailAddresses, c.PermittedDNSDomainsCritical = []string{"bank.example"}, true
	})
	expect(t, logIn(t, inside.verifier(t), inside.middle.Card(t, person, mail("x@bank.example"))), "")
	wide := newBank(t, pkitest.Policies("1.2.3", policy))
	expect(t, logIn(t, wide.verifier(t, func(p *card.Issuer) { p.Policies = []string{policy} }), wide.middle.Card(t, person, pkitest.Policies(policy))), "")
	anything := newBank(t, pkitest.Policies("2.5.29.32.0"))
	expect(t, logIn(t, anything.verifier(t, func(p *card.Issuer) { p.Policies = []string{policy} }), anything.middle.Card(t, person, pkitest.Policies(policy))), "")
}

// Each authority between has to allow the one policy that is taken: two that allow
// one of two each allow none.
func TestPoliciesAlongTheChain(t *testing.T) {
	b := fix(t)
	first := b.root.Authority(t, "First", pkitest.Policies("1.2.1", policy))
	second := first.Authority(t, "Second", pkitest.Policies("1.2.2"))
	v := b.verifier(t, func(p *card.Issuer) {
		p.Intermediates, p.Policies = certificates(first, second), []string{"1.2.1", "1.2.2"}
	})
	expect(t, logIn(t, v, second.Card(t, person, pkitest.Policies("1.2.1", "1.2.2"))), card.PolicyMissing)
}

// Profiles may share an authority. The first whose use and policies fit judges a
// certificate; a card that is stored stays with its own.
func TestProfilesThatShareAnAuthority(t *testing.T) {
	b := fix(t)
	profile := func(name string, change func(*card.Issuer)) card.Issuer {
		p := b.profile()
		p.Name = name
		change(&p)
		return p
	}
	s := b.settings()
	s.Issuers = []card.Issuer{
		profile("sign", func(p *card.Issuer) { p.LogIn, p.Signing = false, true }),
		profile("staff", func(p *card.Issuer) { p.Policies = []string{"1.2.1"} }),
		profile("customers", func(p *card.Issuer) { p.Policies, p.Subject = []string{"1.2.2", "1.2.1"}, "UID" }),
	}
	v := verifier(t, s)
	names := pkitest.Subject("2.5.4.5="+person, "0.9.2342.19200300.100.1.1=u17")
	for _, c := range []struct{ policy, profile, subject string }{{"1.2.1", "staff", person}, {"1.2.2", "customers", "u17"}} {
		got := logIn(t, v, b.middle.Card(t, person, names, pkitest.Policies(c.policy)))
		expect(t, got, "")
		if got.Record.Issuer != c.profile || got.Record.Subject != c.subject {
			t.Errorf("%s: %+v", c.policy, got.Record)
		}
	}
	expect(t, logIn(t, v, b.middle.Card(t, person, names, pkitest.Policies("1.2.3"))), card.ProfileUse)

	both := b.middle.Card(t, person, names, pkitest.Policies("1.2.1"))
	stored := logIn(t, v, both).Record
	stored.Issuer = "customers"
	n := nonce("x")
	in := card.TokenInput{Token: both.Token(t, origin, n), Nonce: n, At: today, Stored: &stored}
	if got := v.VerifyToken(context.Background(), in); !got.OK || got.Record.Issuer != "customers" || got.Record.Subject != "u17" {
		t.Errorf("%+v", got)
	}
}

// The cause that is told is that of the profile the certificate does lead to.
func TestTheReasonIsOfItsOwnProfile(t *testing.T) {
	b, other := fix(t), pkitest.Root(t, "Other")
	s := b.settings(func(p *card.Issuer) { p.Policies = []string{policy} })
	stranger := b.profile()
	stranger.Name, stranger.Roots, stranger.Intermediates = "other", certificates(other), nil
	s.Issuers = append(s.Issuers, stranger)
	expect(t, logIn(t, verifier(t, s), b.middle.Card(t, person)), card.PolicyMissing)
	expect(t, logIn(t, verifier(t, s), pkitest.Root(t, "Nobody").Card(t, person)), card.NotTrusted)
}

// A self-issued certificate whose key is in the pool of roots is nobody's card.
func TestARootIsNoCard(t *testing.T) {
	b := fix(t)
	expect(t, logIn(t, b.verifier(t), b.root), card.CAAsLeaf)
	expect(t, logIn(t, b.verifier(t), b.middle), card.CAAsLeaf)
}

func TestMalformedCertificates(t *testing.T) {
	b := fix(t)
	p := b.middle.Card(t, person)
	big4 := der(t, struct{ A, B *big.Int }{new(big.Int).Lsh(big.NewInt(1), 400), big.NewInt(1)})
	for name, bytes := range map[string][]byte{
		"two":            slices.Concat(p.Raw, b.root.Raw),
		"a byte after":   append(slices.Clone(p.Raw), 0),
		"a byte missing": p.Raw[:len(p.Raw)-1],
		"a number":       big4,
		"PEM":            []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
	} {
		t.Run(name, func(t *testing.T) {
			got := logIn(t, b.verifier(t), p, func(k *pkitest.Token) { k.Certificate = bytes })
			expect(t, got, card.MalformedCertificate)
		})
	}
	// One bit anywhere in it: never good, and never a panic.
	v := b.verifier(t)
	for i := range p.Raw {
		changed := slices.Clone(p.Raw)
		changed[i] ^= 1
		if got := logIn(t, v, p, func(k *pkitest.Token) { k.Certificate = changed }); got.OK || got.Reason == card.ParserFault {
			t.Fatal(fmt.Sprint("byte ", i), got)
		}
	}
}
