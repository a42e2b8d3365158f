package cardtest_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"mohur/authn/pkitest"
	"mohur/cardtest"
)

const pin = "123456"

// issued makes a card with a key of the kind in both slots that sign.
func issued(t *testing.T, ca *pkitest.Pair, kind string, s cardtest.Settings) (*cardtest.Card, *pkitest.Pair) {
	t.Helper()
	person := ca.Card(t, "PNOAZ-1", pkitest.Kind(kind))
	signing := ca.SigningCard(t, "PNOAZ-1", pkitest.Kind(kind))
	c := cardtest.New(s)
	c.Put(cardtest.Authentication, person.Key, person.Raw)
	c.Put(cardtest.Signature, signing.Key, signing.Raw)
	return c, person
}

// client runs OpenSC's own client of its module, with a deadline of its own.
func client(t *testing.T, s *cardtest.Stack, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "pkcs11-tool", append([]string{"--module", cardtest.OpenSC(t)}, args...)...)
	cmd.Env = append(os.Environ(), s.Env()...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// sign signs the file's content with the key of an id, by a mechanism.
func sign(t *testing.T, s *cardtest.Stack, pin, id, mechanism string, input []byte, more ...string) ([]byte, string, error) {
	t.Helper()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := os.WriteFile(in, input, 0o600); err != nil {
		t.Fatal(err)
	}
	said, err := client(t, s, append([]string{"--login", "--pin", pin, "--sign", "--id", id, "--mechanism", mechanism, "--input-file", in, "--output-file", out}, more...)...)
	if err != nil {
		return nil, said, err
	}
	signature, err := os.ReadFile(out)
	return signature, said, err
}

func verify(public crypto.PublicKey, digest, signature []byte) bool {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(k, crypto.SHA256, digest, signature) == nil
	case *ecdsa.PublicKey:
		half := len(signature) / 2
		return ecdsa.Verify(k, digest, new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:]))
	}
	return false
}

// Every kind of key signs through pcscd and OpenSC, in both slots.
func TestSignatures(t *testing.T) {
	ca := pkitest.Root(t, "CA")
	s := cardtest.NewStack(t)
	text := []byte("pay 150.00 AZN to Ə. Şıxəliyev")
	digest := sha256.Sum256(text)
	for _, kind := range []string{"RSA-2048", "RSA-3072", "P-256", "P-384"} {
		t.Run(kind, func(t *testing.T) {
			card, _ := issued(t, ca, kind, cardtest.Settings{})
			s.Insert(card)
			if out, err := client(t, s, "-O"); err != nil || !strings.Contains(out, "Certificate for PIV Authentication") || !strings.Contains(out, "Certificate for Digital Signature") {
				t.Fatalf("%v\n%s", err, out)
			}
			mechanism, input := "SHA256-RSA-PKCS", text
			if kind[0] == 'P' {
				mechanism, input = "ECDSA", digest[:]
			}
			for id, slot := range map[string]cardtest.Slot{"01": cardtest.Authentication, "02": cardtest.Signature} {
				signature, said, err := sign(t, s, pin, id, mechanism, input)
				if err != nil || !verify(card.Public(slot), digest[:], signature) {
					t.Errorf("%s: %v: %x\n%s", id, err, signature, said)
				}
			}
			if n, signed := card.APDUs(); signed != 2 || n < 10 {
				t.Errorf("%d APDUs and %d signatures", n, signed)
			}
		})
	}
}

