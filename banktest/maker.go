package banktest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math/big"

	"github.com/descope/virtualwebauthn"
)

// The extensions of an attestation certificate (Web Authentication Level 3 sections
// 8.2.1 and 8.2.2).
var (
	oidAAGUID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}
	oidSernum = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 2}
)

// Attest has a key answer creation options with the packed attestation of its maker,
// under a certificate of its own below the root that every model published has.
// serial is its device's, in the extension for it; nil: the certificate names none.
func (a *Alliance) Attest(k *Key, options, serial []byte) []byte {
	a.t.Helper()
	o, err := virtualwebauthn.ParseAttestationOptions(string(options))
	a.must(err)
	client, err := json.Marshal(map[string]any{
		"type": "webauthn.create", "challenge": base64.RawURLEncoding.EncodeToString(o.Challenge), "origin": k.Site.Origin, "crossOrigin": false,
	})
	a.must(err)
	data := k.attested()
	hash := sha256.Sum256(client)
	signer, certificate := a.attestation(k.Auth.Aaguid, serial)
	digest := sha256.Sum256(append(bytes.Clone(data), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, signer, digest[:])
	a.must(err)
	object := mapOf(
		"fmt", text("packed"),
		"attStmt", mapOf("alg", []byte{0x26}, "sig", octets(signature), "x5c", append([]byte{0x81}, octets(certificate)...)), // -7: ES256
		"authData", octets(data),
	)
	id := base64.RawURLEncoding.EncodeToString(k.Cred.ID)
	out, err := json.Marshal(map[string]any{
		"id": id, "rawId": id, "type": "public-key", "clientExtensionResults": map[string]any{},
		"response": map[string]any{
			"clientDataJSON": base64.RawURLEncoding.EncodeToString(client), "attestationObject": base64.RawURLEncoding.EncodeToString(object),
		},
	})
	a.must(err)
	return out
}

// attested is the authenticator data of a creation (section 6.1): the user present
// and verified.
func (k *Key) attested() []byte {
	hash := sha256.Sum256([]byte(k.Site.ID))
	out := binary.BigEndian.AppendUint32(append(hash[:], 0x45), k.Cred.Counter)
	out = append(out, k.Auth.Aaguid[:]...)
	out = binary.BigEndian.AppendUint16(out, uint16(len(k.Cred.ID)))
	return append(append(out, k.Cred.ID...), k.Cred.Key.AttestationData()...)
}

// attestation is a device's attestation key and certificate.
func (a *Alliance) attestation(model [16]byte, serial []byte) (*ecdsa.PrivateKey, []byte) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	a.must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(3), BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature, NotBefore: a.root.NotBefore, NotAfter: a.root.NotAfter,
		Subject: pkix.Name{Country: []string{"AZ"}, Organization: []string{"Maker"}, OrganizationalUnit: []string{"Authenticator Attestation"}, CommonName: "Maker Key"},
	}
	extend := func(id asn1.ObjectIdentifier, content []byte) {
		der, err := asn1.Marshal(content)
		a.must(err)
		template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: id, Value: der})
	}
	extend(oidAAGUID, model[:])
	if serial != nil {
		extend(oidSernum, serial)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.root, key.Public(), a.above)
	a.must(err)
	return key, der
}

// CBOR (RFC 8949), as much of it as an attestation needs.

func head(major byte, n int) []byte {
	switch {
	case n < 24:
		return []byte{major<<5 | byte(n)}
	case n < 256:
		return []byte{major<<5 | 24, byte(n)}
	}
	return binary.BigEndian.AppendUint16([]byte{major<<5 | 25}, uint16(n))
}

func octets(b []byte) []byte { return append(head(2, len(b)), b...) }

func text(s string) []byte { return append(head(3, len(s)), s...) }

// mapOf takes names and values that are encoded already, in turn.
func mapOf(pairs ...any) []byte {
	out := head(5, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		out = append(append(out, text(pairs[i].(string))...), pairs[i+1].([]byte)...)
	}
	return out
}
