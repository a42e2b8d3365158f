package revocation

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// maxCRL bounds a list, in bytes.
const maxCRL = 32 << 20

var (
	oidScope        = asn1.ObjectIdentifier{2, 5, 29, 28} // issuingDistributionPoint
	oidDelta        = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidReason       = asn1.ObjectIdentifier{2, 5, 29, 21}
	oidInvalidity   = asn1.ObjectIdentifier{2, 5, 29, 24}
	listExtensions  = []asn1.ObjectIdentifier{oidScope, {2, 5, 29, 20}, {2, 5, 29, 35}}
	understoodEntry = []asn1.ObjectIdentifier{oidReason, oidInvalidity}
)

// list is a verified list of revoked certificates: what is needed of it.
type list struct {
	number     *big.Int // nil if it has none
	thisUpdate time.Time
	nextUpdate time.Time
	scope      scope
	revoked    map[string]entry // by the serial's bytes
	readAt     time.Time
}

// entry is one revoked certificate. removeFromCRL changes nothing: it has a
// meaning in delta lists only, and those are refused.
type entry struct {
	at     int64 // Unix seconds
	reason int8
}

// scope is what certificates a list is for (RFC 5280 section 5.2.5).
type scope struct {
	hash              [sha256.Size]byte // of the extension
	addresses         []string          // the distribution point; none: any
	onlyUsers, onlyCA bool
}

// parseList reads a list in DER or PEM, verifies that the issuer signed it and
// that nothing of it needs more understanding than there is here. The dates are
// not judged.
func parseList(raw []byte, issuer *x509.Certificate) (_ *list, err error) {
	defer guard(&err)
	if bytes.HasPrefix(bytes.TrimSpace(raw[:min(len(raw), 256)]), []byte("-----BEGIN")) {
		block, rest := pem.Decode(raw)
		if block == nil || block.Type != "X509 CRL" || len(bytes.TrimSpace(rest)) > 0 {
			return nil, faulty(Malformed, "it is not one X509 CRL in PEM")
		}
		raw = block.Bytes
	}
	if err := verifyList(raw, issuer); err != nil {
		return nil, err
	}
	crl, err := x509.ParseRevocationList(raw)
	if err != nil {
		return nil, faulty(Malformed, "%v", err)
	}
	if crl.NextUpdate.IsZero() || crl.NextUpdate.Before(crl.ThisUpdate) {
		return nil, faulty(Malformed, "the list does not say until when it is in force")
	}
	l := &list{number: crl.Number, thisUpdate: crl.ThisUpdate, nextUpdate: crl.NextUpdate}
	if err := l.readExtensions(crl.Extensions); err != nil {
		return nil, err
	}
	if err := l.readEntries(crl.RevokedCertificateEntries); err != nil {
		return nil, err
	}
	return l, nil
}

// verifyList verifies that the issuer signed a list, before the millions of bytes
// in it are looked at: what is not signed is to cost no memory.
func verifyList(raw []byte, issuer *x509.Certificate) error {
	malformed := faulty(Malformed, "it is no list of revoked certificates in DER")
	in := cryptobyte.String(raw)
	var outer, signed, algorithm, tbs, inner, name cryptobyte.String
	var signature []byte
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) || !in.Empty() ||
		!outer.ReadASN1Element(&signed, cbasn1.SEQUENCE) || !outer.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) ||
		!outer.ReadASN1BitStringAsBytes(&signature) || !outer.Empty() {
		return malformed
	}
	tbs = signed
	if !tbs.ReadASN1(&tbs, cbasn1.SEQUENCE) || !tbs.SkipOptionalASN1(cbasn1.INTEGER) ||
		!tbs.ReadASN1Element(&inner, cbasn1.SEQUENCE) || !tbs.ReadASN1Element(&name, cbasn1.SEQUENCE) || !bytes.Equal(inner, algorithm) {
		return malformed
	}
	a, err := readAlgorithm(algorithm)
	switch {
	case !bytes.Equal(name, issuer.RawSubject):
		return faulty(WrongResponder, "the list is another issuer's")
	case err != nil:
		return err
	case !issuer.IsCA || issuer.KeyUsage != 0 && issuer.KeyUsage&x509.KeyUsageCRLSign == 0:
		return faulty(WrongResponder, "the issuer's key is not for signing lists")
	case !strong(issuer):
		return faulty(WrongResponder, "the issuer's key is too weak")
	}
	if err := issuer.CheckSignature(a, signed, signature); err != nil {
		return faulty(WrongSignature, "%v", err)
	}
	return nil
}

