package pkcs11

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"math/big"
	"testing"

	"mohur/authn/pkitest"
	"mohur/cardtest"
)

// management is the key that cards are sold with.
var management = bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 3)

func selectedPIV(t *testing.T, c *cardtest.Card) pivCard {
	t.Helper()
	p := pivCard{func(apdu []byte) ([]byte, error) { return c.Exchange(bytes.Clone(apdu)), nil }}
	if _, err := p.command(0xa4, 0x04, 0x00, []byte{0xa0, 0, 0, 0x03, 0x08, 0, 0, 0x10, 0, 0x01, 0}, true); err != nil {
		t.Fatal(err)
	}
	return p
}

func kindOf(err error) Kind { return pivFailure(err).Kind }

// The commands of a PIV card, by the virtual one, with every cipher of its management.
func TestPIVKeys(t *testing.T) {
	root := pkitest.Root(t, "Root")
	aes := bytes.Repeat([]byte{7}, 32)
	for _, c := range []struct {
		typ, algorithm string
		digest         []byte
		settings       cardtest.Settings
		management     []byte
	}{
		{RSA2048, "RS256", make([]byte, 32), cardtest.Settings{PKCS1Only: true}, management},
		{P256, "ES256", make([]byte, 32), cardtest.Settings{AES: true, ManagementKey: aes[:24]}, aes[:24]},
		{P384, "ES384", make([]byte, 48), cardtest.Settings{AES: true, ManagementKey: aes}, aes},
		{P256, "ES256", make([]byte, 32), cardtest.Settings{AES: true, ManagementKey: aes[:16]}, aes[:16]},
	} {
		card := cardtest.New(c.settings)
		p := selectedPIV(t, card)
		if _, err := p.make(request{Type: c.typ}, bytes.Repeat([]byte{9}, len(c.management))); kindOf(err) != Management {
			t.Errorf("%s with another management key: %v", c.typ, err)
		}
		key, err := p.make(request{Type: c.typ}, c.management)
		if err != nil || !key.Made {
			t.Fatalf("%s: %+v, %v", c.typ, key, err)
		}
		public, err := x509.ParsePKIXPublicKey(key.Public)
		if err != nil || !public.(interface{ Equal(crypto.PublicKey) bool }).Equal(card.Public(cardtest.Authentication)) {
			t.Fatalf("%s: another key is told, %v", c.typ, err)
		}
		signature, err := p.sign(request{Algorithm: c.algorithm, Digest: c.digest}, []byte("123456"))
		if err != nil {
			t.Fatalf("%s: %v", c.typ, err)
		}
		ok := false
		switch k := public.(type) {
		case *rsa.PublicKey:
			ok = rsa.VerifyPKCS1v15(k, crypto.SHA256, c.digest, signature) == nil
		case *ecdsa.PublicKey:
			half := len(signature) / 2
			ok = half == len(c.digest) && ecdsa.Verify(k, c.digest, new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:]))
		}
		if !ok {
			t.Errorf("%s: the signature does not verify", c.typ)
		}
		certificate := root.Card(t, "tk_1").Raw
		if err := p.store(request{DER: certificate}, c.management); err != nil || !bytes.Equal(card.Certificate(cardtest.Authentication), certificate) {
			t.Errorf("%s: the certificate: %v", c.typ, err)
		}
		if again, err := p.make(request{Type: c.typ}, c.management); err != nil || again.Made || !bytes.Equal(again.Certificate, certificate) {
			t.Errorf("%s: a key that has a certificate: %+v, %v", c.typ, again, err)
		}
		if again, err := p.make(request{Type: c.typ, Renew: true}, c.management); err != nil || !again.Made || card.Certificate(cardtest.Authentication) != nil {
			t.Errorf("%s: renewed: %+v, %v", c.typ, again, err)
		}
	}
}

