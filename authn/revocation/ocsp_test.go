package revocation_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"mohur/authn/pkitest"
	"mohur/authn/revocation"
)

func TestOCSPGood(t *testing.T) {
	b := newBench(t)
	s := b.good()
	if s.Source != revocation.SourceOCSP || s.FromCache || s.InGrace || !s.ThisUpdate.Equal(start) ||
		!s.NextUpdate.Equal(start.Add(time.Hour)) || !s.CheckedAt.Equal(start) || s.Address != b.rules.Responders[0] {
		t.Errorf("%+v", s)
	}
	// By SHA-256, by RSA, by a delegate: all the same.
	b.rules.SHA256 = true
	b.good()
	rsa := pkitest.Root(t, "RSA", pkitest.Kind("RSA-2048"))
	b.ca, b.card, b.ocsp = rsa, rsa.Card(t, "PNOAZ-2"), rsa.OCSP()
	b.ocsp.Clock(b.clock)
	b.good()
	for _, a := range []x509.SignatureAlgorithm{x509.SHA384WithRSA, x509.SHA512WithRSA, x509.SHA256WithRSAPSS} {
		b.card = rsa.Card(t, "PNOAZ-2")
		b.ocsp.Change(func(n *pkitest.Answer) { n.Algorithm = a })
		b.good()
	}
	b.card = rsa.Card(t, "PNOAZ-3")
	responder := rsa.Responding(t, "responder", pkitest.Kind("P-384"))
	b.ocsp.Change(func(a *pkitest.Answer) { a.Signer, a.With = responder, []*pkitest.Pair{rsa, responder} })
	b.good()
}

func TestOCSPRevoked(t *testing.T) {
	b := newBench(t)
	b.ocsp.Revoke(b.card)
	s := b.refused(revocation.Revoked, revocation.ReasonRevoked)
	if s.RevocationReason != "keyCompromise" || !s.RevokedAt.Equal(start.Add(-time.Hour)) {
		t.Errorf("%+v", s)
	}
}

func TestOCSPUnknown(t *testing.T) {
	b := newBench(t)
	b.ocsp.Change(func(a *pkitest.Answer) { a.Status = 2 })
	b.refused(revocation.Unknown, revocation.ReasonUnknown)
	// It is an answer: no list is asked behind it.
	b.rules.CRLs = []string{b.server.URL + "/ca.crl"}
	b.refused(revocation.Unknown, revocation.ReasonUnknown)
}

