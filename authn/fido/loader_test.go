package fido_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mohur/authn/fido"
)

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// numbered is a BLOB of that number and date.
func numbered(t testing.TB, a *alliance, no int, next string, entries ...entry) []byte {
	t.Helper()
	if entries == nil {
		entries = []entry{}
	}
	return a.sign(t, payload{No: no, NextUpdate: next, Entries: entries})
}

func TestLoaderKeepsTheLastGoodBLOB(t *testing.T) {
	dir := t.TempDir()
	a, m := newAlliance(t), newMaker(t)
	now := today
	loader := func(floor int64) *fido.Loader {
		return &fido.Loader{Path: filepath.Join(dir, "blob.jwt"), Cache: filepath.Join(dir, "cache.jwt"), Trust: a.trust,
			Floor: fido.Number{No: floor}, SkipRevocation: true, Now: func() time.Time { return now }}
	}
	l := loader(0)
	if err := l.Start(t.Context()); err == nil || l.Current() != nil {
		t.Fatalf("from nothing: %v", err)
	}
	if s := l.State(); s.Loaded || !s.Stale || s.Err == nil || s.TriedAt.IsZero() {
		t.Fatalf("%+v", s)
	}
	if got := attestedWith(t, m, l.Current()); got.Reason != fido.MetadataMissing {
		t.Errorf("%+v", got)
	}

	write(t, l.Path, numbered(t, a, 7, "2026-04-01", entryFor(m, model)))
	if changed, err := l.Refresh(t.Context()); err != nil || !changed {
		t.Fatal(changed, err)
	}
	if changed, err := l.Refresh(t.Context()); err != nil || changed {
		t.Fatal("the same again", changed, err)
	}
	if got := attestedWith(t, m, l.Current()); !got.OK {
		t.Errorf("%+v", got)
	}

	// Whatever the source becomes, the BLOB that was good stays.
	for name, blob := range map[string][]byte{
		"rolled back": numbered(t, a, 6, "2026-05-01"), "number used twice": numbered(t, a, 7, "2026-05-01"),
		"another signer": newAlliance(t).blob(t), "torn": numbered(t, a, 8, "2026-05-01")[:500], "empty": {},
	} {
		write(t, l.Path, blob)
		if changed, err := l.Refresh(t.Context()); err == nil || changed || l.Current().Number.No != 7 {
			t.Errorf("%s: %t, %v", name, changed, err)
		}
	}
	if err := os.Remove(l.Path); err != nil {
		t.Fatal(err)
	}
	now = time.Date(2026, 4, 2, 0, 0, 0, 0, time.UTC)
	if _, err := l.Refresh(t.Context()); err == nil {
		t.Error("a source that is gone")
	}
	if s := l.State(); !s.Stale || !s.Loaded || s.Number.No != 7 {
		t.Errorf("%+v", s)
	}

	// After a restart, without the source, the cache holds.
	now = today
	again := loader(7)
	if err := again.Start(t.Context()); err == nil || again.Current() == nil || again.Current().Number.No != 7 {
		t.Fatalf("%v, %+v", err, again.State())
	}
	// Unless it is older than what the caller remembers.
	rolled := loader(8)
	if err := rolled.Start(t.Context()); !errors.Is(err, fido.ErrBLOBRolledBack) || rolled.Current() != nil {
		t.Errorf("%v", err)
	}
	// Or somebody changed it.
	blob, err := os.ReadFile(again.Cache)
	if err != nil {
		t.Fatal(err)
	}
	blob[len(blob)/2] ^= 1
	write(t, again.Cache, blob)
	torn := loader(7)
	if err := torn.Start(t.Context()); err == nil || torn.Current() != nil {
		t.Errorf("%v", err)
	}
	info, err := os.ReadDir(dir)
	if err != nil || len(info) != 1 {
		t.Errorf("left behind: %v, %v", info, err)
	}
}

func attestedWith(t testing.TB, m *maker, md *fido.Metadata) fido.Registration {
	t.Helper()
	d, text := newDevice(t, "ES256"), challenge("enrol")
	return register(t, relyingParty(t), fido.RegistrationInput{Credential: d.create(text, m.packed), Challenge: text, Metadata: md})
}