// PINs of a PIV card: what cannot be one costs no try, the last one is not used up
// unasked, and a signature leaves the card closed.
func TestPIVPINs(t *testing.T) {
	card := cardtest.New(cardtest.Settings{})
	card.Put(cardtest.Authentication, pkitest.Key(t, "P-256"), nil)
	p := selectedPIV(t, card)
	sum := sha256.Sum256([]byte("x"))
	sign := func(pin string, last bool) error {
		_, err := p.sign(request{Algorithm: "ES256", Digest: sum[:], LastTry: last}, []byte(pin))
		return err
	}
	tries := func(want int) {
		t.Helper()
		if left, _ := card.Tries(); left != want {
			t.Errorf("%d tries are left, not %d", left, want)
		}
	}
	for _, bad := range []string{"", "12345", "123456789"} {
		if err := sign(bad, false); kindOf(err) != PINInvalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
	tries(3)
	if err := sign("999999", false); kindOf(err) != PINIncorrect {
		t.Error(err)
	}
	var f *Failure
	if err := p.changePIN(request{}, []byte("999999"), []byte("654321")); !errors.As(err, &f) || f.Kind != PINIncorrect || !f.PINLast {
		t.Error(err)
	}
	tries(1)
	if err := sign("123456", false); kindOf(err) != LastTry {
		t.Error(err)
	}
	if err := p.changePIN(request{LastTry: true}, []byte("123456"), []byte("654321")); err != nil {
		t.Error(err)
	}
	tries(3)
	if err := sign("654321", false); err != nil {
		t.Error(err)
	}
	longer := sha512.Sum384(nil)
	if _, err := p.sign(request{Algorithm: "ES256", Digest: longer[:]}, []byte("654321")); kindOf(err) != Unsupported {
		t.Error(err)
	}
	for _, want := range []Kind{PINIncorrect, PINIncorrect, PINLocked, PINLocked} {
		if err := sign("999999", true); kindOf(err) != want {
			t.Errorf("%v, not %s", err, want)
		}
	}
	if _, err := p.attestation(); kindOf(err) != Unsupported {
		t.Errorf("a card that attests nothing: %v", err)
	}
}

// Whatever a card answers, reading it ends and takes nothing that is not there.
func FuzzPIVAnswers(f *testing.F) {
	card := cardtest.New(cardtest.Settings{})
	p := pivCard{func(apdu []byte) ([]byte, error) { return card.Exchange(bytes.Clone(apdu)), nil }}
	_, _ = p.command(0xa4, 0x04, 0x00, []byte{0xa0, 0, 0, 0x03, 0x08}, true)
	_ = p.manage(management)
	for _, algorithm := range []byte{pivAlgRSA2048, pivAlgP256, pivAlgP384} {
		out, err := p.command(0x47, 0x00, pivSlot, []byte{0xac, 0x03, 0x80, 0x01, algorithm}, true)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(out, algorithm)
	}
	f.Add([]byte{0x7f, 0x49, 0x82, 0xff, 0xff}, byte(pivAlgP256))
	f.Add([]byte{0x7f}, byte(pivAlgP256))
	f.Fuzz(func(t *testing.T, answer []byte, algorithm byte) {
		if public, err := pivPublic(answer, algorithm); err == nil {
			if _, err := x509.ParsePKIXPublicKey(public); err != nil {
				t.Errorf("a key that cannot be read is taken: %v", err)
			}
		}
		for _, tag := range []int{0x53, 0x70, 0x7c, 0x82, 0x7f49} {
			if value, ok := member(answer, tag); ok && len(value) >= len(answer) {
				t.Errorf("%d bytes out of %d", len(value), len(answer))
			}
		}
		fixed := pivCard{func([]byte) ([]byte, error) { return answer, nil }}
		_, _ = fixed.object(pivCertificate)
		_ = fixed.manage(management)
		_, _ = fixed.sign(request{Algorithm: "ES256", Digest: make([]byte, 32)}, []byte("123456"))
		if k, err := fixed.make(request{Type: P256}, management); err == nil && len(k.Public) == 0 {
			t.Error("a key without its public half")
		}
	})
}