func (l *list) readExtensions(extensions []pkix.Extension) error {
	for _, e := range extensions {
		switch {
		case e.Id.Equal(oidDelta):
			return faulty(CriticalExtension, "it is a delta list, which says only what changed")
		case e.Id.Equal(oidScope):
			if err := l.scope.read(e.Value); err != nil {
				return err
			}
		case e.Critical && !slices.ContainsFunc(listExtensions, e.Id.Equal):
			return faulty(CriticalExtension, "the list has the critical extension %s", e.Id)
		}
	}
	return nil
}

func (l *list) readEntries(entries []x509.RevocationListEntry) error {
	l.revoked = make(map[string]entry, len(entries))
	for _, e := range entries {
		for _, x := range e.Extensions {
			// certificateIssuer among them: the entry is another CA's certificate.
			if x.Critical && !slices.ContainsFunc(understoodEntry, x.Id.Equal) {
				return faulty(CriticalExtension, "an entry has the critical extension %s", x.Id)
			}
		}
		if e.SerialNumber.Sign() >= 0 { // no certificate is read that has a negative one
			l.revoked[string(e.SerialNumber.Bytes())] = entry{e.RevocationTime.Unix(), int8(min(max(e.ReasonCode, 0), 127))}
		}
	}
	return nil
}

// read reads an IssuingDistributionPoint.
func (s *scope) read(value []byte) error {
	malformed := faulty(Malformed, "the list's distribution point cannot be read")
	s.hash = sha256.Sum256(value)
	in := cryptobyte.String(value)
	var point, seq, names cryptobyte.String
	var has bool
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) || !in.Empty() || !seq.ReadOptionalASN1(&point, &has, explicit(0)) {
		return malformed
	}
	if has {
		if !point.ReadASN1(&names, explicit(0)) || !point.Empty() {
			return faulty(CriticalExtension, "the list's distribution point is not an address")
		}
		for !names.Empty() {
			var name cryptobyte.String
			var tag cbasn1.Tag
			if !names.ReadAnyASN1(&name, &tag) {
				return malformed
			}
			if tag == cbasn1.Tag(6).ContextSpecific() { // uniformResourceIdentifier
				s.addresses = append(s.addresses, string(name))
			}
		}
		if len(s.addresses) == 0 {
			return faulty(CriticalExtension, "the list's distribution point is not an address")
		}
	}
	var attributes, reasons, indirect bool
	for _, f := range []struct {
		tag uint8
		is  *bool
	}{{1, &s.onlyUsers}, {2, &s.onlyCA}, {3, &reasons}, {4, &indirect}, {5, &attributes}} {
		var flag cryptobyte.String
		if !seq.ReadOptionalASN1(&flag, f.is, cbasn1.Tag(f.tag).ContextSpecific()) {
			return malformed
		}
		if *f.is && f.tag != 3 {
			*f.is = len(flag) != 1 || flag[0] != 0
		}
	}
	switch {
	case !seq.Empty():
		return malformed
	case reasons || indirect || attributes:
		return faulty(CriticalExtension, "the list is an indirect one, or for some reasons or for attribute certificates only")
	}
	return nil
}

// covers reports whether the list would name the certificate if it were revoked.
func (l *list) covers(c *x509.Certificate) bool {
	if l.scope.onlyUsers && c.IsCA || l.scope.onlyCA && !c.IsCA {
		return false
	}
	return len(l.scope.addresses) == 0 || slices.ContainsFunc(l.scope.addresses, func(a string) bool {
		return slices.Contains(c.CRLDistributionPoints, a)
	})
}

// until is when the list ends being in force.
func (l *list) until(rules Rules) time.Time {
	if end := l.thisUpdate.Add(rules.CRLMaxAge); rules.CRLMaxAge > 0 && end.Before(l.nextUpdate) {
		return end
	}
	return l.nextUpdate
}

// older reports whether the list is from before another of the same scope.
func (l *list) older(than *list) bool {
	if l.number != nil && than.number != nil {
		if n := l.number.Cmp(than.number); n != 0 {
			return n < 0
		}
	}
	if l.number == nil && than.number != nil {
		return true
	}
	return l.thisUpdate.Before(than.thisUpdate)
}
