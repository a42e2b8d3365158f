package cardtest

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"math/big"
)

// Attestation makes a card prove which keys it made itself, as YubiKeys do (Yubico,
// "PIV attestation"): slot F9.
type Attestation struct {
	Key         crypto.Signer
	Certificate []byte // of Key, DER
	Serial      uint32 // of the device
}

// Yubico's objects.
var (
	oidFirmware = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, 3}
	oidSerial   = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, 7}
	oidPolicy   = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, 8}
	firmware    = []byte{5, 4, 3}
)

// yubico answers the maker's own commands.
func (c *Card) yubico(cmd command) ([]byte, status) {
	a := c.settings.Attestation
	switch {
	case a == nil:
		return nil, swWrongINS
	case cmd.ins == 0xfd: // GET VERSION
		return bytes.Clone(firmware), swOK
	case cmd.ins == 0xf8: // GET SERIAL
		return binary.BigEndian.AppendUint32(nil, a.Serial), swOK
	}
	der, err := c.attest(Slot(cmd.p1))
	if err != nil {
		return nil, swWrongData
	}
	return der, swOK
}

// attest makes the certificate of a key that was made here.
func (c *Card) attest(slot Slot) ([]byte, error) {
	a := c.settings.Attestation
	if !c.made[slot] {
		return nil, fmt.Errorf("the key in slot %x was not made on the card", slot)
	}
	above, err := x509.ParseCertificate(a.Certificate)
	if err != nil {
		return nil, err
	}
	serial, err := asn1.Marshal(int64(a.Serial))
	if err != nil {
		return nil, err
	}
	number, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	pinPolicy := byte(2) // once
	if slot == Signature {
		pinPolicy = 3 // always
	}
	return x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: number.Add(number, big.NewInt(1)), Subject: pkix.Name{CommonName: fmt.Sprintf("YubiKey PIV Attestation %x", byte(slot))},
		NotBefore: above.NotBefore, NotAfter: above.NotAfter,
		ExtraExtensions: []pkix.Extension{{Id: oidFirmware, Value: firmware}, {Id: oidSerial, Value: serial}, {Id: oidPolicy, Value: []byte{pinPolicy, 1}}},
	}, above, c.keys[slot].Public(), a.Key)
}
