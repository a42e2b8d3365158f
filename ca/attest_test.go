package ca_test

import (
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"mohur/problem"
	"mohur/settle"
)

// A key of a slot, which signs whatever its holder wants, is no device.
func TestClause5_21_ASlotsKeyAttestsNothing(t *testing.T) {
	b := newBank(t)
	b.create()
	root := newMaker(t, "Maker's root", nil)
	b.ca.Settings.Attestation, b.ca.Settings.Attested = x509.NewCertPool(), true
	b.ca.Settings.Attestation.AddCert(root.cert)
	device := newMaker(t, "Yubico PIV Attestation", root) // firmware 5.7: CA true
	// The attacker's own YubiKey, serial 99999: an honest attestation of its slot 9a.
	value, _ := asn1.Marshal(99999)
	slot := ecKey(t, elliptic.P256())
	der := device.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: "YubiKey PIV Attestation 9a"}, ExtraExtensions: []pkix.Extension{{Id: attestedSerial, Value: value}, {Id: attestedPolicy, Value: []byte{2, 1}}}}, &slot.PublicKey)
	slotCert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	attacker := &maker{cert: slotCert, key: slot} // 9a signs any digest
	software := ecKey(t, elliptic.P256())
	want, _ := asn1.Marshal(12345)
	forged := attacker.sign(t, &x509.Certificate{ExtraExtensions: []pkix.Extension{{Id: attestedSerial, Value: want}}}, crypto.PublicKey(&software.PublicKey))
	c, outcome, err := b.issue("tk_1", request(t, software), forged, slotCert.Raw, device.cert.Raw)
	if !problem.Is(err, problem.Invalid) {
		t.Errorf("a key in software was certified as that of device %q: %v, %v, done %v", c.Attested, outcome, err, outcome == settle.Done)
	}
}

// A key that is used without a PIN is no second factor.
func TestClause5_21_AKeyWithoutAPINIsNotCertified(t *testing.T) {
	b := newBank(t)
	b.create()
	root := newMaker(t, "Maker's root", nil)
	b.ca.Settings.Attestation, b.ca.Settings.Attested = x509.NewCertPool(), true
	b.ca.Settings.Attestation.AddCert(root.cert)
	device := newMaker(t, "Yubico PIV Attestation", root)
	key := ecKey(t, elliptic.P256())
	value, _ := asn1.Marshal(12345)
	att := device.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: "YubiKey PIV Attestation 9e"}, ExtraExtensions: []pkix.Extension{{Id: attestedSerial, Value: value}, {Id: attestedPolicy, Value: []byte{1, 1}}}}, &key.PublicKey) // PIN policy: never
	if _, _, err := b.issue("tk_1", request(t, key), att, device.cert.Raw); !problem.Is(err, problem.Invalid) {
		t.Errorf("a key that is used without a PIN was certified: %v", err)
	}
}
