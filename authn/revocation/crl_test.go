package revocation_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mohur/authn/pkitest"
	"mohur/authn/revocation"
)

func TestCRLGoodAndRevoked(t *testing.T) {
	b := newListBench(t)
	s := b.good()
	if s.Source != revocation.SourceCRL || s.Address != b.rules.CRLs[0] || s.FromCache || s.InGrace || !s.NextUpdate.Equal(start.Add(time.Hour)) {
		t.Errorf("%+v", s)
	}
	if s := b.good(); !s.FromCache || b.crl.Asked() != 1 {
		t.Errorf("%+v after %d requests", s, b.crl.Asked())
	}
	b.crl.Revoke(b.card)
	b.good() // the list in force does not say so yet
	b.later(61 * time.Minute)
	s = b.refused(revocation.Revoked, revocation.ReasonRevoked)
	if s.RevocationReason != "keyCompromise" || !s.RevokedAt.Equal(start.Add(-time.Hour)) {
		t.Errorf("%+v", s)
	}
	// Once on a list that is read, it stays so whatever the dates.
	b.away()
	b.later(24 * time.Hour)
	b.refused(revocation.Revoked, revocation.ReasonRevoked)
}

func scope(critical bool, content ...byte) func(*x509.RevocationList) {
	return extension("2.5.29.28", critical, content...)
}

func extension(oid string, critical bool, content ...byte) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) {
		l.ExtraExtensions = append(l.ExtraExtensions, pkix.Extension{Id: pkitest.OID(oid), Critical: critical, Value: append([]byte{0x30, byte(len(content))}, content...)})
	}
}

