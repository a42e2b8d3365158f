package seedfile

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"io"
)

// Input is a file as all readers read it: bounded, hashed, and refused before a
// reader sees it where it is no text in UTF-8. It drops the mark of UTF-8.
type Input struct {
	r      io.Reader
	max    int64
	total  int64
	digest hash.Hash
	head   []byte // read and not yet handed on
	begun  bool
	// fault is why reading stopped other than at the end. It stays: a decoder in
	// between may report something else.
	fault error
}

// NewInput reads at most max bytes of r.
func NewInput(r io.Reader, max int64) *Input {
	return &Input{r: r, max: max, digest: sha256.New()}
}

// Read implements io.Reader. Its error is a *FileError, or r's own.
func (in *Input) Read(p []byte) (int, error) {
	if in.fault != nil || len(p) == 0 {
		return 0, in.fault
	}
	if !in.begun {
		if in.fault = in.begin(); in.fault != nil {
			return 0, in.fault
		}
	}
	if len(in.head) > 0 {
		n := copy(p, in.head)
		in.head = in.head[n:]
		return n, nil
	}
	n, err := in.r.Read(p)
	in.digest.Write(p[:n])
	in.total += int64(n)
	switch {
	case in.total > in.max:
		in.fault = &FileError{Code: CodeLimit, Detail: "the file is too large"}
		return 0, in.fault
	case err != nil && err != io.EOF:
		in.fault = err
	}
	return n, err
}

// begin looks at the first bytes. What a second reader would take for something
// else is not read at all.
func (in *Input) begin() error {
	in.begun = true
	head := make([]byte, 4)
	n, err := io.ReadFull(in.r, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	in.head = head[:n]
	in.digest.Write(in.head)
	in.total = int64(n)
	if in.total > in.max {
		return &FileError{Code: CodeLimit, Detail: "the file is too large"}
	}
	if err := text(in.head); err != nil {
		return err
	}
	in.head = bytes.TrimPrefix(in.head, []byte(mark))
	return nil
}

// mark is the mark of UTF-8, which is no part of the text.
const mark = "\xef\xbb\xbf"

// packed are the beginnings of ZIP (and so of spreadsheets), gzip, 7z, RAR, PDF, old
// office files, and of text that OpenPGP has encrypted.
var packed = []string{"PK\x03\x04", "\x1f\x8b", "7z\xbc\xaf", "Rar!", "%PDF", "\xd0\xcf\x11\xe0", "----"}

// text refuses what is no text in UTF-8 by its first bytes.
func text(head []byte) error {
	for _, other := range packed {
		if bytes.HasPrefix(head, []byte(other)) {
			return &FileError{Code: CodeArchive, Detail: "the file is packed or encrypted as a whole: unpack it first", Line: 1}
		}
	}
	for _, other := range []string{"\xfe\xff", "\xff\xfe", "\x00", "<\x00"} {
		if bytes.HasPrefix(head, []byte(other)) {
			return &FileError{Code: CodeEncoding, Detail: "the file is not in UTF-8: save it in UTF-8", Line: 1}
		}
	}
	return nil
}

// Fault is why reading stopped other than at the end, nil if it did not.
func (in *Input) Fault() error { return in.fault }

// Total is how many bytes were read, and Sum their SHA-256.
func (in *Input) Total() int64 { return in.total }

// Sum returns the SHA-256 of what was read.
func (in *Input) Sum() (sum [sha256.Size]byte) {
	in.digest.Sum(sum[:0])
	return sum
}
