package card

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // for crypto.Hash
	_ "crypto/sha512"
	"crypto/x509"
	"fmt"
	"maps"
	"math/big"
	"slices"
)

// RSA moduli accepted, in bits. Fewer are below 112 bits of strength (SP 800-57);
// more only cost time.
const (
	leastModulus         = 2048
	mostModulus          = 4096 // of a card
	mostAuthorityModulus = 8192
	leastExponent        = 65537 // of a card (FIPS 186-5 appendix A.1.1)
)

// algorithm is one of JWA's (RFC 7518 section 3) that sign with a card's key.
type algorithm struct {
	hash  crypto.Hash
	curve elliptic.Curve // nil: RSA
	pss   bool           // with a salt as long as the hash; else PKCS #1 v1.5
}

var algorithms = map[string]algorithm{
	"ES256": {crypto.SHA256, elliptic.P256(), false}, "ES384": {crypto.SHA384, elliptic.P384(), false}, "ES512": {crypto.SHA512, elliptic.P521(), false},
	"PS256": {crypto.SHA256, nil, true}, "PS384": {crypto.SHA384, nil, true}, "PS512": {crypto.SHA512, nil, true},
	"RS256": {crypto.SHA256, nil, false}, "RS384": {crypto.SHA384, nil, false}, "RS512": {crypto.SHA512, nil, false},
}

var algorithmNames = slices.Sorted(maps.Keys(algorithms))

// fits reports whether the algorithm is one of the key's type, and of its curve
// (RFC 7518 section 3.4).
func (a algorithm) fits(key any) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return a.curve == nil
	case *ecdsa.PublicKey:
		return a.curve == k.Curve
	}
	return false
}

func (a algorithm) sum(text []byte) []byte {
	h := a.hash.New()
	h.Write(text)
	return h.Sum(nil)
}

// verify checks a signature over a digest of the algorithm's hash. ECDSA's is r and
// s side by side, each as long as the curve's order.
func (a algorithm) verify(key any, digest, signature []byte) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if a.pss {
			return rsa.VerifyPSS(k, a.hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(k, a.hash, digest, signature) == nil
	case *ecdsa.PublicKey:
		r, s, ok := numbers(k.Curve, signature)
		return ok && ecdsa.Verify(k, digest, r, s)
	}
	return false
}

// numbers reads r and s, each between 1 and the order less one.
func numbers(curve elliptic.Curve, signature []byte) (r, s *big.Int, ok bool) {
	order := curve.Params().N
	size := (order.BitLen() + 7) / 8
	if len(signature) != 2*size {
		return nil, nil, false
	}
	r, s = new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
	return r, s, r.Sign() > 0 && s.Sign() > 0 && r.Cmp(order) < 0 && s.Cmp(order) < 0
}

// accepted finds the algorithm by its name, if the profile takes it and it fits
// the key.
func (p *profile) accepted(name string, key any) (algorithm, error) {
	a, known := algorithms[name]
	switch {
	case !known:
		return a, refuse(WrongAlgorithm, "%q", name)
	case len(p.Algorithms) != 0 && !slices.Contains(p.Algorithms, name):
		return a, refuse(WrongAlgorithm, "%s is none of the profile's", name)
	case !a.fits(key):
		return a, refuse(WrongAlgorithm, "%s does not fit a key of %s", name, kind(key))
	}
	return a, nil
}

// usable reports whether the profile takes any algorithm of the key.
func (p *profile) usable(key any) bool {
	return slices.ContainsFunc(algorithmNames, func(name string) bool { _, err := p.accepted(name, key); return err == nil })
}

// strongSignatures are those an authority's signature may have. Only a root's own
// is not looked at.
var strongSignatures = []x509.SignatureAlgorithm{
	x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA, x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
	x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512,
}

// strong holds a key against 112 bits of strength: crypto/x509 accepts RSA-1024 and
// P-224.
func strong(key any, most int) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits >= leastModulus && bits <= most {
			return nil
		}
	case *ecdsa.PublicKey:
		if slices.Contains([]elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()}, k.Curve) {
			return nil
		}
	}
	return fmt.Errorf("a key of %s; RSA of %d to %d bits, P-256, P-384 and P-521 are accepted", kind(key), leastModulus, most)
}

// kind names the type and the size of a key.
func kind(key any) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA, %d bits", k.N.BitLen())
	case *ecdsa.PublicKey:
		return k.Params().Name
	}
	return fmt.Sprintf("the type %T", key)
}
