package ca

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"math/big"

	"mohur/problem"
)

// yubikeySerial is the extension of a PIV attestation certificate that holds the
// device's serial number, an INTEGER (Yubico, "PIV attestation").
var yubikeySerial = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, 7}

// yubikeyPolicy holds two bytes: when the key asks for the PIN, and when for a touch.
var yubikeyPolicy = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, 8}

// The policies under which a key asks for the PIN, or for a finger: once, always,
// and the two of devices that know fingers. 1 is never.
const firstPolicyWithPIN, lastPolicyWithPIN = 2, 5

func extension(c *x509.Certificate, id asn1.ObjectIdentifier) []byte {
	for _, e := range c.Extensions {
		if e.Id.Equal(id) {
			return e.Value
		}
	}
	return nil
}

// attested checks the device's proof that it made the key: the attestation
// certificate is for this very key, was signed by the device's own attestation key,
// whose certificate leads to a root of its maker; it asks for the PIN, and names the serial that is
// printed on the token. Without a proof it returns "", where none is demanded.
func (s *Service) attested(o Order, request *x509.CertificateRequest) (string, error) {
	if len(o.Attestation) == 0 {
		if s.Settings.Attested {
			return "", problem.New(problem.Invalid, "an attestation of the device is needed: the bank certifies only keys that a device proves to have made itself")
		}
		return "", nil
	}
	refused := problem.New(problem.Invalid, "the attestation does not prove that this device made this key")
	if s.Settings.Attestation == nil {
		return "", problem.New(problem.Invalid, "no maker's root is configured, so an attestation proves nothing; leave it out")
	}
	if len(o.Attestation) < 2 || len(o.Attestation) > 4 {
		return "", problem.New(problem.Invalid, "an attestation is the key's certificate, the device's, and at most two above it")
	}
	chain := make([]*x509.Certificate, len(o.Attestation))
	for i, der := range o.Attestation {
		c, err := x509.ParseCertificate(der)
		if err != nil || len(der) > MaxRequest {
			return "", refused
		}
		chain[i] = c
	}
	key, device := chain[0], chain[1]
	public, ok := key.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(request.PublicKey) {
		return "", refused
	}
	// Devices up to firmware 5.4 hold an attestation certificate without basic
	// constraints, so the signature is checked by itself; nothing but keys of slots
	// is signed with it.
	if device.CheckSignature(key.SignatureAlgorithm, key.RawTBSCertificate, key.Signature) != nil || key.Issuer.String() != device.Subject.String() {
		return "", refused
	}
	if extension(device, yubikeySerial) != nil || extension(device, yubikeyPolicy) != nil {
		return "", refused // a key of a slot, which signs whatever its holder wants
	}
	above := x509.NewCertPool()
	for _, c := range chain[2:] {
		above.AddCert(c)
	}
	if _, err := device.Verify(x509.VerifyOptions{
		Roots: s.Settings.Attestation, Intermediates: above, CurrentTime: s.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}); err != nil {
		return "", refused
	}
	if p := extension(key, yubikeyPolicy); len(p) != 2 || p[0] < firstPolicyWithPIN || p[0] > lastPolicyWithPIN {
		return "", problem.New(problem.Invalid, "the key is used without its PIN; make it with the PIN policy once or always")
	}
	var n *big.Int
	if rest, err := asn1.Unmarshal(extension(key, yubikeySerial), &n); err != nil || len(rest) > 0 || n.Sign() <= 0 {
		return "", refused
	}
	if n.String() != o.Serial {
		return "", problem.New(problem.Invalid, "the attestation is of the device "+n.String()+", the token's serial is another")
	}
	return n.String(), nil
}
