package card

import (
	"context"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"testing"

	"mohur/authn/pkitest"
	"mohur/authn/revocation"
)

func internalVerifier(t testing.TB, issuer Issuer) *Verifier {
	t.Helper()
	issuer.Name, issuer.Subject, issuer.LogIn = "state", "serialNumber", true
	issuer.Revocation = revocation.Rules{CRLs: []string{"http://crl.example"}}
	v, err := New(Settings{Origins: []string{fuzzOrigin}, Status: &revocation.Checker{}, Issuers: []Issuer{issuer}})
	if err != nil {
		t.Fatal(err)
	}
	v.check = good
	return v
}

func logInWith(t testing.TB, v *Verifier, p *pkitest.Pair) Verdict {
	t.Helper()
	return v.VerifyToken(context.Background(), TokenInput{Token: p.Token(t, fuzzOrigin, fuzzNonce), Nonce: fuzzNonce, At: fuzzTime})
}

// Weak authorities are refused when the settings are read, and once more at every
// use: here they come in behind the settings.
func TestWeakAuthorities(t *testing.T) {
	root := pkitest.Root(t, "Root")
	sha1 := func(c *pkitest.Template) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 }
	for name, c := range map[string]struct {
		middle *pkitest.Pair
		want   Reason
	}{
		"good":                      {root.Authority(t, "Good"), ""},
		"RSA-1024":                  {root.Authority(t, "Weak", pkitest.Kind("RSA-1024")), WeakChain},
		"P-224":                     {root.Authority(t, "Weak", pkitest.Kind("P-224")), WeakChain},
		"SHA-1":                     {root.Authority(t, "Weak", sha1), NotTrusted},
		"keyCertSign missing":       {root.Authority(t, "Not", pkitest.Usage(x509.KeyUsageCRLSign)), NotTrusted},
		"no authority":              {root.Authority(t, "Not", func(c *pkitest.Template) { c.IsCA, c.KeyUsage = false, 0 }), NotTrusted},
		"without basic constraints": {root.Authority(t, "Not", func(c *pkitest.Template) { c.IsCA, c.BasicConstraintsValid = false, false }), NotTrusted},
	} {
		t.Run(name, func(t *testing.T) {
			v := internalVerifier(t, Issuer{Roots: []*x509.Certificate{root.Certificate}})
			v.profiles[0].intermediates.AddCert(c.middle.Certificate)
			if got := logInWith(t, v, c.middle.Card(t, "AZE1")); got.Reason != c.want || got.OK != (c.want == "") {
				t.Errorf("%+v", got)
			}
		})
	}
}

// The signature of a root on itself proves nothing, so it may be an old one.
func TestAnOldRoot(t *testing.T) {
	root := pkitest.Root(t, "Root", func(c *pkitest.Template) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 })
	v := internalVerifier(t, Issuer{Roots: []*x509.Certificate{root.Certificate}})
	if got := logInWith(t, v, root.Card(t, "AZE1")); !got.OK {
		t.Errorf("%+v", got)
	}
}

// Of two ways to a root one that is sound is enough, and one that is not is not.
func TestTwoWays(t *testing.T) {
	weak, sound := pkitest.Root(t, "Weak", pkitest.Kind("RSA-1024")), pkitest.Root(t, "Sound")
	key := pkitest.Key(t, "P-256")
	with := func(c *pkitest.Template) { c.With, c.SubjectKeyId = key, []byte{1} }
	one, other := weak.Authority(t, "Middle", with), sound.Authority(t, "Middle", with)
	v := internalVerifier(t, Issuer{Roots: []*x509.Certificate{sound.Certificate}})
	p := v.profiles[0]
	p.roots.AddCert(weak.Certificate)
	p.intermediates.AddCert(one.Certificate)
	person := one.Card(t, "AZE1")
	if got := logInWith(t, v, person); got.Reason != WeakChain {
		t.Errorf("%+v", got)
	}
	p.intermediates.AddCert(other.Certificate)
	if got := logInWith(t, v, person); !got.OK {
		t.Errorf("%+v", got)
	}
}

// RSA keys that are made by hand: nobody's generator makes them.
func TestOddRSAKeys(t *testing.T) {
	modulus := func(bits uint) *big.Int {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		return n.Add(n, big.NewInt(1))
	}
	for name, k := range map[string]struct {
		key  rsa.PublicKey
		good bool
	}{
		"2048": {rsa.PublicKey{N: modulus(2048), E: 65537}, true}, "4096": {rsa.PublicKey{N: modulus(4096), E: 65537}, true},
		"2047": {rsa.PublicKey{N: modulus(2047), E: 65537}, false}, "4097": {rsa.PublicKey{N: modulus(4097), E: 65537}, false},
		"exponent 3": {rsa.PublicKey{N: modulus(2048), E: 3}, false}, "exponent 1": {rsa.PublicKey{N: modulus(2048), E: 1}, false},
		"even exponent": {rsa.PublicKey{N: modulus(2048), E: 65538}, false},
	} {
		err := person(&x509.Certificate{PublicKey: &k.key, KeyUsage: x509.KeyUsageDigitalSignature})
		if (err == nil) != k.good || err != nil && reasonOf(err) != WeakKey {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// r and s are held within the order here, whatever crypto/ecdsa does with others.
func TestNumbers(t *testing.T) {
	order := elliptic.P256().Params().N
	last := new(big.Int).Sub(order, big.NewInt(1))
	for _, c := range []struct {
		r, s *big.Int
		good bool
	}{
		{big.NewInt(1), last, true}, {last, big.NewInt(1), true}, {new(big.Int), last, false}, {last, new(big.Int), false},
		{order, last, false}, {last, order, false},
	} {
		signature := append(c.r.FillBytes(make([]byte, 32)), c.s.FillBytes(make([]byte, 32))...)
		r, s, ok := numbers(elliptic.P256(), signature)
		if ok != c.good || ok && (r.Cmp(c.r) != 0 || s.Cmp(c.s) != 0) {
			t.Errorf("%v, %v: %t", c.r, c.s, ok)
		}
	}
}
