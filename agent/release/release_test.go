package release_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"mohur/agent/release"
)

func keys(t testing.TB) (private, public string) {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, "mohur-card")
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

// released is a directory with programs, and their signed checksums.
func released(t testing.TB, private string, programs map[string]string) (dir string, signed []byte) {
	t.Helper()
	dir = t.TempDir()
	var entries []release.Entry
	for name, text := range programs {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		sum, err := release.Sum(path)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, release.Entry{Name: name, SHA256: sum})
	}
	signed, err := release.Sign(entries, private)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, release.SumsName), signed, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, signed
}

const linux, windows = "mohur-card-1.2.3-linux-amd64", "mohur-card-1.2.3-windows-amd64.exe"

// Every changed byte of the checksums is found, and every changed byte of a program.
func TestClause5_21_ChangedByteIsFound(t *testing.T) {
	private, public := keys(t)
	dir, signed := released(t, private, map[string]string{linux: "program one", windows: "program two"})
	sums, err := release.Open(signed, public)
	if err != nil || sums.Signer != "mohur-card" || len(sums.Entries) != 2 {
		t.Fatalf("%+v, %v", sums, err)
	}
	for _, name := range []string{linux, windows} {
		if got, err := sums.Check(filepath.Join(dir, name)); got != name || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for i := range signed {
		changed := bytes.Clone(signed)
		changed[i] ^= 1
		if s, err := release.Open(changed, public); err == nil {
			t.Errorf("byte %d of %d may be changed: %+v", i, len(signed), s)
		}
	}
	for i := range len("program one") {
		changed := []byte("program one")
		changed[i] ^= 1
		if err := os.WriteFile(filepath.Join(dir, linux), changed, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := sums.Check(filepath.Join(dir, linux)); !errors.Is(err, release.ErrChanged) {
			t.Errorf("byte %d of the program may be changed: %v", i, err)
		}
	}
}

func TestCheck(t *testing.T) {
	private, public := keys(t)
	dir, signed := released(t, private, map[string]string{linux: "one", windows: "two"})
	sums, err := release.Open(signed, public)
	if err != nil {
		t.Fatal(err)
	}
	rename := func(from, to string) {
		t.Helper()
		if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	rename(linux, "mohur-card")
	if got, err := sums.Check(filepath.Join(dir, "mohur-card")); got != linux || err != nil {
		t.Errorf("renamed: %q, %v", got, err)
	}
	// One released program in the place of another is another.
	rename("mohur-card", windows)
	if _, err := sums.Check(filepath.Join(dir, windows)); !errors.Is(err, release.ErrChanged) {
		t.Errorf("exchanged: %v", err)
	}
	if _, err := sums.Check(filepath.Join(dir, release.SumsName)); !errors.Is(err, release.ErrUnlisted) {
		t.Errorf("a file of somebody else: %v", err)
	}
	if _, err := sums.Check(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestSignaturesOfOthersAreNone(t *testing.T) {
	private, public := keys(t)
	_, signed := released(t, private, map[string]string{linux: "one"})
	_, other := keys(t)
	text, _, _ := strings.Cut(string(signed), "\n\n")
	for name, c := range map[string]struct{ signed, key string }{
		"another key": {string(signed), other}, "no signature": {text + "\n", public}, "empty": {"", public}, "no key": {string(signed), ""},
		"a line more": {text + "\n" + strings.Repeat("0", 64) + "  x\n" + string(signed[len(text):]), public},
		"too long":    {strings.Repeat("x", 1<<20), public}, "a key that is none": {string(signed), "mohur-card+00000000+AAAA"},
	} {
		if s, err := release.Open([]byte(c.signed), c.key); err == nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
	sum := release.Entry{Name: linux}
	for name, entries := range map[string][]release.Entry{
		"twice": {sum, sum}, "a directory": {{Name: "../x"}}, "no name": {{}}, "a line break": {{Name: "a\nb"}}, "itself": {{Name: release.SumsName}},
	} {
		if _, err := release.Sign(entries, private); err == nil {
			t.Errorf("%s is signed", name)
		}
	}
	if _, err := release.Sign([]release.Entry{sum}, public); err == nil {
		t.Error("signed with a public key")
	}
}

func TestClause5_21_ProgramLooksAtItself(t *testing.T) {
	private, public := keys(t)
	dir, signed := released(t, private, map[string]string{linux: "one", windows: "two"})
	program, sums := filepath.Join(dir, linux), filepath.Join(dir, release.SumsName)
	expect := func(what, key, version string, want release.State) {
		t.Helper()
		if got, err := release.Self(program, key, version); got != want || (err != nil) != (want == release.Bad) {
			t.Errorf("%s: %d, %v", what, got, err)
		}
	}
	expect("as released", public, "1.2.3", release.Good)
	expect("without a key", "", "1.2.3", release.NoKey)
	expect("of another version", public, "1.2.4", release.Bad)
	put := func(path string, text []byte) {
		t.Helper()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(program, []byte("One"))
	expect("a changed byte", public, "1.2.3", release.Bad)
	program = filepath.Join(dir, "mohur-card")
	put(program, []byte("one"))
	expect("renamed", public, "1.2.3", release.Good)
	put(program, []byte("another"))
	expect("renamed and changed", public, "1.2.3", release.Bad)
	put(program, []byte("one"))
	put(sums, bytes.Replace(signed, []byte("  mohur"), []byte("  Mohur"), 1))
	expect("changed checksums", public, "1.2.3", release.Bad)
	if err := os.Remove(sums); err != nil {
		t.Fatal(err)
	}
	expect("without checksums", public, "1.2.3", release.NoSums)
}

func FuzzSums(f *testing.F) {
	private, public, err := note.GenerateKey(rand.Reader, "mohur-card")
	if err != nil {
		f.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(strings.Repeat("0", 64) + "  " + linux + "\n")
	f.Add("x\n")
	f.Add(strings.Repeat("0", 64) + "  a\n" + strings.Repeat("0", 64) + "  a\n")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := release.Open([]byte(text), public); err == nil {
			t.Fatalf("%q counts as signed", text)
		}
		signed, err := note.Sign(&note.Note{Text: text}, signer)
		if err != nil {
			return
		}
		sums, err := release.Open(signed, public)
		if err != nil {
			return
		}
		// What is read is what would be written.
		again, err := release.Sign(sums.Entries, private)
		if err != nil || !strings.EqualFold(string(again[:len(text)]), text) {
			t.Fatalf("%q: %q, %v", text, again, err)
		}
	})
}
