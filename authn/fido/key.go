package fido

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// RSA moduli accepted of credentials and certificates, in bits. Fewer are below
// 112 bits of strength (SP 800-57); more only cost time.
const (
	minModulus = 2048
	maxModulus = 4096
)

// allAlgorithms are those a credential may have, the preferred first.
var allAlgorithms = []webauthncose.COSEAlgorithmIdentifier{
	webauthncose.AlgES256, webauthncose.AlgES384, webauthncose.AlgES512, webauthncose.AlgEdDSA, webauthncose.AlgRS256,
}

// algorithmName returns the name in the IANA COSE registry.
func algorithmName(id webauthncose.COSEAlgorithmIdentifier) string {
	switch id {
	case webauthncose.AlgES256:
		return "ES256"
	case webauthncose.AlgES384:
		return "ES384"
	case webauthncose.AlgES512:
		return "ES512"
	case webauthncose.AlgEdDSA:
		return "EdDSA"
	case webauthncose.AlgRS256:
		return "RS256"
	}
	return fmt.Sprintf("COSE algorithm %d", int(id))
}

// parseKey reads a COSE_Key and holds its algorithm against its type, its curve
// (section 5.8.5) and its size: the key decides which signatures are looked at, so
// nothing about it may be left open.
func parseKey(cose []byte, allowed []webauthncose.COSEAlgorithmIdentifier) (any, webauthncose.COSEAlgorithmIdentifier, error) {
	var labels map[int64]webauthncbor.RawMessage
	if err := webauthncbor.Unmarshal(cose, &labels); err != nil {
		return nil, 0, refuse(KeyAlgorithm, "not a COSE key: %v", err)
	}
	key, err := webauthncose.ParsePublicKey(cose)
	if err != nil {
		return nil, 0, refuse(KeyAlgorithm, "%v", err)
	}
	var alg webauthncose.COSEAlgorithmIdentifier
	want := 4 // kty, alg and two more; section 6.5.1.1 allows no optional ones
	switch k := key.(type) {
	case webauthncose.EC2PublicKeyData:
		alg, want = webauthncose.COSEAlgorithmIdentifier(k.Algorithm), 5
		err = typed(alg, webauthncose.AlgES256, webauthncose.AlgES384, webauthncose.AlgES512)
	case webauthncose.OKPPublicKeyData:
		alg = webauthncose.COSEAlgorithmIdentifier(k.Algorithm)
		err = typed(alg, webauthncose.AlgEdDSA)
	case webauthncose.RSAPublicKeyData:
		alg = webauthncose.COSEAlgorithmIdentifier(k.Algorithm)
		if err = typed(alg, webauthncose.AlgRS256); err == nil {
			err = rsaSize(k)
		}
	default:
		err = refuse(KeyAlgorithm, "a key of type %T", key)
	}
	switch {
	case err != nil:
		return nil, 0, err
	case len(labels) != want:
		return nil, 0, refuse(KeyAlgorithm, "%d parameters where %s has %d", len(labels), algorithmName(alg), want)
	case !slices.Contains(allowed, alg):
		return nil, 0, refuse(KeyAlgorithm, "%s was not offered", algorithmName(alg))
	}
	return key, alg, nil
}

// typed: the algorithm is one of the key's type.
func typed(alg webauthncose.COSEAlgorithmIdentifier, of ...webauthncose.COSEAlgorithmIdentifier) error {
	if slices.Contains(of, alg) {
		return nil
	}
	return refuse(KeyAlgorithm, "%s does not fit the type of the key", algorithmName(alg))
}

func rsaSize(k webauthncose.RSAPublicKeyData) error {
	bits := 8 * len(k.Modulus)
	if bits == 0 || k.Modulus[0] == 0 || bits < minModulus || bits > maxModulus {
		return refuse(KeyAlgorithm, "an RSA modulus of %d bits, or with leading zeros; %d to %d are accepted", bits, minModulus, maxModulus)
	}
	e, err := webauthncose.ParseRSAPublicKeyDataExponent(&k)
	if err != nil || e < 65537 || e%2 == 0 || e > 1<<31-1 {
		return refuse(KeyAlgorithm, "an RSA exponent that is not odd and at least 65537")
	}
	return nil
}

// verifySignature checks a signature over signed (section 7.2 step 22). ECDSA
// signatures are DER in its one form.
func verifySignature(key any, signed, signature []byte) error {
	ok, err := webauthncose.VerifySignature(key, signed, signature)
	if err != nil {
		return refuse(WrongSignature, "%v", err)
	}
	if !ok {
		return refuse(WrongSignature, "does not verify")
	}
	return nil
}

// strong holds a certificate's key against 112 bits of strength. crypto/x509
// accepts RSA-1024 and P-224.
func strong(public any) error {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() >= minModulus {
			return nil
		}
		return fmt.Errorf("RSA of %d bits", k.N.BitLen())
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() || k.Curve == elliptic.P384() || k.Curve == elliptic.P521() {
			return nil
		}
		return fmt.Errorf("the curve %s", k.Params().Name)
	case ed25519.PublicKey:
		return nil
	}
	return fmt.Errorf("a key of type %T", public)
}
