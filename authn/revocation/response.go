package revocation

import (
	"bytes"
	"crypto"
	"crypto/sha1" // OCSP names keys by it; nothing is signed with it
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/ocsp"
)

var (
	oidBasic   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}
	oidNonce   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
	oidNoCheck = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}
	oidSHA1    = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	oidSHA256  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
)

// certID names a certificate (RFC 6960 section 4.1.1).
type certID struct {
	algorithm         asn1.ObjectIdentifier
	nameHash, keyHash []byte
	serial            *big.Int
}

func newCertID(leaf, issuer *x509.Certificate, with crypto.Hash) (certID, error) {
	key, err := publicKeyBits(issuer)
	if err != nil {
		return certID{}, err
	}
	id := certID{algorithm: oidSHA1, serial: leaf.SerialNumber}
	if with == crypto.SHA256 {
		name, public := sha256.Sum256(issuer.RawSubject), sha256.Sum256(key)
		id.algorithm, id.nameHash, id.keyHash = oidSHA256, name[:], public[:]
		return id, nil
	}
	name, public := sha1.Sum(issuer.RawSubject), sha1.Sum(key)
	id.nameHash, id.keyHash = name[:], public[:]
	return id, nil
}

// is reports whether both name the same certificate, in the same way.
func (id certID) is(other certID) bool {
	return id.algorithm.Equal(other.algorithm) && bytes.Equal(id.nameHash, other.nameHash) &&
		bytes.Equal(id.keyHash, other.keyHash) && id.serial.Cmp(other.serial) == 0
}

// publicKeyBits returns the subjectPublicKey without tag and length: what key
// hashes are made of.
func publicKeyBits(c *x509.Certificate) ([]byte, error) {
	der := cryptobyte.String(c.RawSubjectPublicKeyInfo)
	var info cryptobyte.String
	var key []byte
	if !der.ReadASN1(&info, cbasn1.SEQUENCE) || !info.SkipASN1(cbasn1.SEQUENCE) || !info.ReadASN1BitStringAsBytes(&key) {
		return nil, faulty(Malformed, "the issuer's public key cannot be read")
	}
	return key, nil
}

// response is a BasicOCSPResponse (RFC 6960 section 4.2.1) with its one
// SingleResponse. Nothing of it is verified.
type response struct {
	signed        []byte // tbsResponseData
	algorithm     x509.SignatureAlgorithm
	signature     []byte
	name, keyHash []byte // of the responder; one of the two
	hasNonce      bool
	nonce         []byte
	certificates  [][]byte
	id            certID
	state         State
	reason        string
	revokedAt     time.Time
	thisUpdate    time.Time
	nextUpdate    time.Time // zero if there is none
	producedAt    time.Time
}

// explicit returns the tag [n] of a constructed value.
func explicit(n uint8) cbasn1.Tag { return cbasn1.Tag(n).Constructed().ContextSpecific() }

// parseResponse reads a response in DER. More than one SingleResponse, or a byte
// that has no place, is a fault: x/crypto/ocsp reads past both, and past the nonce.
func parseResponse(raw []byte) (*response, error) {
	malformed := faulty(Malformed, "it is no OCSP response in DER")
	in := cryptobyte.String(raw)
	var outer, wrapped, holder, der, basic cryptobyte.String
	var status int
	var kind asn1.ObjectIdentifier
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) || !in.Empty() || !outer.ReadASN1Enum(&status) {
		return nil, malformed
	}
	if status != int(ocsp.Success) {
		return nil, faulty(ResponderError, "the responder says: %s", ocsp.ResponseStatus(status))
	}
	if !outer.ReadASN1(&wrapped, explicit(0)) || !outer.Empty() ||
		!wrapped.ReadASN1(&holder, cbasn1.SEQUENCE) || !wrapped.Empty() ||
		!holder.ReadASN1ObjectIdentifier(&kind) || !kind.Equal(oidBasic) ||
		!holder.ReadASN1(&der, cbasn1.OCTET_STRING) || !holder.Empty() ||
		!der.ReadASN1(&basic, cbasn1.SEQUENCE) || !der.Empty() {
		return nil, malformed
	}

	r := &response{}
	var signed, algorithm, certificates, list cryptobyte.String
	var has bool
	if !basic.ReadASN1Element(&signed, cbasn1.SEQUENCE) ||
		!basic.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) ||
		!basic.ReadASN1BitStringAsBytes(&r.signature) ||
		!basic.ReadOptionalASN1(&certificates, &has, explicit(0)) || !basic.Empty() {
		return nil, malformed
	}
	r.signed = signed
	if has && (!certificates.ReadASN1(&list, cbasn1.SEQUENCE) || !certificates.Empty()) {
		return nil, malformed
	}
	for !list.Empty() {
		var one cryptobyte.String
		if !list.ReadASN1Element(&one, cbasn1.SEQUENCE) || len(r.certificates) == 8 {
			return nil, malformed
		}
		r.certificates = append(r.certificates, one)
	}
	var err error
	if r.algorithm, err = readAlgorithm(algorithm); err != nil {
		return nil, err
	}
	if err := r.readSigned(signed); err != nil {
		return nil, err
	}
	return r, nil
}

