package pkitest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"net/http"
	"sync"
	"testing"
	"time"
)

// List is a list of revoked certificates (CRL, RFC 5280 section 5) as an HTTP
// handler: number 1, issued now, for an hour. It is safe for concurrent use.
type List struct {
	issuer *Pair

	mu      sync.Mutex
	now     func() time.Time
	change  func(*x509.RevocationList)
	signer  *Pair
	tamper  func([]byte) []byte
	revoked []x509.RevocationListEntry
	number  int64
	asked   int
}

// CRL makes a list of the authority.
func (p *Pair) CRL() *List { return &List{issuer: p, signer: p, now: time.Now, number: 1} }

// Revoke puts the certificate on the list, which gets the next number.
func (l *List) Revoke(c *Pair) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.number++
	l.revoked = append(l.revoked, x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: l.now().Add(-time.Hour), ReasonCode: 1})
}

// Change has every later list changed before it is signed; nil ends that.
func (l *List) Change(change func(*x509.RevocationList)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.change = change
}

// SignedBy has the lists signed by another than the authority.
func (l *List) SignedBy(p *Pair) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.signer = p
}

// Tamper has the bytes of later lists changed; nil ends that.
func (l *List) Tamper(tamper func(der []byte) []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tamper = tamper
}

// Clock has the list go by another clock than the machine's.
func (l *List) Clock(now func() time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = now
}

// Asked is how many requests there were.
func (l *List) Asked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked
}

// DER is the list as it stands.
func (l *List) DER(t testing.TB) []byte {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	der, err := l.sign()
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// ServeHTTP serves the list.
func (l *List) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	der, err := l.sign()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/pkix-crl")
	_, _ = w.Write(der)
}

func (l *List) sign() ([]byte, error) {
	now := l.now()
	list := &x509.RevocationList{
		Number: big.NewInt(l.number), ThisUpdate: now, NextUpdate: now.Add(time.Hour), RevokedCertificateEntries: l.revoked,
	}
	if l.change != nil {
		l.change(list)
	}
	issuer := l.signer.Certificate
	if l.signer != l.issuer { // in the authority's name, by another key
		named := *l.issuer.Certificate
		issuer = &named
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, issuer, l.signer.Key)
	if err == nil && l.tamper != nil {
		der = l.tamper(der)
	}
	return der, err
}

// digest is what an algorithm's signature is made of.
func digest(a x509.SignatureAlgorithm) (crypto.Hash, crypto.SignerOpts) {
	switch a {
	case x509.SHA1WithRSA, x509.ECDSAWithSHA1:
		return crypto.SHA1, crypto.SHA1
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384:
		return crypto.SHA384, crypto.SHA384
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512:
		return crypto.SHA512, crypto.SHA512
	case x509.SHA256WithRSAPSS:
		return crypto.SHA256, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
	case x509.PureEd25519:
		return 0, crypto.Hash(0)
	}
	return crypto.SHA256, crypto.SHA256
}