// A BLOB that cannot be cached is in force all the same: what it revokes must
// not wait.
func TestLoaderWithoutADisk(t *testing.T) {
	a := newAlliance(t)
	l := &fido.Loader{Path: filepath.Join(t.TempDir(), "blob.jwt"), Cache: filepath.Join(t.TempDir(), "no", "cache.jwt"),
		Trust: a.trust, SkipRevocation: true, Now: func() time.Time { return today }}
	write(t, l.Path, numbered(t, a, 7, "2026-04-01"))
	changed, err := l.Refresh(t.Context())
	if !changed || err == nil || l.Current() == nil {
		t.Fatal(changed, err)
	}
}

func TestLoaderFetches(t *testing.T) {
	a := newAlliance(t)
	var mu sync.Mutex
	var serve func(w http.ResponseWriter, r *http.Request)
	set := func(f func(http.ResponseWriter, *http.Request)) { mu.Lock(); serve = f; mu.Unlock() }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		serve(w, r)
	}))
	defer server.Close()
	l := &fido.Loader{URL: server.URL + "/blob", Trust: a.trust, SkipRevocation: true, Now: func() time.Time { return today }}

	set(func(w http.ResponseWriter, _ *http.Request) { w.Write(numbered(t, a, 7, "2026-04-01")) })
	if changed, err := l.Refresh(t.Context()); err != nil || !changed {
		t.Fatal(changed, err)
	}
	for want, f := range map[string]func(http.ResponseWriter, *http.Request){
		"503":         func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"compact JWS": func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>log in</html>")) },
		"more than": func(w http.ResponseWriter, _ *http.Request) {
			for range 34 {
				w.Write(make([]byte, 1<<20))
			}
		},
		"not an https address": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://bank.example/blob", http.StatusFound)
		},
		"too many redirects": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, server.URL+"/again", http.StatusFound)
		},
	} {
		set(f)
		changed, err := l.Refresh(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) || changed || l.Current().Number.No != 7 {
			t.Errorf("%s: %t, %v", want, changed, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Refresh(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for name, bad := range map[string]*fido.Loader{
		"plain http": {URL: "http://mds.example/blob"}, "no address": {URL: "::"}, "nothing": {}, "both": {URL: "https://mds.example", Path: "x"},
		"a file address": {URL: "file:///etc/passwd"},
	} {
		if _, err := bad.Refresh(t.Context()); err == nil {
			t.Errorf("%s was read", name)
		}
	}
}

// crl signs a list of revoked certificates.
func (a *authority) crl(revoked *x509.Certificate, change func(*x509.RevocationList)) []byte {
	a.t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: today.AddDate(0, 0, -1), NextUpdate: today.AddDate(0, 0, 7)}
	if revoked != nil {
		list.RevokedCertificateEntries = []x509.RevocationListEntry{{SerialNumber: revoked.SerialNumber, RevocationTime: today}}
	}
	if change != nil {
		change(list)
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, a.cert, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

func TestLoaderAsksWhetherTheSignerIsRevoked(t *testing.T) {
	lists := map[string][]byte{}
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if b := lists[r.URL.Path]; b != nil {
			w.Write(b)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	defer server.Close()

	root := newAuthority(t, "Alliance Root", nil)
	middle := newAuthority(t, "Alliance CA", root, func(c *x509.Certificate) { c.CRLDistributionPoints = []string{"ldap://x", server.URL + "/root.crl"} })
	a := newAlliance(t)
	leaf := middle.issue(&x509.Certificate{Subject: pkix.Name{CommonName: signerName}, DNSNames: []string{signerName},
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature, CRLDistributionPoints: []string{server.URL + "/ca.crl"}}, a.key.Public())
	a.x5c = []*x509.Certificate{leaf, middle.cert}
	a.trust.Roots = []*x509.Certificate{root.cert}

	dir := t.TempDir()
	path := filepath.Join(dir, "blob.jwt")
	write(t, path, numbered(t, a, 7, "2026-04-01"))
	load := func(files ...string) error {
		l := &fido.Loader{Path: path, Trust: a.trust, CRLs: files, Now: func() time.Time { return today }}
		changed, err := l.Refresh(t.Context())
		if changed != (err == nil) || changed != (l.Current() != nil) {
			t.Errorf("half a refresh: %t, %v", changed, err)
		}
		return err
	}
	fromCA := func(c *x509.Certificate, change func(*x509.RevocationList)) { lists["/ca.crl"] = middle.crl(c, change) }
	lists["/root.crl"] = root.crl(nil, nil)

	if err := load(); !errors.Is(err, fido.ErrBLOBRevoked) {
		t.Errorf("a list that is away: %v", err)
	}
	fromCA(nil, nil)
	if err := load(); err != nil {
		t.Errorf("not revoked: %v", err)
	}
	fromCA(newMaker(t).x5c[0], nil)
	if err := load(); err != nil {
		t.Errorf("another one revoked: %v", err)
	}
	fromCA(leaf, nil)
	if err := load(); !errors.Is(err, fido.ErrBLOBRevoked) {
		t.Errorf("the signer revoked: %v", err)
	}
	fromCA(nil, nil)
	lists["/root.crl"] = root.crl(middle.cert, nil)
	if err := load(); !errors.Is(err, fido.ErrBLOBRevoked) {
		t.Errorf("its authority revoked: %v", err)
	}
	lists["/root.crl"] = root.crl(nil, nil)
	for name, change := range map[string]func(*x509.RevocationList){
		"over": func(l *x509.RevocationList) {
			l.ThisUpdate, l.NextUpdate = today.AddDate(0, 0, -9), today.AddDate(0, 0, -1)
		},
		"not yet": func(l *x509.RevocationList) { l.ThisUpdate = today.AddDate(0, 0, 1) },
		"a delta": func(l *x509.RevocationList) {
			l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Value: []byte{2, 1, 1}}}
		},
		"with something critical": func(l *x509.RevocationList) {
			l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		},
	} {
		fromCA(nil, change)
		if err := load(); !errors.Is(err, fido.ErrBLOBRevoked) {
			t.Errorf("a list %s: %v", name, err)
		}
	}
	lists["/ca.crl"] = newAuthority(t, "Alliance CA", nil).crl(nil, nil)
	if err := load(); !errors.Is(err, fido.ErrBLOBRevoked) {
		t.Errorf("a list by another: %v", err)
	}

	// From files nothing is asked over the network, and part of a list is none.
	part := func(l *x509.RevocationList) {
		l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: []byte{0x30, 3, 0x81, 1, 0xff}}}
	}
	files := []string{filepath.Join(dir, "ca.crl"), filepath.Join(dir, "root.crl")}
	write(t, files[0], pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: middle.crl(nil, nil)}))
	write(t, files[1], root.crl(nil, nil))
	asked = 0
	if err := load(files...); err != nil || asked != 0 {
		t.Errorf("from files: %v, asked %d", err, asked)
	}
	write(t, files[0], middle.crl(nil, part))
	if err := load(files...); !errors.Is(err, fido.ErrBLOBRevoked) {
		t.Errorf("part of a list: %v", err)
	}
	fromCA(nil, part) // where the certificate points to it, it is for this certificate
	if err := load(); err != nil {
		t.Errorf("the part the certificate points to: %v", err)
	}

	silent := newAlliance(t)
	write(t, path, numbered(t, silent, 7, "2026-04-01"))
	a.trust = silent.trust
	if err := load(); !errors.Is(err, fido.ErrBLOBRevoked) || !strings.Contains(err.Error(), "names no list") {
		t.Errorf("a signer that names no list: %v", err)
	}
}

