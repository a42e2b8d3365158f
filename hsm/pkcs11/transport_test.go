package pkcs11_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	p11 "github.com/miekg/pkcs11"

	"mohur/hsm"
	"mohur/hsm/pkcs11"
)

var transportValue = []byte("a transport key, 32 bytes of it!")

func encrypted(t *testing.T, iv, text []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(transportValue)
	if err != nil {
		t.Fatal(err)
	}
	box := make([]byte, len(text))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(box, text)
	return box
}

// TestTransportBeside imports without a server, as a ceremony does, and uses and
// deletes the key under a running one.
func TestTransportBeside(t *testing.T) {
	cfg := provisioned(t)
	m := open(t, cfg)
	key := bytes.Clone(transportValue)
	if err := pkcs11.ImportTransport(t.Context(), cfg, "feitian-2026", key); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(key, make([]byte, 32)) {
		t.Error("the key is still in the caller's buffer")
	}
	iv, text := bytes.Repeat([]byte{3}, 16), []byte("sixteen bytes of a seed file, 48 bytes together.")
	got, err := m.DecryptCBC(t.Context(), hsm.Transport("feitian-2026"), iv, encrypted(t, iv, text))
	if err != nil || !bytes.Equal(got, text) {
		t.Errorf("%q, %v", got, err)
	}
	if err := pkcs11.DeleteTransport(t.Context(), cfg, "feitian-2026"); err != nil {
		t.Fatal(err)
	}
	// The server still holds a handle. It must find out, and stay up.
	for range 2 {
		_, err = m.DecryptCBC(t.Context(), hsm.Transport("feitian-2026"), iv, encrypted(t, iv, text))
		want(t, hsm.ClassInput, err)
	}
	want(t, hsm.ClassInput, pkcs11.DeleteTransport(t.Context(), cfg, "feitian-2026"))
	uses(t, m, wrapped(t, m))
}

func TestTransportRights(t *testing.T) {
	cfg := provisioned(t)
	m := open(t, cfg)
	if err := m.ImportTransport(t.Context(), "x", bytes.Clone(transportValue)); err != nil {
		t.Fatal(err)
	}
	th := newThief(t, cfg)
	h := th.find(t, hsm.Transport("x"), p11.CKO_SECRET_KEY)[0]
	for _, yes := range []int{p11.CKA_DECRYPT, p11.CKA_TOKEN, p11.CKA_PRIVATE, p11.CKA_SENSITIVE} {
		checkAttribute(t, th, h, "transport-x", yes, 1)
	}
	for _, no := range []int{p11.CKA_ENCRYPT, p11.CKA_WRAP, p11.CKA_UNWRAP, p11.CKA_SIGN, p11.CKA_VERIFY, p11.CKA_DERIVE, p11.CKA_EXTRACTABLE, p11.CKA_MODIFIABLE} {
		checkAttribute(t, th, h, "transport-x", no, 0)
	}
	if _, err := th.GetAttributeValue(th.session, h, attributes(p11.CKA_VALUE, nil)); err == nil {
		t.Error("the key can be read")
	}
}

func TestTransportRefusals(t *testing.T) {
	cfg := provisioned(t)
	m := open(t, cfg)
	for _, name := range []string{"", "UPPER", "a b", "a/b", "a_b", "ä", "x\x00", strings.Repeat("x", 33), "../x"} {
		want(t, hsm.ClassInput, m.ImportTransport(t.Context(), name, bytes.Clone(transportValue)))
		want(t, hsm.ClassInput, pkcs11.ImportTransport(t.Context(), cfg, name, bytes.Clone(transportValue)))
		want(t, hsm.ClassInput, m.DeleteTransport(t.Context(), name))
		want(t, hsm.ClassInput, pkcs11.DeleteTransport(t.Context(), cfg, name))
	}
	for _, size := range []int{0, 15, 24, 33, 64} {
		want(t, hsm.ClassInput, m.ImportTransport(t.Context(), "x", bytes.Repeat([]byte{1}, size)))
	}
	want(t, hsm.ClassInput, m.ImportTransport(t.Context(), "x", make([]byte, 32)))

	longest := strings.Repeat("a-9", 10) + "zz"
	if err := m.ImportTransport(t.Context(), longest, bytes.Clone(transportValue)); err != nil {
		t.Fatal(err)
	}
	other := bytes.Repeat([]byte{5}, 16)
	want(t, hsm.ClassInput, m.ImportTransport(t.Context(), longest, other))
	if other[0] != 5 {
		t.Error("an import that failed cleared the key")
	}
	want(t, hsm.ClassInput, pkcs11.ImportTransport(t.Context(), cfg, longest, other))
	want(t, hsm.ClassInput, m.DeleteTransport(t.Context(), "another"))
}