func TestCRLRefused(t *testing.T) {
	b := newListBench(t)
	other := pkitest.Root(t, "Other")
	same := pkitest.Root(t, "CA") // the same name, another key
	noCRLs := pkitest.Root(t, "CA", pkitest.Usage(x509.KeyUsageCertSign))
	point := func(address string) []byte {
		uri, err := asn1.Marshal(asn1.RawValue{Class: 2, Tag: 6, Bytes: []byte(address)})
		if err != nil {
			t.Fatal(err)
		}
		full := append([]byte{0xa0, byte(len(uri))}, uri...)
		return append([]byte{0xa0, byte(len(full))}, full...)
	}
	entry := func(oid string, critical bool) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) {
			l.RevokedCertificateEntries = []x509.RevocationListEntry{{SerialNumber: big.NewInt(7), RevocationTime: start,
				ExtraExtensions: []pkix.Extension{{Id: pkitest.OID(oid), Critical: critical, Value: []byte{0x30, 0}}}}}
		}
	}
	for _, c := range []struct {
		name   string
		want   revocation.Reason // "" for good
		change func(*x509.RevocationList)
	}{
		{"run out", revocation.Stale, func(l *x509.RevocationList) {
			l.ThisUpdate, l.NextUpdate = start.Add(-time.Hour), start.Add(-time.Second)
		}},
		{"future", revocation.Future, func(l *x509.RevocationList) {
			l.ThisUpdate, l.NextUpdate = start.Add(time.Hour), start.Add(2*time.Hour)
		}},
		{"delta", revocation.CriticalExtension, extension("2.5.29.27", true)},
		{"delta, not critical", revocation.CriticalExtension, extension("2.5.29.27", false)},
		{"unknown and critical", revocation.CriticalExtension, extension("1.2.3.4", true)},
		{"unknown", "", extension("1.2.3.4", false)},
		{"for all", "", scope(true)},
		{"for users", "", scope(true, 0x81, 1, 0xff)},
		{"for users, not so", "", scope(true, 0x81, 1, 0)},
		{"for CAs", revocation.NoSource, scope(true, 0x82, 1, 0xff)},
		{"for CAs, not critical", revocation.NoSource, scope(false, 0x82, 1, 0xff)},
		{"for some reasons", revocation.CriticalExtension, scope(true, 0x83, 2, 1, 0x40)},
		{"indirect", revocation.CriticalExtension, scope(true, 0x84, 1, 0xff)},
		{"for attribute certificates", revocation.CriticalExtension, scope(true, 0x85, 1, 0xff)},
		{"unreadable scope", revocation.Malformed, scope(true, 0x87, 1, 0xff)},
		{"for another point", revocation.NoSource, scope(true, point("http://crl.bank.test/2")...)},
		{"for this point", "", scope(true, point("http://crl.bank.test/1")...)},
		{"for a point by its name", revocation.CriticalExtension, scope(true, 0xa0, 2, 0xa1, 0)},
		{"another CA's entry", revocation.CriticalExtension, entry("2.5.29.29", true)},
		{"an entry's unknown extension", revocation.CriticalExtension, entry("1.2.3.4", true)},
		{"an entry's extension", "", entry("1.2.3.4", false)},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := b.within(t)
			b.card = b.ca.Card(t, "PNOAZ-1", names("http://crl.bank.test/1"))
			b.crl.Change(c.change)
			if c.want == "" {
				b.good()
			} else {
				b.refused(revocation.Unavailable, c.want)
			}
		})
	}
	b.crl.Change(nil)
	for _, c := range []struct {
		name   string
		want   revocation.Reason
		signer *pkitest.Pair
		tamper func([]byte) []byte
	}{
		{"another CA's list", revocation.WrongResponder, nil, func([]byte) []byte { return other.CRL().DER(t) }},
		{"another key", revocation.WrongSignature, same, nil},
		{"changed", revocation.WrongSignature, nil, func(der []byte) []byte { der[len(der)-1] ^= 1; return der }},
		{"a byte too many", revocation.Malformed, nil, func(der []byte) []byte { return append(der, 0) }},
		{"nothing", revocation.Malformed, nil, func([]byte) []byte { return nil }},
		{"PEM of something else", revocation.Malformed, nil, func(der []byte) []byte {
			return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
		}},
		{"oversized", revocation.Oversized, nil, func(der []byte) []byte { return append(der, make([]byte, 33<<20)...) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := b.within(t)
			if c.signer != nil {
				b.crl.SignedBy(c.signer)
			}
			b.crl.Tamper(c.tamper)
			b.refused(revocation.Unavailable, c.want)
			b.crl.SignedBy(b.ca)
			b.crl.Tamper(nil)
		})
	}
	t.Run("a CA that signs no lists", func(t *testing.T) {
		b := newListBench(t)
		b.ca, b.card = noCRLs, noCRLs.Card(t, "PNOAZ-9")
		able := *noCRLs.Certificate
		able.KeyUsage |= x509.KeyUsageCRLSign
		b.crl = (&pkitest.Pair{Certificate: &able, Key: noCRLs.Key}).CRL()
		b.crl.Clock(b.clock)
		b.refused(revocation.Unavailable, revocation.WrongResponder)
	})
	t.Run("SHA-1", func(t *testing.T) {
		b := newListBench(t)
		b.crl.Change(func(l *x509.RevocationList) { l.SignatureAlgorithm = x509.ECDSAWithSHA1 })
		der := b.crl.DER(t)
		file := filepath.Join(t.TempDir(), "sha1.crl")
		b.must(os.WriteFile(file, der, 0o600))
		b.rules = revocation.Rules{CRLFiles: []string{file}}
		b.refused(revocation.Unavailable, revocation.WrongSignature)
	})
}

// Every way to sign that is accepted, among them PSS.
func TestCRLSignatures(t *testing.T) {
	b := newListBench(t)
	b.ca = pkitest.Root(t, "RSA", pkitest.Kind("RSA-2048"))
	b.card, b.crl = b.ca.Card(t, "PNOAZ-1"), b.ca.CRL()
	b.crl.Clock(b.clock)
	for _, a := range []x509.SignatureAlgorithm{x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA, x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS} {
		b.within(t)
		b.crl.Change(func(l *x509.RevocationList) { l.SignatureAlgorithm = a })
		b.good()
	}
}

// A place that holds another issuer's list is not read again and again.
func TestCRLOfAnother(t *testing.T) {
	b := newListBench(t)
	other := pkitest.Root(t, "Other")
	foreign := other.CRL()
	foreign.Clock(b.clock)
	wrong := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { foreign.ServeHTTP(w, r) })
	b.instead.Store(&wrong)
	for range 5 {
		b.refused(revocation.Unavailable, revocation.WrongResponder)
		b.later(time.Minute)
	}
	if foreign.Asked() != 1 {
		t.Errorf("asked %d times", foreign.Asked())
	}
	b.back()
	b.later(10 * time.Minute)
	b.good()
}

