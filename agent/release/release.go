// Package release knows the checksums of a release and who signed them: a file
// SHA256SUMS with a line for each program, as sha256sum writes it, made a signed note
// (C2SP signed-note) by the bank's or the house's Ed25519 key. The public key is built
// into the program.
package release

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// SumsName is the name of the file with the checksums, beside the programs.
const SumsName = "SHA256SUMS"

// maxSums is beyond every such file, in bytes.
const maxSums = 64 << 10

// Entry is a program of a release.
type Entry struct {
	Name   string // of the file, without a directory
	SHA256 [sha256.Size]byte
}

// Sums are the checksums of a release whose signature was verified.
type Sums struct {
	Entries []Entry
	Signer  string // name of the key
}

// The errors of a check; others are of files that cannot be read.
var (
	ErrSignature = errors.New("the checksums are not signed with the release key: they were changed, or are of somebody else")
	ErrChanged   = errors.New("it is not the file that was released: it was changed or damaged; get it anew from the bank")
	ErrUnlisted  = errors.New("it is not in the release")
)

// Open verifies the signature of a file of checksums and reads it. The key is a
// verifier key of C2SP signed-note, name+id+base64.
func Open(signed []byte, key string) (*Sums, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return nil, errors.New("the release key is no verifier key of the form name+id+base64")
	}
	if len(signed) > maxSums {
		return nil, ErrSignature
	}
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return nil, ErrSignature
	}
	for _, s := range n.Sigs { // in its one form: base64 has bits to spare in its last character
		raw, err := base64.StdEncoding.DecodeString(s.Base64)
		if err != nil || base64.StdEncoding.EncodeToString(raw) != s.Base64 {
			return nil, ErrSignature
		}
	}
	entries, err := parse(n.Text)
	if err != nil {
		return nil, err
	}
	return &Sums{entries, verifier.Name()}, nil
}

// parse reads lines of 64 hexadecimal digits, two spaces and a name.
func parse(text string) ([]Entry, error) {
	var entries []Entry
	for line := range strings.Lines(text) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		raw, err := hex.DecodeString(sum)
		if !ok || err != nil || len(raw) != sha256.Size || !validName(name) {
			return nil, fmt.Errorf("the checksums have a line that is none: %q", line)
		}
		if slices.ContainsFunc(entries, func(e Entry) bool { return e.Name == name }) {
			return nil, fmt.Errorf("the checksums have %s twice", name)
		}
		entries = append(entries, Entry{name, [sha256.Size]byte(raw)})
	}
	return entries, nil
}

func validName(name string) bool {
	return name != "" && len(name) <= 128 && name != SumsName &&
		!strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`/\:`, r) })
}

// Sign writes the checksums of the entries and signs them. The key is a signer key
// as note.GenerateKey makes it.
func Sign(entries []Entry, key string) ([]byte, error) {
	signer, err := note.NewSigner(strings.TrimSpace(key))
	if err != nil {
		return nil, errors.New("the private key is no signer key of the form PRIVATE+KEY+name+id+base64")
	}
	var text strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&text, "%x  %s\n", e.SHA256, e.Name)
	}
	if _, err := parse(text.String()); err != nil {
		return nil, err
	}
	return note.Sign(&note.Note{Text: text.String()}, signer)
}

// Sum is the checksum of a file.
func Sum(path string) (sum [sha256.Size]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum, err
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// Check holds a file against the checksums and returns the name it was released
// under. One that is listed under its own name has to be that one; another may have
// been renamed.
func (s *Sums) Check(path string) (name string, err error) {
	sum, err := Sum(path)
	if err != nil {
		return "", err
	}
	for _, e := range s.Entries {
		if e.Name == filepath.Base(path) {
			if e.SHA256 != sum {
				return e.Name, ErrChanged
			}
			return e.Name, nil
		}
	}
	for _, e := range s.Entries {
		if e.SHA256 == sum {
			return e.Name, nil
		}
	}
	return "", ErrUnlisted
}

// State is what a program that looks at itself finds.
type State int

// The states: a program is checked only if a key is built in and the checksums lie
// beside it.
const (
	NoKey  State = iota // built by somebody for himself
	NoSums              // a release whose checksums were not installed with it
	Good
	Bad
)

// Self holds a program against the checksums beside it. The error says what is
// wrong where the state is Bad. It finds what was damaged or exchanged by halves; a
// program that somebody put in its place would say of itself what he likes, so that
// a first installation is verified by another copy.
func Self(program, key, version string) (State, error) {
	if key == "" {
		return NoKey, nil
	}
	signed, err := os.ReadFile(filepath.Join(filepath.Dir(program), SumsName))
	if errors.Is(err, os.ErrNotExist) {
		return NoSums, nil
	}
	if err != nil {
		return Bad, err
	}
	sums, err := Open(signed, key)
	if err != nil {
		return Bad, err
	}
	name, err := sums.Check(program)
	switch {
	case errors.Is(err, ErrUnlisted):
		return Bad, ErrChanged
	case err != nil:
		return Bad, err
	case !strings.Contains(name, version):
		return Bad, fmt.Errorf("the checksums call this version %s, and the program says it is %s", name, version)
	}
	return Good, nil
}
