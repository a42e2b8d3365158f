package hsmtest

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"fmt"
	"slices"
	"testing"

	"mohur/hsm"
)

// Importer is what a module has beside the contract to bring transport keys in.
// The suite needs it: without a key there is nothing to decrypt.
type Importer interface {
	ImportTransport(ctx context.Context, name string, key []byte) error
	MakeTransport(ctx context.Context, name string, bits int) (*rsa.PublicKey, error)
	TransportPublic(ctx context.Context, name string) (*rsa.PublicKey, error)
	DeleteTransport(ctx context.Context, name string) error
}

func importer(t *testing.T, m hsm.Module) Importer {
	t.Helper()
	i, ok := m.(Importer)
	if !ok {
		t.Fatalf("%T imports no transport keys", m)
	}
	return i
}

// imported brings a transport key in for the time of a test.
func imported(t *testing.T, m hsm.Module, name string, value []byte) hsm.Key {
	t.Helper()
	if err := importer(t, m).ImportTransport(t.Context(), name, bytes.Clone(value)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { deleted(t, m, name) })
	return hsm.Transport(name)
}

func deleted(t *testing.T, m hsm.Module, name string) {
	t.Helper()
	if err := importer(t, m).DeleteTransport(context.WithoutCancel(t.Context()), name); err != nil {
		t.Error(err)
	}
}

func testTransport(t *testing.T, m hsm.Module) {
	for _, size := range []int{16, 32} {
		name := fmt.Sprintf("suite-%d", size)
		value := random(size)
		if err := importer(t, m).ImportTransport(t.Context(), name, bytes.Clone(value)); err != nil {
			t.Fatal(err)
		}
		checkListed(t, m, hsm.Transport(name), fmt.Sprintf("AES-%d", size*8))
		checkCBC(t, m, hsm.Transport(name), value)
		deleted(t, m, name)
		_, err := m.DecryptCBC(t.Context(), hsm.Transport(name), random(16), random(16))
		want(t, hsm.ClassInput, err)
	}
}

func checkCBC(t *testing.T, m hsm.Module, key hsm.Key, value []byte) {
	t.Helper()
	block, err := aes.NewCipher(value)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{16, 32, 48, 64, 4096} {
		iv, text := random(16), random(n)
		box := make([]byte, n)
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(box, text)
		got, err := m.DecryptCBC(t.Context(), key, iv, box)
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("%d bytes decrypt to something else than in Go: %v", n, err)
		}
	}
	for _, bad := range [][2]int{{0, 16}, {15, 16}, {17, 16}, {16, 0}, {16, 15}, {16, 17}} {
		_, err := m.DecryptCBC(t.Context(), key, random(bad[0]), random(bad[1]))
		want(t, hsm.ClassInput, err)
	}
}

func checkListed(t *testing.T, m hsm.Module, key hsm.Key, kind string) {
	t.Helper()
	infos, err := m.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(infos, func(i hsm.KeyInfo) bool { return i.Key == key && i.Type == kind }) {
		t.Errorf("%s is not listed as %s in %+v", key, kind, infos)
	}
}

func testTransportRefused(t *testing.T, m hsm.Module) {
	for _, key := range []hsm.Key{"", "no-such-key", hsm.SeedKEK, hsm.DataKEK, hsm.PINSeal, hsm.Transport(""),
		hsm.Transport("no-such-key"), hsm.Transport("UPPER"), hsm.Transport("a/1")} {
		_, err := m.DecryptCBC(t.Context(), key, random(16), random(16))
		want(t, hsm.ClassInput, err)
		_, err = m.DecryptKW(t.Context(), key, random(24))
		want(t, hsm.ClassInput, err)
		_, err = m.DecryptRSA(t.Context(), key, hsm.OAEP, random(256))
		want(t, hsm.ClassInput, err)
	}
}