// removeFromCRL on a list that is none of changes brings nobody back.
func TestCRLRemoveFromCRL(t *testing.T) {
	b := newListBench(t)
	b.crl.Change(func(l *x509.RevocationList) {
		l.RevokedCertificateEntries = []x509.RevocationListEntry{{SerialNumber: b.card.SerialNumber, RevocationTime: start, ReasonCode: 8}}
	})
	b.refused(revocation.Revoked, revocation.ReasonRevoked)
}

// A list that is older than one seen before does not come in, from wherever.
func TestCRLNeverGoesBack(t *testing.T) {
	b := newListBench(t)
	old := b.crl.DER(t) // number 1
	b.crl.Revoke(pkitest.Root(t, "X").Card(t, "somebody else"))
	b.good() // number 2
	file := filepath.Join(t.TempDir(), "ca.crl")
	b.must(os.WriteFile(file, old, 0o600))
	b.rules = revocation.Rules{CRLFiles: []string{file}}
	b.refused(revocation.Unavailable, revocation.RolledBack)

	// The same from the same place: the newer one stays in force.
	b = newListBench(t)
	b.crl.Revoke(pkitest.Root(t, "X").Card(t, "somebody else"))
	b.good()
	b.later(20 * time.Minute)
	b.crl.Change(func(l *x509.RevocationList) { l.Number = big.NewInt(1) })
	if err := b.checker.Refresh(t.Context()); err == nil {
		t.Error("a list with a lower number came in")
	}
	if l := b.checker.Lists(); len(l) != 1 || l[0].Number != "2" || l[0].Err == nil {
		t.Errorf("%+v", l)
	}
	b.good()
	b.later(time.Hour)
	b.refused(revocation.Unavailable, revocation.RolledBack)
	// The same number with an earlier date, and no number at all, are no newer either.
	b.crl.Change(func(l *x509.RevocationList) { l.ThisUpdate = start.Add(-time.Minute) })
	b.later(time.Minute)
	b.refused(revocation.Unavailable, revocation.RolledBack)
	b.crl.Change(nil)
	b.later(time.Minute)
	b.good()
}

func TestCRLFile(t *testing.T) {
	b := newListBench(t)
	dir := t.TempDir()
	der, text := filepath.Join(dir, "ca.crl"), filepath.Join(dir, "ca.pem")
	b.must(os.WriteFile(der, b.crl.DER(t), 0o600))
	b.must(os.WriteFile(text, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: b.crl.DER(t)}), 0o600))
	for _, file := range []string{der, text} {
		b.within(t)
		b.rules = revocation.Rules{CRLFiles: []string{file}}
		if s := b.good(); s.Address != file {
			t.Errorf("%+v", s)
		}
	}
	// One that is of another authority says nothing, and the next one is looked at.
	foreign := filepath.Join(dir, "other.crl")
	b.must(os.WriteFile(foreign, pkitest.Root(t, "Other").CRL().DER(t), 0o600))
	b.within(t)
	b.rules = revocation.Rules{CRLFiles: []string{filepath.Join(dir, "none.crl"), foreign, dir, der}}
	b.good()
	// A new file is read without a restart.
	b.crl.Revoke(b.card)
	b.must(os.WriteFile(der, b.crl.DER(t), 0o600))
	b.must(os.Chtimes(der, time.Time{}, start.Add(time.Hour)))
	b.later(time.Minute)
	_ = b.checker.Refresh(t.Context()) // the others are still no lists of this authority
	b.refused(revocation.Revoked, revocation.ReasonRevoked)
}

// A place that was never read may say what the others do not: it is read before a
// certificate is good. Once it was, or did not answer, the others do.
func TestEveryListIsReadOnce(t *testing.T) {
	b := newListBench(t)
	file := filepath.Join(t.TempDir(), "ca.crl")
	b.must(os.WriteFile(file, b.crl.DER(t), 0o600))
	b.rules.CRLFiles = []string{file}
	b.crl.Revoke(b.card)
	b.refused(revocation.Revoked, revocation.ReasonRevoked)

	b = newListBench(t)
	b.must(os.WriteFile(file, b.crl.DER(t), 0o600))
	b.rules.CRLFiles = []string{file}
	b.away()
	if s := b.good(); s.Address != file {
		t.Errorf("%+v", s)
	}
}

