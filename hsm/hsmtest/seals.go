package hsmtest

import (
	"bytes"
	"fmt"
	"testing"

	"mohur/hsm"
)

func testSeal(t *testing.T, m hsm.Module) {
	for _, key := range sealingKeys {
		for _, n := range []int{0, 1, 15, 16, 17, 32, 1000} {
			text := random(n)
			before := bytes.Clone(text)
			one := sealed(t, m, key, "table/column/row", text)
			two := sealed(t, m, key, "table/column/row", text)
			if !bytes.Equal(text, before) {
				t.Error("sealing changed the plaintext")
			}
			if bytes.Equal(one, two) || (n > 4 && bytes.Contains(one, text)) {
				t.Errorf("%s: a box of %d bytes hides nothing", key, n)
			}
			got, err := m.Open(t.Context(), key, "table/column/row", one)
			if err != nil || !bytes.Equal(got, text) {
				t.Errorf("%s: %d bytes come back as %d: %v", key, n, len(got), err)
			}
		}
	}
}

func testSealPlace(t *testing.T, m hsm.Module) {
	box := sealed(t, m, hsm.PINSeal, "persons/pin/1", []byte("hash"))
	for _, place := range []string{"persons/pin/2", "persons/pin/", "persons/pin/1 ", "persons/pin/11", "x"} {
		_, err := m.Open(t.Context(), hsm.PINSeal, place, box)
		want(t, hsm.ClassBlob, err)
	}
	_, err := m.Open(t.Context(), hsm.DataKEK, "persons/pin/1", box)
	want(t, hsm.ClassBlob, err)
}

func testSealDamaged(t *testing.T, m hsm.Module) {
	box := sealed(t, m, hsm.DataKEK, "a place", []byte("a key of a person"))
	boxes := map[string][]byte{
		"nil":    nil,
		"empty":  {},
		"byte":   box[:1],
		"nonce":  box[:13],
		"tag":    box[:29],
		"cut":    box[:len(box)-1],
		"long":   append(bytes.Clone(box), 0),
		"zeros":  make([]byte, len(box)),
		"random": random(len(box)),
	}
	for i := range box {
		b := bytes.Clone(box)
		b[i] ^= 1 << (i % 8)
		boxes[fmt.Sprintf("a bit of byte %d", i)] = b
	}
	for name, b := range boxes {
		if _, err := m.Open(t.Context(), hsm.DataKEK, "a place", b); err == nil || hsm.ClassOf(err) != hsm.ClassBlob {
			t.Errorf("%s: want a blob fault, got %v", name, err)
		}
		if _, err := m.Open(t.Context(), hsm.DataKEK, "a place", box); err != nil {
			t.Fatalf("%s: the good box no longer opens: %v", name, err)
		}
	}
}

func testSealRefused(t *testing.T, m hsm.Module) {
	box := sealed(t, m, hsm.DataKEK, "a place", []byte("x"))
	for _, key := range []hsm.Key{"", "no-such-key", hsm.SeedKEK, hsm.RowMAC, hsm.AuditSigning, hsm.Transport("x")} {
		_, err := m.Seal(t.Context(), key, "a place", []byte("x"))
		want(t, hsm.ClassInput, err)
		_, err = m.Open(t.Context(), key, "a place", box)
		want(t, hsm.ClassInput, err)
	}
	_, err := m.Seal(t.Context(), hsm.DataKEK, "", []byte("x"))
	want(t, hsm.ClassInput, err)
}

func sealed(t *testing.T, m hsm.Module, key hsm.Key, place string, text []byte) []byte {
	t.Helper()
	box, err := m.Seal(t.Context(), key, place, text)
	if err != nil {
		t.Fatal(err)
	}
	return box
}
