package pkcs11_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

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