// TestOCSPRefused: every answer that proves nothing leaves the status unavailable.
func TestOCSPRefused(t *testing.T) {
	other := pkitest.Root(t, "Other")
	b := newBench(t)
	responder := b.ca.Responding(t, "responder")
	delegate := func(p *pkitest.Pair, with ...*pkitest.Pair) func(*pkitest.Answer) {
		return func(a *pkitest.Answer) { a.Signer, a.With = p, append(with, p) }
	}
	critical := func(c *pkitest.Template) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: pkitest.OID("1.2.3.4"), Critical: true, Value: []byte{5, 0}})
	}
	below := b.ca.Authority(t, "Below")
	rsaCA := pkitest.Root(t, "RSA", pkitest.Kind("RSA-2048"))
	for _, c := range []struct {
		name   string
		want   revocation.Reason
		change func(*pkitest.Answer)
	}{
		{"too old", revocation.Stale, func(a *pkitest.Answer) { a.This = a.This.Add(-3 * time.Minute) }},
		{"nextUpdate past", revocation.Stale, func(a *pkitest.Answer) { a.This, a.Next = a.This.Add(-time.Minute), a.This.Add(-time.Second) }},
		{"nextUpdate before thisUpdate", revocation.Stale, func(a *pkitest.Answer) { a.This, a.Next = a.This.Add(10*time.Minute), a.This.Add(time.Minute) }},
		{"future", revocation.Future, func(a *pkitest.Answer) { a.This, a.Next = a.This.Add(16*time.Minute), a.This.Add(time.Hour) }},
		{"produced in the future", revocation.Future, func(a *pkitest.Answer) { a.Produced = a.Produced.Add(16 * time.Minute) }},

		{"no nonce", revocation.WrongNonce, func(a *pkitest.Answer) { a.Nonce = nil }},
		{"another nonce", revocation.WrongNonce, func(a *pkitest.Answer) { a.Nonce = append([]byte{4, 32}, make([]byte, 32)...) }},
		{"part of the nonce", revocation.WrongNonce, func(a *pkitest.Answer) { a.Nonce = append([]byte{4, 8}, a.Nonce[2:10]...) }},
		{"the nonce unwrapped", revocation.WrongNonce, func(a *pkitest.Answer) { a.Nonce = a.Nonce[2:] }},
		{"an empty nonce", revocation.WrongNonce, func(a *pkitest.Answer) { a.Nonce = []byte{4, 0} }},

		{"two responses", revocation.WrongCertificate, func(a *pkitest.Answer) { a.Copies = 2 }},
		{"no response", revocation.Malformed, func(a *pkitest.Answer) { a.Copies = 0 }},
		{"another serial", revocation.WrongCertificate, func(a *pkitest.Answer) { a.Serial = new(big.Int).Add(a.Serial, big.NewInt(1)) }},
		{"another issuer", revocation.WrongCertificate, func(a *pkitest.Answer) { a.CertID = certIDOf(t, other, b.card) }},

		{"another CA", revocation.WrongResponder, delegate(other)},
		{"another CA's delegate", revocation.WrongResponder, delegate(other.Responding(t, "responder"))},
		{"a delegate of an authority below", revocation.WrongResponder, delegate(below.Responding(t, "responder"), below)},
		{"a delegate that is not sent", revocation.WrongResponder, func(a *pkitest.Answer) { a.Signer = responder }},
		{"a delegate with another's certificate", revocation.WrongResponder, func(a *pkitest.Answer) { a.Signer, a.With = responder, []*pkitest.Pair{other} }},
		{"a delegate without the usage", revocation.WrongResponder, delegate(b.ca.Responding(t, "r", pkitest.Extended(x509.ExtKeyUsageClientAuth)))},
		{"a delegate with any usage", revocation.WrongResponder, delegate(b.ca.Responding(t, "r", pkitest.Extended(x509.ExtKeyUsageAny)))},
		{"a delegate without usages", revocation.WrongResponder, delegate(b.ca.Responding(t, "r", pkitest.Extended()))},
		{"a delegate for encryption", revocation.WrongResponder, delegate(b.ca.Responding(t, "r", pkitest.Usage(x509.KeyUsageKeyAgreement)))},
		{"the authority below itself", revocation.WrongResponder, delegate(b.ca.Authority(t, "r", pkitest.Extended(x509.ExtKeyUsageOCSPSigning)))},
		{"an expired delegate", revocation.WrongResponder, delegate(b.ca.Responding(t, "r", pkitest.Dates(pkitest.From, start.Add(-time.Second))))},
		{"a delegate yet to come", revocation.WrongResponder, delegate(b.ca.Responding(t, "r", pkitest.Dates(start.Add(time.Second), pkitest.Until)))},
		{"a weak delegate", revocation.WrongResponder, delegate(b.ca.Responding(t, "r", pkitest.Kind("P-224")))},
		{"a delegate with a critical extension", revocation.WrongResponder, delegate(b.ca.Responding(t, "r", critical))},
		{"a delegate that may be revoked", revocation.WrongResponder, delegate(b.ca.Responding(t, "r", func(c *pkitest.Template) { c.ExtraExtensions = nil }))},
		{"the card", revocation.WrongResponder, delegate(b.card)},

		{"a critical extension", revocation.CriticalExtension, func(a *pkitest.Answer) {
			a.Extension = &pkix.Extension{Id: pkitest.OID("1.2.3.4"), Critical: true, Value: []byte{5, 0}}
		}},
		{"the nonce twice", revocation.Malformed, func(a *pkitest.Answer) {
			a.Extension = &pkix.Extension{Id: pkitest.OID("1.3.6.1.5.5.7.48.1.2"), Value: a.Nonce}
		}},
		{"a changed signature", revocation.WrongSignature, func(a *pkitest.Answer) {
			a.Tamper = func(der []byte) []byte { der[len(der)-1] ^= 1; return der }
		}},
		{"a changed status", revocation.WrongSignature, func(a *pkitest.Answer) {
			a.Status = 2
			a.Tamper = func(der []byte) []byte { return bytes.Replace(der, []byte{0x82, 0, 0x18}, []byte{0x80, 0, 0x18}, 1) }
		}},
		{"SHA-1", revocation.WrongSignature, func(a *pkitest.Answer) {
			a.Signer, a.Algorithm, a.With = responder, x509.ECDSAWithSHA1, []*pkitest.Pair{responder}
		}},
		{"another's algorithm", revocation.WrongResponder, func(a *pkitest.Answer) { a.Signer = rsaCA }},
		{"a byte too many", revocation.Malformed, func(a *pkitest.Answer) { a.Tamper = func(der []byte) []byte { return append(der, 0) } }},
		{"cut off", revocation.Malformed, func(a *pkitest.Answer) { a.Tamper = func(der []byte) []byte { return der[:len(der)/2] } }},
		{"nothing", revocation.Malformed, func(a *pkitest.Answer) { a.Tamper = func([]byte) []byte { return nil } }},
		{"tryLater", revocation.ResponderError, func(a *pkitest.Answer) { a.Failure = 3 }},
		{"unauthorized", revocation.ResponderError, func(a *pkitest.Answer) { a.Failure = 6 }},
		{"HTTP 500", revocation.Away, func(a *pkitest.Answer) { a.Code = http.StatusInternalServerError }},
		{"oversized", revocation.Oversized, func(a *pkitest.Answer) {
			a.Tamper = func(der []byte) []byte { return append(der, make([]byte, 100<<10)...) }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := b.within(t)
			b.ocsp.Change(c.change)
			b.refused(revocation.Unavailable, c.want)
			b.ocsp.Change(nil)
			b.good() // the bench itself is fine
		})
	}
}

