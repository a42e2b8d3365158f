package seedfile_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"mohur/tokens/seedfile"
)

// However the bytes arrive, an Input hands on the text without the mark of UTF-8
// and names the whole file.
func TestInput(t *testing.T) {
	for _, text := range []string{"", "a", "ab", "abc", "abcd", "abcde", strings.Repeat("x", 10000)} {
		for _, mark := range []string{"", "\xef\xbb\xbf"} {
			whole := mark + text
			for name, r := range map[string]io.Reader{
				"at once": strings.NewReader(whole), "one byte": iotest.OneByteReader(strings.NewReader(whole)),
				"half": iotest.HalfReader(strings.NewReader(whole)), "with EOF": iotest.DataErrReader(strings.NewReader(whole)),
			} {
				in := seedfile.NewInput(r, int64(len(whole)))
				got, err := io.ReadAll(in)
				if err != nil || string(got) != text || in.Total() != int64(len(whole)) || in.Sum() != sha256.Sum256([]byte(whole)) {
					t.Errorf("%q, %s: %d bytes, %d in all, %v", mark, name, len(got), in.Total(), err)
				}
			}
		}
	}
}

func TestInputRefuses(t *testing.T) {
	for text, code := range map[string]seedfile.Code{
		"\xff\xfea\x00": seedfile.CodeEncoding, "\xfe\xff\x00a": seedfile.CodeEncoding, "\x00a": seedfile.CodeEncoding, "<\x00?\x00": seedfile.CodeEncoding,
		"PK\x03\x04": seedfile.CodeArchive, "\x1f\x8b\x08": seedfile.CodeArchive, "7z\xbc\xaf": seedfile.CodeArchive, "Rar!": seedfile.CodeArchive,
		"%PDF-1.7": seedfile.CodeArchive, "\xd0\xcf\x11\xe0": seedfile.CodeArchive, "-----BEGIN PGP MESSAGE-----": seedfile.CodeArchive,
		strings.Repeat("a", 101): seedfile.CodeLimit,
	} {
		in := seedfile.NewInput(strings.NewReader(text), 100)
		got, err := io.ReadAll(in)
		var refused *seedfile.FileError
		if !errors.As(err, &refused) || refused.Code != code || code != seedfile.CodeLimit && len(got) != 0 {
			t.Errorf("%q: %q, %v", text, got, err)
		}
		if _, err := in.Read(make([]byte, 1)); err == nil {
			t.Errorf("%q: read on", text)
		}
	}
	in := seedfile.NewInput(strings.NewReader("abc"), 2)
	if _, err := io.ReadAll(in); err == nil {
		t.Error("a short file over its bound was read")
	}
	boom := errors.New("boom")
	in = seedfile.NewInput(io.MultiReader(strings.NewReader("abcdef"), iotest.ErrReader(boom)), 100)
	if _, err := io.ReadAll(in); !errors.Is(err, boom) || !errors.Is(in.Fault(), boom) {
		t.Errorf("%v, %v", err, in.Fault())
	}
}

func TestNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"a": true, "A-1.b_c:d/e": true, strings.Repeat("9", 64): true,
		"": false, strings.Repeat("9", 65): false, "a b": false, "a\n": false, "ə": false, "a\x00": false, "../a": true, "a'": false, "a;b": false,
	} {
		if seedfile.Identifier(name) != ok || (seedfile.Names(name, "k") == nil) != ok || (seedfile.Names("s", name) == nil) != ok {
			t.Errorf("%q: %v", name, !ok)
		}
	}
	for text, want := range map[string]string{" a b \r\n": "a b", "": "", "Müller & Co": "Müller & Co"} {
		if got, err := seedfile.Label([]byte(text)); err != nil || got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"a\x1b[2J", "a\u202eb", strings.Repeat("a", 257), "a\nb", "\xff"} {
		if got, err := seedfile.Label([]byte(text)); err == nil {
			t.Errorf("%q: taken as %q", text, got)
		}
	}
}

func TestHexAndNumbers(t *testing.T) {
	if got, err := seedfile.Hex([]byte("00aAfF9")); err == nil {
		t.Errorf("half a byte: %x", got)
	}
	if got, err := seedfile.Hex([]byte("00aAfF")); err != nil || !bytes.Equal(got, []byte{0, 0xaa, 0xff}) {
		t.Errorf("%x, %v", got, err)
	}
	for _, text := range []string{"0g", " 0", "0x00", "٣٣", "00\n"} {
		if got, err := seedfile.Hex([]byte(text)); err == nil || strings.Contains(err.Error(), text) {
			t.Errorf("%q: %x, %v", text, got, err)
		}
	}
	for text, want := range map[string]uint64{"0": 0, "007": 7, "1000": 1000} {
		if got, err := seedfile.Number([]byte(text), "n", 1000); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "1001", "-1", "+1", "1.0", "1e3", "99999999999999999999999", "１", " 1"} {
		if got, err := seedfile.Number([]byte(text), "n", 1000); err == nil {
			t.Errorf("%q: %d", text, got)
		}
	}
	if got, err := seedfile.Number([]byte("18446744073709551615"), "n", 1<<64-1); err != nil || got != 1<<64-1 {
		t.Errorf("%d, %v", got, err)
	}
}