// A card that can do no more than ACOS5: RSASSA-PKCS1-v1_5, and nothing else.
func TestPKCS1Only(t *testing.T) {
	s := cardtest.NewStack(t)
	card, person := issued(t, pkitest.Root(t, "CA"), "RSA-2048", cardtest.Settings{PKCS1Only: true, ATR: cardtest.ACOS5})
	s.Insert(card)
	if out, err := s.Command("opensc-tool", "-a").CombinedOutput(); err != nil || !bytes.Contains(out, []byte("3b:be:96:00:00:41:05:20")) {
		t.Errorf("%v\n%s", err, out)
	}
	digest := sha256.Sum256([]byte("text"))
	info := append([]byte("\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"), digest[:]...)
	signature, said, err := sign(t, s, pin, "01", "RSA-PKCS", info)
	if err != nil || rsa.VerifyPKCS1v15(person.PublicKey.(*rsa.PublicKey), crypto.SHA256, digest[:], signature) != nil {
		t.Errorf("%v\n%s", err, said)
	}
	if _, said, err = sign(t, s, pin, "01", "RSA-PKCS-PSS", digest[:], "--hash-algorithm", "SHA256"); err == nil {
		t.Errorf("the card made a PSS signature\n%s", said)
	}
	if _, said, err = sign(t, s, pin, "01", "RSA-X-509", append(make([]byte, 224), digest[:]...)); err == nil {
		t.Errorf("the card signed a bare number\n%s", said)
	}
}