// TestTransportRace imports one name many times at once. Two keys of one name
// would keep the server from its next start.
func TestTransportRace(t *testing.T) {
	cfg := provisioned(t)
	m := open(t, cfg)
	var imported atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if m.ImportTransport(t.Context(), "one", bytes.Clone(transportValue)) == nil {
				imported.Add(1)
			}
		})
	}
	all.Wait()
	if imported.Load() != 1 {
		t.Errorf("%d imports of one name", imported.Load())
	}
	if _, err := m.Keys(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestTransportPairRights: the private half decrypts, does nothing else and does
// not come out; nothing is left of either once the key is deleted.
func TestTransportPairRights(t *testing.T) {
	cfg := provisioned(t)
	m := open(t, cfg)
	if _, err := m.MakeTransport(t.Context(), "x", 2048); err != nil {
		t.Fatal(err)
	}
	th := newThief(t, cfg)
	h := th.find(t, hsm.Transport("x"), p11.CKO_PRIVATE_KEY)[0]
	for _, yes := range []int{p11.CKA_DECRYPT, p11.CKA_TOKEN, p11.CKA_PRIVATE, p11.CKA_SENSITIVE, p11.CKA_ALWAYS_SENSITIVE, p11.CKA_NEVER_EXTRACTABLE, p11.CKA_LOCAL} {
		checkAttribute(t, th, h, "transport-x", yes, 1)
	}
	for _, no := range []int{p11.CKA_UNWRAP, p11.CKA_SIGN, p11.CKA_DERIVE, p11.CKA_EXTRACTABLE, p11.CKA_MODIFIABLE} {
		checkAttribute(t, th, h, "transport-x", no, 0)
	}
	if _, err := th.GetAttributeValue(th.session, h, attributes(p11.CKA_PRIVATE_EXPONENT, nil)); err == nil {
		t.Error("the private key can be read")
	}
	if err := m.DeleteTransport(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	for _, class := range []uint{p11.CKO_PRIVATE_KEY, p11.CKO_PUBLIC_KEY} {
		if left := th.find(t, hsm.Transport("x"), class); len(left) != 0 {
			t.Errorf("%d objects of class %d are left", len(left), class)
		}
	}
}

// TestTransportPairRace makes and imports one name many times at once.
func TestTransportPairRace(t *testing.T) {
	m := open(t, provisioned(t))
	var done atomic.Int64
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			var err error
			if n%2 == 0 {
				_, err = m.MakeTransport(t.Context(), "one", 2048)
			} else {
				err = m.ImportTransport(t.Context(), "one", bytes.Clone(transportValue))
			}
			if err == nil {
				done.Add(1)
			}
		})
	}
	all.Wait()
	if done.Load() != 1 {
		t.Errorf("%d keys of one name", done.Load())
	}
	if _, err := m.Keys(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestTransportPairAway makes no key while the module is away, and logs in for
// none: its PIN may be why it is away.
func TestTransportPairAway(t *testing.T) {
	cfg := shimmed(t)
	m := open(t, cfg)
	theShim.fail(signInit, p11.CKR_PIN_LOCKED, 1)
	want(t, hsm.ClassPIN, m.Check(t.Context()))
	before := theShim.count(login)
	_, err := m.MakeTransport(t.Context(), "x", 2048)
	want(t, hsm.ClassPIN, err)
	if n := theShim.count(login) - before; n != 0 {
		t.Errorf("%d log-ins with a PIN that was refused", n)
	}
}

// TestTransportGeneralError: SoftHSM says "general error" of a wrong padding, and
// every module says it when it is unwell. Only the first is about the ciphertext.
func TestTransportGeneralError(t *testing.T) {
	m := open(t, shimmed(t))
	public, err := m.MakeTransport(t.Context(), "x", 2048)
	if err != nil {
		t.Fatal(err)
	}
	box, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, public, []byte("a key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	decrypt := func(padding hsm.RSAPadding) error {
		_, err := m.DecryptRSA(t.Context(), hsm.Transport("x"), padding, box)
		return err
	}
	for _, padding := range []hsm.RSAPadding{hsm.OAEP, hsm.PKCS1v15} {
		theShim.fail(decrypting, p11.CKR_GENERAL_ERROR, 2)
		want(t, hsm.ClassDevice, decrypt(padding))
		theShim.heal(decrypting)
		eventually(t, 5*time.Second, "the module serves again", func() bool { return m.Check(t.Context()) == nil })
	}
	theShim.fail(decrypting, p11.CKR_MECHANISM_INVALID, 1)
	if f := want(t, hsm.ClassConfig, decrypt(hsm.PKCS1v15)); !strings.Contains(f.Error(), "CKM_RSA_X_509") {
		t.Errorf("does not say what is missing: %v", f)
	}
	theShim.heal(decrypting)
	if err := decrypt(hsm.OAEP); err != nil {
		t.Error(err)
	}
}

// TestTransportPairLeft: for a caller who has left by then, no key is made.
func TestTransportPairLeft(t *testing.T) {
	m := open(t, provisioned(t))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := m.MakeTransport(ctx, "x", 4096)
		done <- err
	}()
	cancel()
	if err := <-done; err == nil {
		t.Error("a key was made for nobody")
	}
	// The module may go on with the primes; what it makes of them is destroyed.
	for range 300 {
		if _, err := m.MakeTransport(t.Context(), "x", 2048); err == nil {
			return
		} else if hsm.ClassOf(err) != hsm.ClassBusy && hsm.ClassOf(err) != hsm.ClassInput {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Error("the name stays taken")
}

// TestTransportTriedAgain: SoftHSM now and then makes no object while another
// session searches. Nobody notices, unless it goes on.
func TestTransportTriedAgain(t *testing.T) {
	m := open(t, shimmed(t))
	theShim.fail(creating, p11.CKR_GENERAL_ERROR, 2)
	if err := m.ImportTransport(t.Context(), "x", bytes.Clone(transportValue)); err != nil {
		t.Error(err)
	}
	theShim.fail(creating, p11.CKR_GENERAL_ERROR, 3)
	want(t, hsm.ClassDevice, m.ImportTransport(t.Context(), "y", bytes.Clone(transportValue)))
}
