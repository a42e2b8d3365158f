package hsmtest

import (
	"bytes"
	"crypto/aes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"testing"

	"mohur/hsm"
)

func testRFC3394(t *testing.T, m hsm.Module) {
	var v keyWrap
	load(t, "rfc3394.json", &v)
	for i, row := range v.Rows {
		key := imported(t, m, fmt.Sprintf("rfc3394-%d", i), unhex(t, row.KEK))
		got, err := m.DecryptKW(t.Context(), key, unhex(t, row.Wrapped))
		if err != nil || !bytes.Equal(got, unhex(t, row.Data)) {
			t.Errorf("section %s: %x, %v", row.Section, got, err)
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// testWrapped unwraps values of every length that the contract takes, and none of
// those that were changed.
func testWrapped(t *testing.T, m hsm.Module) {
	value := random(32)
	key := imported(t, m, "suite-kw", value)
	for _, n := range []int{16, 24, 32, 64, 136, hsm.MaxWrapped - 8} {
		text := random(n)
		box := wrapped(t, value, text)
		got, err := m.DecryptKW(t.Context(), key, bytes.Clone(box))
		if err != nil || !bytes.Equal(got, text) {
			t.Fatalf("%d bytes come back as %x, %v", n, got, err)
		}
		for name, bad := range map[string][]byte{
			"head":              flipped(box, 0),
			"middle":            flipped(box, n/2),
			"tail":              flipped(box, len(box)-1),
			"zeros":             make([]byte, len(box)),
			"under another key": wrapped(t, random(32), text),
			"in another order":  append(bytes.Clone(box[len(box)-8:]), box[:len(box)-8]...),
		} {
			got, err := m.DecryptKW(t.Context(), key, bad)
			if got != nil {
				t.Errorf("%d bytes, %s: something comes out", n, name)
			}
			want(t, hsm.ClassBlob, err)
		}
	}
	for _, n := range []int{9, 15, 16, 17, 20, 23, 63, hsm.MaxWrapped - 15} {
		text := random(n)
		text[n-1] |= 1
		got, err := m.DecryptKW(t.Context(), key, padded(t, value, text, n, 0))
		if err != nil || !bytes.Equal(got, text) {
			t.Fatalf("%d bytes, padded, come back as %x, %v", n, got, err)
		}
		for name, bad := range map[string][]byte{
			"a byte short":    padded(t, value, text, n-1, 1),
			"a block short":   padded(t, value, text, n-8, 0),
			"too long":        padded(t, value, text, n+8, 0),
			"a great length":  padded(t, value, text, -1, 0),
			"changed":         flipped(padded(t, value, text, n, 0), n/2),
			"another key":     padded(t, random(32), text, n, 0),
			"padded by ones":  padded(t, value, text, n, 1),
			"the wrong value": wrapping(t, value, []byte{0xA6, 0x59, 0x59, 0xA7, 0, 0, 0, byte(n)}, append(bytes.Clone(text), make([]byte, -n&7)...)),
		} {
			if name == "padded by ones" && n%8 == 0 || name == "a byte short" && n%8 == 1 {
				continue
			}
			got, err := m.DecryptKW(t.Context(), key, bad)
			if got != nil {
				t.Errorf("%d bytes, padded, %s: something comes out", n, name)
			}
			want(t, hsm.ClassBlob, err)
		}
	}
	for _, n := range []int{0, 8, 16, 23, 25, hsm.MaxWrapped + 8, 1 << 20} {
		_, err := m.DecryptKW(t.Context(), key, make([]byte, n))
		want(t, hsm.ClassInput, err)
	}
}

func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

// wrapped is RFC 3394 section 2.2.1 in Go.
func wrapped(t *testing.T, kek, text []byte) []byte {
	t.Helper()
	return wrapping(t, kek, bytes.Repeat([]byte{0xA6}, 8), text)
}

// padded is RFC 5649 section 4.1, in which length and padding may be others than
// those of the text.
func padded(t *testing.T, kek, text []byte, length int, pad byte) []byte {
	t.Helper()
	iv := binary.BigEndian.AppendUint32([]byte{0xA6, 0x59, 0x59, 0xA6}, uint32(length))
	return wrapping(t, kek, iv, append(bytes.Clone(text), bytes.Repeat([]byte{pad}, -len(text)&7)...))
}

func wrapping(t *testing.T, kek, iv, text []byte) []byte {
	t.Helper()
	c, err := aes.NewCipher(kek)
	if err != nil {
		t.Fatal(err)
	}
	box := append(bytes.Clone(iv), text...)
	n := len(text) / 8
	for s := range 6 * n {
		r := box[8+s%n*8:][:8]
		block := append(bytes.Clone(box[:8]), r...)
		c.Encrypt(block, block)
		binary.BigEndian.PutUint64(box, binary.BigEndian.Uint64(block)^uint64(s+1))
		copy(r, block[8:])
	}
	return box
}