// OpenSC drives it as a YubiKey by its ATR, and reads its serial.
func TestYubiKey(t *testing.T) {
	ca := pkitest.Root(t, "CA")
	s := cardtest.NewStack(t)
	card, person := issued(t, ca, "P-384", cardtest.Settings{ATR: cardtest.YubiKey, Attestation: &cardtest.Attestation{Key: ca.Key, Certificate: ca.Raw, Serial: 12345}})
	s.Insert(card)
	digest := sha256.Sum256([]byte("text"))
	signature, said, err := sign(t, s, pin, "01", "ECDSA", digest[:])
	if err != nil || !verify(person.PublicKey, digest[:], signature) {
		t.Errorf("%v\n%s", err, said)
	}
	out, err := s.Command("opensc-tool", "-s", "00:A4:04:00:05:A0:00:00:03:08", "-s", "00:F8:00:00:00").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("00 00 30 39")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// Three wrong PINs lock; the PUK unlocks, by OpenSC's own means.
func TestWrongPINLocks(t *testing.T) {
	s := cardtest.NewStack(t)
	card, _ := issued(t, pkitest.Root(t, "CA"), "P-256", cardtest.Settings{})
	s.Insert(card)
	for left := 2; left >= 0; left-- {
		if out, err := client(t, s, "--login", "--pin", "654321", "-O"); err == nil {
			t.Fatalf("a wrong PIN is taken:\n%s", out)
		}
		if pin, _ := card.Tries(); pin != left {
			t.Fatalf("%d tries left, want %d", pin, left)
		}
	}
	if out, err := client(t, s, "-L"); err != nil || !strings.Contains(out, "user PIN locked") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, said, err := sign(t, s, pin, "01", "ECDSA", make([]byte, 32)); err == nil || !strings.Contains(said, "CKR_PIN_LOCKED") {
		t.Errorf("%v\n%s", err, said)
	}
	if out, err := s.Command("pkcs15-tool", "--unblock-pin", "--auth-id", "01", "--puk", "12345678", "--new-pin", "222222").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if pin, puk := card.Tries(); pin != 3 || puk != 3 {
		t.Errorf("%d tries of the PIN and %d of the PUK", pin, puk)
	}
	if out, err := client(t, s, "--login", "--pin", "222222", "--change-pin", "--new-pin", "333333"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if _, said, err := sign(t, s, "333333", "01", "ECDSA", make([]byte, 32)); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}

// A card that is pulled while it signs gives no signature and hangs nobody; put
// back, it wants its PIN again and works.
func TestPulledMidway(t *testing.T) {
	s := cardtest.NewStack(t)
	card, person := issued(t, pkitest.Root(t, "CA"), "P-256", cardtest.Settings{})
	s.Insert(card)
	digest := sha256.Sum256([]byte("text"))
	card.OnSign(s.Pull)
	if signature, said, err := sign(t, s, pin, "01", "ECDSA", digest[:]); err == nil {
		t.Fatalf("a card that is out signed: %x\n%s", signature, said)
	}
	card.OnSign(nil)
	s.Pulled()
	if out, err := client(t, s, "-L"); err != nil || !strings.Contains(out, "(empty)") || strings.Contains(out, "token label") {
		t.Errorf("%v\n%s", err, out)
	}
	s.Insert(card)
	signature, said, err := sign(t, s, pin, "01", "ECDSA", digest[:])
	if err != nil || !verify(person.PublicKey, digest[:], signature) {
		t.Errorf("%v\n%s", err, said)
	}
	other, _ := issued(t, pkitest.Root(t, "CA"), "P-256", cardtest.Settings{})
	s.Insert(other) // in its place
	signature, _, err = sign(t, s, pin, "01", "ECDSA", digest[:])
	if err != nil || !verify(other.Public(cardtest.Authentication), digest[:], signature) || verify(person.PublicKey, digest[:], signature) {
		t.Errorf("after a swap: %v", err)
	}
}

// Stacks side by side do not see one another's cards, and one goes on when another
// ends.
func TestSideBySide(t *testing.T) {
	ca := pkitest.Root(t, "CA")
	first, second := cardtest.NewStack(t), cardtest.NewStack(t)
	a, _ := issued(t, ca, "P-256", cardtest.Settings{})
	b, _ := issued(t, ca, "P-256", cardtest.Settings{PIN: "98765432"})
	first.Insert(a)
	second.Insert(b)
	digest := sha256.Sum256([]byte("text"))
	var wg sync.WaitGroup
	for _, one := range []struct {
		stack *cardtest.Stack
		card  *cardtest.Card
		pin   string
	}{{first, a, pin}, {second, b, "98765432"}} {
		wg.Go(func() {
			for range 3 {
				signature, said, err := sign(t, one.stack, one.pin, "01", "ECDSA", digest[:])
				if err != nil || !verify(one.card.Public(cardtest.Authentication), digest[:], signature) {
					t.Errorf("%v\n%s", err, said)
				}
			}
		})
	}
	wg.Wait()
	first.Stop()
	if _, said, err := sign(t, second, "98765432", "01", "ECDSA", digest[:]); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
	first.Start()
	first.Insert(a)
	if _, said, err := sign(t, first, pin, "01", "ECDSA", digest[:]); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}

// curl, by OpenSSL's engine, does TLS with the card's key: RSA under TLS 1.2 with
// PKCS#1 v1.5 as ACOS5 has it, and a curve under TLS 1.3.
func TestClientCertificateTLS(t *testing.T) {
	ca := pkitest.Root(t, "CA")
	for _, c := range []struct {
		name, kind string
		settings   cardtest.Settings
		version    uint16
		openssl    string // SignatureAlgorithms
		curl       []string
	}{
		// OpenSSL does not ask the module what it can do and takes PSS for TLS 1.2, too.
		{"ACOS5", "RSA-2048", cardtest.Settings{PKCS1Only: true, ATR: cardtest.ACOS5}, tls.VersionTLS12, "rsa_pkcs1_sha256", []string{"--tls-max", "1.2"}},
		{"P-256", "P-256", cardtest.Settings{}, tls.VersionTLS13, "ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := cardtest.NewStack(t)
			card, person := issued(t, ca, c.kind, c.settings)
			s.Insert(card)
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.TLS.Version != c.version || len(r.TLS.PeerCertificates) != 1 || !r.TLS.PeerCertificates[0].Equal(person.Certificate) {
					t.Errorf("TLS %x with %d certificates", r.TLS.Version, len(r.TLS.PeerCertificates))
				}
				_, _ = w.Write([]byte("hello, card"))
			}))
			roots := x509.NewCertPool()
			roots.AddCert(ca.Certificate)
			server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots, MinVersion: tls.VersionTLS12}
			server.StartTLS()
			defer server.Close()
			trusted := filepath.Join(t.TempDir(), "server.pem")
			if err := os.WriteFile(trusted, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
				t.Fatal(err)
			}
			conf := filepath.Join(t.TempDir(), "openssl.cnf")
			text := "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nSignatureAlgorithms = " + c.openssl + "\n"
			if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			curl := func(pin string) (string, error) {
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				cmd := exec.CommandContext(ctx, "curl", append([]string{"-sS", "--cacert", trusted, "--engine", "pkcs11", "--cert-type", "ENG", "--key-type", "ENG",
					"--cert", "pkcs11:id=%01;type=cert", "--key", "pkcs11:id=%01;type=private;pin-value=" + pin, server.URL}, c.curl...)...)
				cmd.Env = append(os.Environ(), append(s.Env(), "PKCS11_MODULE_PATH="+cardtest.OpenSC(t), "OPENSSL_CONF="+conf)...)
				out, err := cmd.CombinedOutput()
				return string(out), err
			}
			if out, err := curl(pin); err != nil || !strings.Contains(out, "hello, card") {
				t.Errorf("%v\n%s", err, out)
			}
			if out, err := curl("654321"); err == nil {
				t.Errorf("a wrong PIN is taken:\n%s", out)
			}
		})
	}
}