// readSigned reads ResponseData.
func (r *response) readSigned(element cryptobyte.String) error {
	malformed := faulty(Malformed, "the response data are not those of RFC 6960")
	var data, name, key, responses, single cryptobyte.String
	version := 0 // v1, which DER leaves out and some responders write
	if !element.ReadASN1(&data, cbasn1.SEQUENCE) || !data.ReadOptionalASN1Integer(&version, explicit(0), 0) || version != 0 {
		return malformed
	}
	switch {
	case data.PeekASN1Tag(explicit(1)):
		if !data.ReadASN1(&name, explicit(1)) || name.Empty() {
			return malformed
		}
		r.name = name
	case data.PeekASN1Tag(explicit(2)):
		if !data.ReadASN1(&key, explicit(2)) || !key.ReadASN1Bytes(&r.keyHash, cbasn1.OCTET_STRING) || !key.Empty() {
			return malformed
		}
	default:
		return malformed
	}
	if !data.ReadASN1GeneralizedTime(&r.producedAt) || !data.ReadASN1(&responses, cbasn1.SEQUENCE) ||
		!responses.ReadASN1(&single, cbasn1.SEQUENCE) {
		return malformed
	}
	if !responses.Empty() {
		return faulty(WrongCertificate, "the response is for several certificates")
	}
	if err := r.readSingle(single); err != nil {
		return err
	}
	return r.readExtensions(&data, func(oid asn1.ObjectIdentifier, value cryptobyte.String) bool {
		// A nonce is an octet string in the extension's octet string (RFC 9654). One
		// that is not is there, and is nobody's.
		if !oid.Equal(oidNonce) {
			return false
		}
		r.hasNonce = true
		if !value.ReadASN1Bytes(&r.nonce, cbasn1.OCTET_STRING) || !value.Empty() {
			r.nonce = nil
		}
		return true
	})
}

func (r *response) readSingle(single cryptobyte.String) error {
	malformed := faulty(Malformed, "the single response is not that of RFC 6960")
	var id, algorithm, revoked, next cryptobyte.String
	r.id.serial = new(big.Int)
	if !single.ReadASN1(&id, cbasn1.SEQUENCE) || !id.ReadASN1(&algorithm, cbasn1.SEQUENCE) ||
		!algorithm.ReadASN1ObjectIdentifier(&r.id.algorithm) ||
		!algorithm.Empty() && !bytes.Equal(algorithm, asn1.NullBytes) ||
		!id.ReadASN1Bytes(&r.id.nameHash, cbasn1.OCTET_STRING) || !id.ReadASN1Bytes(&r.id.keyHash, cbasn1.OCTET_STRING) ||
		!id.ReadASN1Integer(r.id.serial) || !id.Empty() {
		return malformed
	}
	var empty cryptobyte.String
	switch {
	case single.PeekASN1Tag(cbasn1.Tag(0).ContextSpecific()):
		r.state = Good
		if !single.ReadASN1(&empty, cbasn1.Tag(0).ContextSpecific()) || !empty.Empty() {
			return malformed
		}
	case single.PeekASN1Tag(explicit(1)): // IMPLICIT, of a sequence
		r.state = Revoked
		if !single.ReadASN1(&revoked, explicit(1)) || !r.readRevoked(revoked) {
			return malformed
		}
	case single.PeekASN1Tag(cbasn1.Tag(2).ContextSpecific()):
		r.state = Unknown
		if !single.ReadASN1(&empty, cbasn1.Tag(2).ContextSpecific()) || !empty.Empty() {
			return malformed
		}
	default:
		return malformed
	}
	var has bool
	if !single.ReadASN1GeneralizedTime(&r.thisUpdate) || !single.ReadOptionalASN1(&next, &has, explicit(0)) ||
		has && (!next.ReadASN1GeneralizedTime(&r.nextUpdate) || !next.Empty()) {
		return malformed
	}
	return r.readExtensions(&single, nil)
}

// readRevoked reads RevokedInfo.
func (r *response) readRevoked(info cryptobyte.String) bool {
	var why cryptobyte.String
	var has bool
	var reason int
	if !info.ReadASN1GeneralizedTime(&r.revokedAt) || !info.ReadOptionalASN1(&why, &has, explicit(0)) || !info.Empty() ||
		has && (!why.ReadASN1Enum(&reason) || !why.Empty()) {
		return false
	}
	r.reason = reasonNames[reason]
	return true
}

// readExtensions reads the optional Extensions [1] at the end of in. take returns
// whether it understood one; of the others none may be critical.
func (r *response) readExtensions(in *cryptobyte.String, take func(asn1.ObjectIdentifier, cryptobyte.String) bool) error {
	malformed := faulty(Malformed, "the extensions are not those of RFC 5280")
	var wrapped, list cryptobyte.String
	var has bool
	if !in.ReadOptionalASN1(&wrapped, &has, explicit(1)) || !in.Empty() {
		return malformed
	}
	if !has {
		return nil
	}
	if !wrapped.ReadASN1(&list, cbasn1.SEQUENCE) || !wrapped.Empty() {
		return malformed
	}
	seen := map[string]bool{}
	for !list.Empty() {
		var one, value cryptobyte.String
		var oid asn1.ObjectIdentifier
		critical := false
		if !list.ReadASN1(&one, cbasn1.SEQUENCE) || !one.ReadASN1ObjectIdentifier(&oid) ||
			one.PeekASN1Tag(cbasn1.BOOLEAN) && !one.ReadASN1Boolean(&critical) ||
			!one.ReadASN1(&value, cbasn1.OCTET_STRING) || !one.Empty() || seen[oid.String()] {
			return malformed
		}
		seen[oid.String()] = true
		understood := take != nil && take(oid, value)
		if critical && !understood {
			return faulty(CriticalExtension, "the response has the critical extension %s", oid)
		}
	}
	return nil
}