// The number of what is in force is kept, once, and again until it is; the metadata is
// in force meanwhile.
func TestTheNumberIsKept(t *testing.T) {
	a := newAlliance(t)
	path := filepath.Join(t.TempDir(), "mds.jwt")
	write(t, path, numbered(t, a, 7, "2026-05-01"))
	var kept []int64
	var away error
	l := &fido.Loader{Path: path, Trust: a.trust, SkipRevocation: true, Now: func() time.Time { return today }}
	l.Keep = func(_ context.Context, n fido.Number) error {
		if away == nil {
			kept = append(kept, n.No)
		}
		return away
	}
	away = errors.New("the store is away")
	if err := l.Start(t.Context()); !errors.Is(err, away) || l.Current() == nil || l.State().Err == nil {
		t.Errorf("%v", err)
	}
	away = nil
	for range 2 {
		if changed, err := l.Refresh(t.Context()); changed || err != nil {
			t.Errorf("%t, %v", changed, err)
		}
	}
	write(t, path, numbered(t, a, 8, "2026-05-01"))
	if changed, err := l.Refresh(t.Context()); !changed || err != nil {
		t.Errorf("%t, %v", changed, err)
	}
	if !slices.Equal(kept, []int64{7, 8}) {
		t.Errorf("%d", kept)
	}
	again := &fido.Loader{Path: path, Trust: a.trust, SkipRevocation: true, Now: l.Now, Floor: l.Current().Number, Keep: l.Keep}
	if err := again.Start(t.Context()); err != nil || len(kept) != 2 {
		t.Errorf("%v, %d", err, kept)
	}
}
