package fido

import (
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// The attestation statement formats (section 8) that are judged. A statement
// without certificates in packed is self attestation. The compound format and
// android-safetynet are not among them.
const (
	FormatNone       = "none"
	FormatPacked     = "packed"
	FormatTPM        = "tpm"
	FormatAndroidKey = "android-key"
	FormatApple      = "apple"
	FormatFIDOU2F    = "fido-u2f"
)

// statements are the members of each format's statement by the CDDL of section
// 8, in order; a format with two shapes has two.
var statements = map[string][]string{
	FormatNone:       {""},
	FormatPacked:     {"alg sig", "alg sig x5c"},
	FormatTPM:        {"alg certInfo pubArea sig ver x5c"},
	FormatAndroidKey: {"alg sig x5c"},
	FormatApple:      {"x5c"},
	FormatFIDOU2F:    {"sig x5c"},
}

// attestationAlgorithms are those of at least 112 bits of strength. SHA-1 (RS1),
// which old TPMs sign with, is not among them.
var attestationAlgorithms = []webauthncose.COSEAlgorithmIdentifier{
	webauthncose.AlgES256, webauthncose.AlgES384, webauthncose.AlgES512, webauthncose.AlgEdDSA,
	webauthncose.AlgESP256, webauthncose.AlgESP384, webauthncose.AlgESP512, webauthncose.AlgEd25519,
	webauthncose.AlgRS256, webauthncose.AlgRS384, webauthncose.AlgRS512,
	webauthncose.AlgPS256, webauthncose.AlgPS384, webauthncose.AlgPS512,
}

const (
	maxChain       = 8        // certificates in x5c
	maxCertificate = 16 << 10 // bytes
)

// attestationObject is what a registration's authenticator says (section 6.5).
type attestationObject struct {
	format    string
	statement map[string]any
	data      authData
	x5c       []*x509.Certificate // the attestation certificate first; none for none and self
}

// parseAttestation reads an attestation object: three members of exactly these
// names, and a statement of the members of its format. The CBOR decoder beneath
// would match names in other letters.
func parseAttestation(raw []byte) (attestationObject, error) {
	var o attestationObject
	var top map[string]webauthncbor.RawMessage
	if err := webauthncbor.Unmarshal(raw, &top); err != nil {
		return o, refuse(MalformedAttestation, "%v", err)
	}
	if names := strings.Join(slices.Sorted(maps.Keys(top)), " "); names != "attStmt authData fmt" {
		return o, refuse(MalformedAttestation, "the members are %q", names)
	}
	if err := webauthncbor.Unmarshal(top["fmt"], &o.format); err != nil {
		return o, refuse(MalformedAttestation, "fmt: %v", err)
	}
	var data []byte
	if err := webauthncbor.Unmarshal(top["authData"], &data); err != nil {
		return o, refuse(MalformedAttestation, "authData: %v", err)
	}
	shapes, known := statements[o.format]
	if !known {
		return o, refuse(AttestationFormat, "%q", o.format)
	}
	if err := webauthncbor.Unmarshal(top["attStmt"], &o.statement); err != nil || o.statement == nil {
		return o, refuse(MalformedAttestation, "attStmt is not a map: %v", err)
	}
	if names := strings.Join(slices.Sorted(maps.Keys(o.statement)), " "); !slices.Contains(shapes, names) {
		return o, refuse(MalformedAttestation, "the members of %s are %q", o.format, names)
	}
	var err error
	if o.data, err = parseAuthData(data, true); err != nil {
		return o, err
	}
	o.x5c, err = certificates(o.statement["x5c"])
	return o, err
}

// certificates reads x5c; nil when the statement has none.
func certificates(x5c any) ([]*x509.Certificate, error) {
	if x5c == nil {
		return nil, nil
	}
	list, ok := x5c.([]any)
	if !ok || len(list) == 0 || len(list) > maxChain {
		return nil, refuse(MalformedAttestation, "x5c is not a list of 1 to %d certificates", maxChain)
	}
	var certs []*x509.Certificate
	for i, entry := range list {
		der, ok := entry.([]byte)
		if !ok || len(der) > maxCertificate {
			return nil, refuse(MalformedAttestation, "x5c[%d] is not a certificate", i)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, refuse(MalformedAttestation, "x5c[%d]: %v", i, err)
		}
		certs = append(certs, c)
	}
	return certs, nil
}

// verify is steps 21 and 22 of section 7.1: the statement is what its format asks
// for and signs this credential and this client data. Whether the signer is to be
// trusted is another question.
func (o attestationObject) verify(clientDataHash []byte) error {
	if alg, ok := o.statement["alg"]; ok {
		id, ok := alg.(int64) // every accepted identifier is negative
		if !ok || !slices.Contains(attestationAlgorithms, webauthncose.COSEAlgorithmIdentifier(id)) {
			return refuse(AttestationWeak, "COSE algorithm %v", alg)
		}
	}
	if len(o.x5c) != 0 {
		if err := strong(o.x5c[0].PublicKey); err != nil {
			return refuse(AttestationWeak, "the attestation certificate has %v", err)
		}
	}
	a := protocol.AttestationObject{
		AuthData: o.data.parsed, RawAuthData: o.data.raw, Format: o.format, AttStatement: o.statement,
	}
	if err := a.VerifyAttestation(clientDataHash, nil, protocol.AttestationPolicy{}, protocol.SignaturePolicy{}); err != nil {
		return refuse(AttestationInvalid, "%s: %s", o.format, explain(err))
	}
	if o.format == FormatPacked && len(o.x5c) != 0 {
		return o.packedCertificate()
	}
	return nil
}

// packedCertificate adds to section 8.2.1 what the library leaves open: basic
// constraints must be there, and the model, where named, named once and well.
func (o attestationObject) packedCertificate() error {
	c := o.x5c[0]
	if !c.BasicConstraintsValid || c.IsCA {
		return refuse(AttestationCertPart, "basic constraints do not say CA=false")
	}
	aaguid, present, err := extension(c, oidAAGUID)
	if err != nil {
		return refuse(AttestationCertPart, "id-fido-gen-ce-aaguid: %v", err)
	}
	if present && string(aaguid) != string(o.data.aaguid[:]) {
		return refuse(AttestationCertPart, "made for the model %x, not %s", aaguid, o.data.aaguid)
	}
	if _, _, err := extension(c, oidSerial); err != nil {
		return refuse(AttestationCertPart, "id-fido-gen-ce-sernum: %v", err)
	}
	return nil
}

// explain gathers what the library's error says, for the audit log.
func explain(err error) string {
	var e *protocol.Error
	if errors.As(err, &e) {
		return strings.TrimSpace(fmt.Sprintf("%s %s", e.Details, e.DevInfo))
	}
	return err.Error()
}
