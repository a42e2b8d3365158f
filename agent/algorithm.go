package agent

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes of the algorithms
	_ "crypto/sha512"
	"crypto/x509"
	"math/big"
	"slices"

	"mohur/agent/device"
)

// SignatureAlgorithm is an algorithm in the words of Web eID's signing.
type SignatureAlgorithm struct {
	Crypto  string `json:"cryptoAlgorithm"` // ECC or RSA
	Hash    string `json:"hashFunction"`    // SHA-256, SHA-384, SHA-512
	Padding string `json:"paddingScheme"`   // NONE, PKCS1.5, PSS
}

// hashOf returns the hash of RS256…ES512.
func hashOf(algorithm string) crypto.Hash { return hashNamed("SHA-" + algorithm[2:]) }

func described(algorithm string) SignatureAlgorithm {
	a := SignatureAlgorithm{"RSA", "SHA-" + algorithm[2:], "PKCS1.5"}
	switch algorithm[:2] {
	case "PS":
		a.Padding = "PSS"
	case "ES":
		a.Crypto, a.Padding = "ECC", "NONE"
	}
	return a
}

// strong: keys the bank's server takes, too.
func strong(key any) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen() >= 2048 && k.N.BitLen() <= 8192
	case *ecdsa.PublicKey:
		return curve(k) != ""
	}
	return false
}

// curve returns the digits of ES* that go with the key's curve (RFC 7518 section 3.4).
func curve(k *ecdsa.PublicKey) string {
	return map[string]string{"P-256": "256", "P-384": "384", "P-521": "512"}[k.Curve.Params().Name]
}

// algorithms returns those a key on a device can be used with, the preferred one
// first. An RSA key signs by PKCS #1 v1.5 unless the profile says that the device
// can do PSS: many cards claim it and cannot.
func algorithms(p device.Profile, c *x509.Certificate) []string {
	switch k := c.PublicKey.(type) {
	case *ecdsa.PublicKey:
		if digits := curve(k); digits != "" {
			return []string{"ES" + digits}
		}
	case *rsa.PublicKey:
		var fit []string
		for _, a := range p.Algorithms {
			if a[:2] != "ES" && !slices.Contains(fit, a) {
				fit = append(fit, a)
			}
		}
		if len(fit) == 0 {
			fit = []string{"RS256"}
		}
		return fit
	}
	return nil
}

// verifies checks a card's signature before it leaves: a module can take another
// key than it was asked for.
func verifies(algorithm string, key any, digest, signature []byte) bool {
	h := hashOf(algorithm)
	switch k := key.(type) {
	case *rsa.PublicKey:
		if algorithm[:2] == "PS" {
			return rsa.VerifyPSS(k, h, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return algorithm[:2] == "RS" && rsa.VerifyPKCS1v15(k, h, digest, signature) == nil
	case *ecdsa.PublicKey:
		size := (k.Params().BitSize + 7) / 8
		if algorithm[:2] != "ES" || len(signature) != 2*size {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
		return ecdsa.Verify(k, digest, r, s)
	}
	return false
}
