package agent

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"testing"

	"mohur/agent/device"
)

func TestAlgorithmsFollowKeyAndProfile(t *testing.T) {
	rsaKey := &x509.Certificate{PublicKey: &rsa.PublicKey{}}
	on := func(c elliptic.Curve) *x509.Certificate {
		return &x509.Certificate{PublicKey: &ecdsa.PublicKey{Curve: c}}
	}
	for _, c := range []struct {
		profile []string
		cert    *x509.Certificate
		want    []string
	}{
		{nil, rsaKey, []string{"RS256"}}, {[]string{"ES256", "ES384"}, rsaKey, []string{"RS256"}}, {[]string{"RS256", "PS256"}, rsaKey, []string{"RS256", "PS256"}},
		{[]string{"PS256", "ES256", "RS256"}, rsaKey, []string{"PS256", "RS256"}}, {[]string{"RS256"}, on(elliptic.P256()), []string{"ES256"}},
		{nil, on(elliptic.P384()), []string{"ES384"}}, {nil, on(elliptic.P521()), []string{"ES512"}}, {nil, on(elliptic.P224()), nil}, {nil, &x509.Certificate{}, nil},
	} {
		if got := algorithms(device.Profile{Algorithms: c.profile}, c.cert); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.profile, got, c.want)
		}
	}
	if described("PS384") != (SignatureAlgorithm{"RSA", "SHA-384", "PSS"}) || described("ES256") != (SignatureAlgorithm{"ECC", "SHA-256", "NONE"}) {
		t.Errorf("%+v, %+v", described("PS384"), described("ES256"))
	}
}

func TestSignaturesAreHeldAgainstTheCertificate(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("x"))
	pss, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	if err != nil {
		t.Fatal(err)
	}
	short, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: 8})
	if err != nil {
		t.Fatal(err)
	}
	v15, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	r, s, err := ecdsa.Sign(rand.Reader, ec, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	raw := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	asn1, err := ec.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		algorithm string
		key       any
		signature []byte
		want      bool
	}{
		"RS256": {"RS256", &key.PublicKey, v15, true}, "PS256": {"PS256", &key.PublicKey, pss, true}, "ES256": {"ES256", &ec.PublicKey, raw, true},
		"PSS for RS256": {"RS256", &key.PublicKey, pss, false}, "a short salt": {"PS256", &key.PublicKey, short, false}, "DER": {"ES256", &ec.PublicKey, asn1, false},
		"RSA by an EC key": {"ES256", &key.PublicKey, v15, false}, "EC by an RSA key": {"RS256", &ec.PublicKey, raw, false}, "none": {"ES256", &ec.PublicKey, nil, false},
	} {
		if got := verifies(c.algorithm, c.key, digest[:], c.signature); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
