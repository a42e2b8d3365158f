package revocation

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// signatures are the algorithms that statuses and lists may be signed with, by
// identifier and parameters. SHA-1 is not among them.
var signatures = []struct {
	oid        asn1.ObjectIdentifier
	algorithm  x509.SignatureAlgorithm
	parameters [][]byte // any of these; nil: none
}{
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, x509.SHA256WithRSA, [][]byte{nil, asn1.NullBytes}},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}, x509.SHA384WithRSA, [][]byte{nil, asn1.NullBytes}},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}, x509.SHA512WithRSA, [][]byte{nil, asn1.NullBytes}},
	{oidPSS, x509.SHA256WithRSAPSS, pssParameters(1, 32)},
	{oidPSS, x509.SHA384WithRSAPSS, pssParameters(2, 48)},
	{oidPSS, x509.SHA512WithRSAPSS, pssParameters(3, 64)},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, x509.ECDSAWithSHA256, nil},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}, x509.ECDSAWithSHA384, nil},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}, x509.ECDSAWithSHA512, nil},
}

var (
	oidPSS  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidMGF1 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
)

// pssParameters returns RSASSA-PSS-params (RFC 4055 section 3.1) of one hash for
// all, the last arc of its identifier and its length, with NULL and without.
func pssParameters(hash, salt int) [][]byte {
	var both [][]byte
	for _, null := range []bool{true, false} {
		identifier := func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, hash})
				if null {
					b.AddASN1NULL()
				}
			})
		}
		var b cryptobyte.Builder
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(explicit(0), identifier)
			b.AddASN1(explicit(1), func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oidMGF1)
					identifier(b)
				})
			})
			b.AddASN1(explicit(2), func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(salt)) })
		})
		both = append(both, b.BytesOrPanic())
	}
	return both
}

// readAlgorithm reads an AlgorithmIdentifier.
func readAlgorithm(element cryptobyte.String) (x509.SignatureAlgorithm, error) {
	var seq cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !element.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.ReadASN1ObjectIdentifier(&oid) {
		return 0, faulty(Malformed, "the signature algorithm cannot be read")
	}
	for _, s := range signatures {
		if !s.oid.Equal(oid) {
			continue
		}
		if s.parameters == nil && seq.Empty() {
			return s.algorithm, nil
		}
		for _, p := range s.parameters {
			if bytes.Equal(p, seq) {
				return s.algorithm, nil
			}
		}
	}
	return 0, faulty(WrongSignature, "signed with %s, which is not accepted, or with parameters that are not", oid)
}
