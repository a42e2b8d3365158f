package card

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
)

// What CMS calls things (RFC 5652, RFC 5754, RFC 4056).
var (
	oidData       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidRSA        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidPSS        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidMGF1       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}

	// By the size of the hash, in bytes.
	oidHash  = map[int]asn1.ObjectIdentifier{32: {2, 16, 840, 1, 101, 3, 4, 2, 1}, 48: {2, 16, 840, 1, 101, 3, 4, 2, 2}, 64: {2, 16, 840, 1, 101, 3, 4, 2, 3}}
	oidECDSA = map[int]asn1.ObjectIdentifier{32: {1, 2, 840, 10045, 4, 3, 2}, 48: {1, 2, 840, 10045, 4, 3, 3}, 64: {1, 2, 840, 10045, 4, 3, 4}}
)

// contentInfo is RFC 5652 section 3 with the SignedData of section 5.1.
type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content struct {
		Version int
		Digests []pkix.AlgorithmIdentifier `asn1:"set"`
		Content struct{ Type asn1.ObjectIdentifier }
		Certs   []asn1.RawValue `asn1:"tag:0,set"`
		Signers []signerInfo    `asn1:"set"`
	} `asn1:"explicit,tag:0"`
}

// signerInfo is RFC 5652 section 5.3, without attributes.
type signerInfo struct {
	Version int
	Signer  struct {
		Issuer asn1.RawValue
		Serial *big.Int
	}
	Digest    pkix.AlgorithmIdentifier
	Algorithm pkix.AlgorithmIdentifier
	Signature []byte
}

// pssParameters is RFC 4055 section 3.1.
type pssParameters struct {
	Hash pkix.AlgorithmIdentifier `asn1:"explicit,tag:0"`
	MGF  pkix.AlgorithmIdentifier `asn1:"explicit,tag:1"`
	Salt int                      `asn1:"explicit,tag:2"`
}

// signedData makes the detached CMS of a signature that verified: the certificate
// and the authorities between it and its root, no signed attributes, so that the
// signature is over the text itself.
func signedData(chain []*x509.Certificate, a algorithm, signature []byte) ([]byte, error) {
	c, digest := chain[0], pkix.AlgorithmIdentifier{Algorithm: oidHash[a.hash.Size()]}
	s := signerInfo{Version: 1, Digest: digest, Signature: signature}
	s.Signer.Issuer.FullBytes, s.Signer.Serial = c.RawIssuer, c.SerialNumber
	var err error
	if s.Algorithm, err = a.identifier(); err != nil {
		return nil, err
	}
	if key, ok := c.PublicKey.(*ecdsa.PublicKey); ok {
		r, t, _ := numbers(key.Curve, signature)
		if s.Signature, err = asn1.Marshal(struct{ R, S *big.Int }{r, t}); err != nil {
			return nil, err
		}
	}
	info := contentInfo{Type: oidSignedData}
	info.Content.Version, info.Content.Content.Type = 1, oidData
	info.Content.Digests, info.Content.Signers = []pkix.AlgorithmIdentifier{digest}, []signerInfo{s}
	for _, c := range chain[:len(chain)-1] {
		info.Content.Certs = append(info.Content.Certs, asn1.RawValue{FullBytes: c.Raw})
	}
	slices.SortFunc(info.Content.Certs, func(a, b asn1.RawValue) int { return bytes.Compare(a.FullBytes, b.FullBytes) })
	return asn1.Marshal(info)
}

// identifier names the algorithm of the signature.
func (a algorithm) identifier() (pkix.AlgorithmIdentifier, error) {
	size := a.hash.Size()
	switch {
	case a.curve != nil:
		return pkix.AlgorithmIdentifier{Algorithm: oidECDSA[size]}, nil
	case !a.pss:
		return pkix.AlgorithmIdentifier{Algorithm: oidRSA, Parameters: asn1.NullRawValue}, nil
	}
	hash := pkix.AlgorithmIdentifier{Algorithm: oidHash[size]}
	der, err := asn1.Marshal(hash)
	if err != nil {
		return hash, err
	}
	p := pssParameters{Hash: hash, MGF: pkix.AlgorithmIdentifier{Algorithm: oidMGF1, Parameters: asn1.RawValue{FullBytes: der}}, Salt: size}
	der, err = asn1.Marshal(p)
	return pkix.AlgorithmIdentifier{Algorithm: oidPSS, Parameters: asn1.RawValue{FullBytes: der}}, err
}
