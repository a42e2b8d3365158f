package hsmtest

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"math/big"
	"testing"

	"mohur/hsm"
)

var paddings = []hsm.RSAPadding{hsm.PKCS1v15, hsm.OAEP}

// made makes an RSA transport key for the time of a test.
func made(t *testing.T, m hsm.Module, name string, bits int) (hsm.Key, *rsa.PublicKey) {
	t.Helper()
	public, err := importer(t, m).MakeTransport(t.Context(), name, bits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { deleted(t, m, name) })
	return hsm.Transport(name), public
}

// encrypted encrypts as a manufacturer does, with Go alone.
func encrypted(t *testing.T, public *rsa.PublicKey, padding hsm.RSAPadding, text []byte) []byte {
	t.Helper()
	if padding == hsm.PKCS1v15 {
		em := random(public.Size())
		for i := range em {
			em[i] |= 1 // not zero
		}
		em[0], em[1], em[len(em)-len(text)-1] = 0, 2, 0
		copy(em[len(em)-len(text):], text)
		return raw(public, em)
	}
	box, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, public, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// raw raises any message to the public power: a padding of the test's choice.
func raw(public *rsa.PublicKey, em []byte) []byte {
	c := new(big.Int).Exp(new(big.Int).SetBytes(em), big.NewInt(int64(public.E)), public.N)
	return c.FillBytes(make([]byte, public.Size()))
}

func testRSA(t *testing.T, m hsm.Module) {
	key, public := made(t, m, "suite-rsa", 2048)
	longest := map[hsm.RSAPadding]int{hsm.PKCS1v15: public.Size() - 11, hsm.OAEP: public.Size() - 2*sha1.Size - 2}
	for _, padding := range paddings {
		for _, n := range []int{0, 1, 16, 32, longest[padding]} {
			text := random(n)
			got, err := m.DecryptRSA(t.Context(), key, padding, encrypted(t, public, padding, text))
			if err != nil || !bytes.Equal(got, text) {
				t.Errorf("%v: %d bytes come back as %x, %v", padding, n, got, err)
			}
		}
	}
}

// testRSAWrong decrypts what was not padded as it is said to be, in every way. All
// faults are one: whoever tries many learns nothing from which it was.
func testRSAWrong(t *testing.T, m hsm.Module) {
	key, public := made(t, m, "suite-wrong", 2048)
	k := public.Size()
	em := func(change func([]byte)) []byte {
		b := bytes.Repeat([]byte{0xAA}, k)
		b[0], b[1], b[k-17] = 0, 2, 0
		change(b)
		return raw(public, b)
	}
	good := em(func([]byte) {})
	if got, err := m.DecryptRSA(t.Context(), key, hsm.PKCS1v15, good); err != nil || !bytes.Equal(got, bytes.Repeat([]byte{0xAA}, 16)) {
		t.Fatalf("the message that the others are changes of: %x, %v", got, err)
	}
	cases := map[string][]byte{
		"nil": nil, "short": good[:k-1], "long": append(bytes.Clone(good), 0), "very long": make([]byte, 1<<20),
		"zeros": make([]byte, k), "one": raw(public, []byte{1}), "the modulus": public.N.Bytes(), "over it": bytes.Repeat([]byte{0xFF}, k),
		"first byte":         em(func(b []byte) { b[0] = 1 }),
		"block type 1":       em(func(b []byte) { b[1] = 1 }),
		"block type 0":       em(func(b []byte) { b[1] = 0 }),
		"no end":             em(func(b []byte) { b[k-17] = 1 }),
		"seven random bytes": em(func(b []byte) { b[9] = 0 }),
		"none":               em(func(b []byte) { b[2] = 0 }),
	}
	var first string
	for _, padding := range paddings {
		if padding == hsm.OAEP { // the other way round, one in some hundred passes
			cases["the other padding"] = good
		}
		for name, box := range cases {
			got, err := m.DecryptRSA(t.Context(), key, padding, box)
			if got != nil {
				t.Errorf("%v, %s: something comes out", padding, name)
			}
			want(t, hsm.ClassBlob, err)
			if first == "" && err != nil {
				first = err.Error()
			}
			if f, ok := err.(*hsm.Fault); !ok || f.Code != 0 || err.Error() != first {
				t.Errorf("%v, %s: told apart: %v", padding, name, err)
			}
		}
		if _, err := m.DecryptRSA(t.Context(), key, padding, encrypted(t, public, padding, random(16))); err != nil {
			t.Errorf("%v: a good one afterwards: %v", padding, err)
		}
	}
	_, err := m.DecryptRSA(t.Context(), key, 3, good)
	want(t, hsm.ClassInput, err)
}

// testRSAKeys makes a pair, finds it listed with its public half, keeps the two
// sorts of transport keys apart, and deletes it.
func testRSAKeys(t *testing.T, m hsm.Module) {
	i := importer(t, m)
	aes := imported(t, m, "suite-aes", random(32))
	public, err := i.MakeTransport(t.Context(), "suite-pair", 3072)
	if err != nil {
		t.Fatal(err)
	}
	key := hsm.Transport("suite-pair")
	checkListed(t, m, key, "RSA-3072")
	again, err := i.TransportPublic(t.Context(), "suite-pair")
	if err != nil || !again.Equal(public) {
		t.Errorf("another public key than was given: %v", err)
	}
	for _, wrong := range []func() error{
		func() error { _, err := m.DecryptCBC(t.Context(), key, random(16), random(16)); return err },
		func() error { _, err := m.DecryptKW(t.Context(), key, random(24)); return err },
		func() error { _, err := m.DecryptRSA(t.Context(), aes, hsm.OAEP, random(384)); return err },
		func() error { _, err := i.TransportPublic(t.Context(), "suite-aes"); return err },
		func() error { _, err := i.TransportPublic(t.Context(), "no-such-key"); return err },
		func() error { _, err := i.MakeTransport(t.Context(), "suite-pair", 2048); return err },
		func() error { _, err := i.MakeTransport(t.Context(), "suite-aes", 2048); return err },
		func() error { _, err := i.MakeTransport(t.Context(), "UPPER", 2048); return err },
		func() error { _, err := i.MakeTransport(t.Context(), "suite-small", 1024); return err },
		func() error { return i.ImportTransport(t.Context(), "suite-pair", random(32)) },
	} {
		want(t, hsm.ClassInput, wrong())
	}
	text := random(32)
	got, err := m.DecryptRSA(t.Context(), key, hsm.OAEP, encrypted(t, public, hsm.OAEP, text))
	if err != nil || !bytes.Equal(got, text) {
		t.Errorf("%x, %v", got, err)
	}
	deleted(t, m, "suite-pair")
	_, err = m.DecryptRSA(t.Context(), key, hsm.OAEP, encrypted(t, public, hsm.OAEP, text))
	want(t, hsm.ClassInput, err)
}