// A key is made on the card by the management key, and its certificate put there,
// with the tools there are.
func TestKeyMadeOnCard(t *testing.T) {
	ca := pkitest.Root(t, "CA")
	s := cardtest.NewStack(t)
	dir := t.TempDir()
	secret := filepath.Join(dir, "management")
	for _, c := range []struct {
		name, key, algorithm, cipher string
		settings                     cardtest.Settings
	}{
		{"3DES", "01:02:03:04:05:06:07:08:01:02:03:04:05:06:07:08:01:02:03:04:05:06:07:08", "07", "03", cardtest.Settings{}},
		{"AES", "00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f", "11", "08", cardtest.Settings{AES: true, ManagementKey: []byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			card := cardtest.New(c.settings)
			s.Insert(card)
			if err := os.WriteFile(secret, []byte(c.key), 0o600); err != nil {
				t.Fatal(err)
			}
			piv := func(args ...string) (string, error) {
				cmd := s.Command("piv-tool", args...)
				cmd.Env = append(cmd.Env, "PIV_EXT_AUTH_KEY="+secret)
				out, err := cmd.CombinedOutput()
				return string(out), err
			}
			// OpenSC 0.23 makes the key and then fails to print it, and gets the other way
			// to show the management key, A, wrong. What is checked is the card.
			if out, _ := piv("-A", "M:9B:"+c.cipher, "-G", "9A:"+c.algorithm); card.Public(cardtest.Authentication) == nil {
				t.Fatalf("no key was made:\n%s", out)
			}
			person := ca.Card(t, "PNOAZ-1", func(c *pkitest.Template) { c.With = publicOnly{card.Public(cardtest.Authentication)} })
			file := filepath.Join(dir, "person.pem")
			if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: person.Raw}), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, _ := piv("-A", "M:9B:"+c.cipher, "-C", "9A", "-i", file); !bytes.Equal(card.Certificate(cardtest.Authentication), person.Raw) {
				t.Fatalf("the certificate is not on the card:\n%s", out)
			}
			mechanism := map[string]string{"07": "SHA256-RSA-PKCS", "11": "ECDSA"}[c.algorithm]
			digest := sha256.Sum256([]byte("text"))
			input := map[string][]byte{"07": []byte("text"), "11": digest[:]}[c.algorithm]
			signature, said, err := sign(t, s, pin, "01", mechanism, input)
			if err != nil || !verify(person.PublicKey, digest[:], signature) {
				t.Errorf("%v\n%s", err, said)
			}
			if err := os.WriteFile(secret, []byte(strings.Replace(c.key, "03", "13", 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			before := card.Public(cardtest.Authentication)
			if out, _ := piv("-A", "M:9B:"+c.cipher, "-G", "9A:"+c.algorithm); !reflect.DeepEqual(before, card.Public(cardtest.Authentication)) {
				t.Errorf("another management key made a key:\n%s", out)
			}
		})
	}
}

// publicOnly is a key of which only the card has the private half.
type publicOnly struct{ crypto.PublicKey }

func (p publicOnly) Public() crypto.PublicKey { return p.PublicKey }

func (publicOnly) Sign(_ io.Reader, _ []byte, _ crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the private key is on the card")
}