func TestCRLMaxAge(t *testing.T) {
	b := newListBench(t)
	b.rules.CRLMaxAge = 10 * time.Minute
	b.good()
	b.later(11 * time.Minute)
	b.good()
	if b.crl.Asked() != 2 {
		t.Errorf("%d requests, want a new one for a list that is too old", b.crl.Asked())
	}
	b.later(11 * time.Minute)
	b.away()
	b.refused(revocation.Unavailable, revocation.Away)
}

// Lists are there before the first check, and anew before they run out.
func TestCRLRefresh(t *testing.T) {
	b := newListBench(t)
	b.checker.Watch(b.ca.Certificate, b.rules)
	b.must(b.checker.Refresh(t.Context()))
	if s := b.good(); !s.FromCache {
		t.Errorf("%+v", s)
	}
	b.must(b.checker.Refresh(t.Context()))
	if n := b.crl.Asked(); n != 1 {
		t.Errorf("asked %d times at once", n)
	}
	b.crl.Revoke(b.card)
	b.later(16 * time.Minute)
	b.must(b.checker.Refresh(t.Context()))
	b.refused(revocation.Revoked, revocation.ReasonRevoked)

	// Away: what is in force stays, and is tried again.
	b.away()
	b.later(16 * time.Minute)
	if b.checker.Refresh(t.Context()) == nil {
		t.Error("no list came and nothing is said")
	}
	l := b.checker.Lists()[0]
	if l.Err == nil || l.Revoked != 1 || l.Number != "2" || l.Place != b.rules.CRLs[0] {
		t.Errorf("%+v", l)
	}
	b.back()
	b.later(16 * time.Second)
	b.must(b.checker.Refresh(t.Context()))
	if l := b.checker.Lists()[0]; l.Err != nil {
		t.Errorf("%+v", l)
	}
}

// A list that takes longer than a check waits is there for a later one.
func TestCRLSlow(t *testing.T) {
	b := newListBench(t)
	release := make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-release
		b.crl.ServeHTTP(w, r)
	})
	b.instead.Store(&slow)
	b.checker.Timeout = 50 * time.Millisecond
	b.refused(revocation.Unavailable, revocation.Slow)
	close(release)
	b.checker.Timeout = 10 * time.Second
	b.good()
	if b.crl.Asked() != 1 {
		t.Errorf("asked %d times", b.crl.Asked())
	}
}

// A list of a hundred thousand takes no longer to look up than one of none.
func TestCRLLarge(t *testing.T) {
	b := newListBench(t)
	b.crl.Change(func(l *x509.RevocationList) {
		for i := range 100_000 {
			l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: big.NewInt(int64(i + 1)), RevocationTime: start})
		}
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: b.card.SerialNumber, RevocationTime: start})
	})
	b.checker.Timeout = time.Minute
	b.refused(revocation.Revoked, revocation.ReasonRevoked)
	if l := b.checker.Lists()[0]; l.Revoked != 100_001 {
		t.Errorf("%+v", l)
	}
	if allocs := testing.AllocsPerRun(10, func() { b.check() }); allocs > 200 {
		t.Errorf("%v allocations for looking up", allocs)
	}
}

// There is a bound to the lists that certificates can name.
func TestCRLTooMany(t *testing.T) {
	b := newBench(t)
	many := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.crl.ServeHTTP(w, r) })
	b.instead.Store(&many)
	b.rules = revocation.Rules{CRLs: []string{b.server.URL + "/"}}
	for i := range 256 {
		b.card = b.ca.Card(t, "PNOAZ-1", names(fmt.Sprintf("%s/%d.crl", b.server.URL, i)))
		b.good()
	}
	b.card = b.ca.Card(t, "PNOAZ-1", names(b.server.URL+"/one-more.crl"))
	b.refused(revocation.Unavailable, revocation.Overloaded)
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