// certIDOf names the card as one of another issuer.
func certIDOf(t *testing.T, issuer, card *pkitest.Pair) []byte {
	t.Helper()
	request, err := ocsp.CreateRequest(card.Certificate, issuer.Certificate, nil)
	if err != nil {
		t.Fatal(err)
	}
	var in struct {
		TBS struct{ List []struct{ ID asn1.RawValue } }
	}
	if _, err := asn1.Unmarshal(request, &in); err != nil {
		t.Fatal(err)
	}
	return in.TBS.List[0].ID.FullBytes
}

// A delegate without nocheck is good if a list says so, and not if it is on it.
func TestOCSPDelegateOnList(t *testing.T) {
	b := newBench(t)
	responder := b.ca.Responding(t, "r", func(c *pkitest.Template) { c.ExtraExtensions = nil })
	b.ocsp.Change(func(a *pkitest.Answer) { a.Signer, a.With = responder, []*pkitest.Pair{responder} })
	b.rules.CRLs = []string{b.server.URL + "/ca.crl"}
	if s := b.good(); s.Source != revocation.SourceOCSP {
		t.Errorf("%v", s)
	}
	b.crl.Revoke(responder)
	b.later(2 * time.Hour)
	// Its word counts no more: the list itself says that the card is good.
	if s := b.good(); s.Source != revocation.SourceCRL {
		t.Errorf("%v", s)
	}
	b.crl.Revoke(b.card)
	b.later(2 * time.Hour)
	b.refused(revocation.Revoked, revocation.ReasonRevoked)
}

// A responder that gives no nonces has to be exempted, and is bound by its dates.
func TestOCSPNonceExempt(t *testing.T) {
	b := newBench(t)
	this, next := start.Add(-6*time.Hour), start.Add(6*time.Hour)
	b.ocsp.Change(func(a *pkitest.Answer) { a.Nonce, a.This, a.Next = nil, this, next })
	b.refused(revocation.Unavailable, revocation.WrongNonce)
	b.rules.NonceExempt = true
	b.refused(revocation.Unavailable, revocation.Stale)
	b.rules.MaxAge = 12 * time.Hour
	b.good()
	b.later(6*time.Hour + time.Second)
	b.refused(revocation.Unavailable, revocation.Stale)
	// A nonce that comes all the same has to be the one that was sent.
	b.ocsp.Change(func(a *pkitest.Answer) { a.Nonce = append([]byte{4, 32}, make([]byte, 32)...) })
	b.refused(revocation.Unavailable, revocation.WrongNonce)
}

func TestOCSPAwayAndSlow(t *testing.T) {
	b := newBench(t)
	b.away()
	b.refused(revocation.Unavailable, revocation.Away)
	redirect := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ocsp" {
			t.Errorf("the redirect to %s was followed", r.URL)
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	b.instead.Store(&redirect)
	if s := b.refused(revocation.Unavailable, revocation.Away); !strings.Contains(s.Detail, "redirect") {
		t.Errorf("%q does not tell of the redirect", s.Detail)
	}
	b.back()
	b.checker = &revocation.Checker{Timeout: 50 * time.Millisecond}
	b.ocsp.Change(func(a *pkitest.Answer) { a.Delay = time.Minute })
	b.refused(revocation.Unavailable, revocation.Slow)
	b.server.CloseClientConnections()
	b.server.Close()
	b.checker = &revocation.Checker{}
	b.refused(revocation.Unavailable, revocation.Away)
}

// The environment's proxy is not ours.
func TestNoProxy(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	b := newBench(t)
	b.good()
}

// The second responder is asked where the first gives nothing.
func TestOCSPSecondResponder(t *testing.T) {
	b := newBench(t)
	b.rules.Responders = []string{"http://127.0.0.1:1/", b.server.URL + "/ocsp"}
	if s := b.good(); s.Address != b.rules.Responders[1] {
		t.Errorf("%+v", s)
	}
}
