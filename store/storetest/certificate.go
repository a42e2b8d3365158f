package storetest

import (
	"testing"
	"time"

	"mohur/ca"
	"mohur/settle"
)

func certificate(serial, token string, version uint64) ca.Certificate {
	return ca.Certificate{
		Serial: serial, Token: token, KeySHA256: bytesOf("key of " + serial), DER: bytesOf(serial), NotAfter: epoch.Add(24 * time.Hour),
		IssuedAt: epoch, IssuedBy: "cl-1", Version: version,
	}
}

// testCertificates: a key is certified once, by whomever; those of a token are
// found, and the revoked ones until they have ended.
func testCertificates(t *testing.T, s Store) {
	serial := func(c ca.Certificate) string { return c.Serial }
	_, err := s.Authority(t.Context(), ca.AuthorityID)
	absent(t, "authority", err)
	a := ca.Authority{ID: ca.AuthorityID, Certificate: bytesOf("root"), CreatedAt: epoch, Version: 1}
	want(t, s, settle.Done, ca.SaveAuthority{Authority: a})
	want(t, s, settle.Exists, ca.SaveAuthority{Authority: a})
	a.CRL, a.CRLNumber, a.CRLAt, a.Version = bytesOf("list"), 1, epoch, 2
	want(t, s, settle.Done, ca.SaveAuthority{Authority: a})
	want(t, s, settle.Stale, ca.SaveAuthority{Authority: a})
	authority, err := s.Authority(t.Context(), ca.AuthorityID)
	same(t, "authority", authority, err, a)

	for i, c := range []string{"a", "b", "c"} {
		made := certificate(c, []string{"tk-1", "tk-2", "tk-1"}[i], 1)
		made.IssuedAt = epoch.Add(time.Duration(i) * time.Minute)
		want(t, s, settle.Done, ca.SaveCertificate{Certificate: made})
	}
	twice := certificate("d", "tk-3", 1)
	twice.KeySHA256 = certificate("a", "", 1).KeySHA256
	want(t, s, settle.Exists, ca.SaveCertificate{Certificate: twice})
	_, err = s.Certificate(t.Context(), "d")
	absent(t, "a key's second certificate", err)
	of, err := s.CertificatesOf(t.Context(), "tk-1")
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "of a token", ids(of, serial), "a", "c")

	revoked := func(now time.Time, names ...string) {
		t.Helper()
		list, err := s.RevokedCertificates(t.Context(), now)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, "revoked", ids(list, serial), names...)
	}
	revoked(epoch)
	gone := certificate("a", "tk-1", 2)
	gone.RevokedAt, gone.Reason = epoch.Add(time.Hour), ca.Superseded
	want(t, s, settle.Done, ca.SaveCertificate{Certificate: gone})
	want(t, s, settle.Stale, ca.SaveCertificate{Certificate: gone})
	got, err := s.Certificate(t.Context(), "a")
	same(t, "certificate", got, err, gone)
	revoked(epoch, "a")
	revoked(gone.NotAfter.Add(-time.Microsecond), "a")
	revoked(gone.NotAfter)
	want(t, s, settle.Exists, ca.SaveCertificate{Certificate: twice}) // a revoked key is not certified again
}
