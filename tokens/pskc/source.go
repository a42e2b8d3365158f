package pskc

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"io"
)

// Bounds on the shape of the XML. A real key package is 8 deep and no token of
// it is longer than a certificate.
const (
	maxToken      = 64 << 10 // bytes of one tag, text, comment or attribute list
	maxDepth      = 24
	maxAttributes = 32
)

// source feeds the XML decoder byte by byte, so that the decoder cannot read a
// token longer than the budget set before it, nor a file longer than max: the
// decoder itself collects a token without any bound. It hashes what it reads.
type source struct {
	r      io.Reader
	buf    []byte
	pos    int
	end    int
	max    int64
	total  int64
	budget int
	digest hash.Hash
	// err is why reading stopped other than at the end. It stays, because the
	// decoder may report something else.
	err error
}

func newSource(r io.Reader, max int64) *source {
	return &source{r: r, max: max, buf: make([]byte, 32<<10), digest: sha256.New()}
}

// ReadByte serves the decoder.
func (s *source) ReadByte() (byte, error) {
	if s.budget <= 0 && s.err == nil {
		s.err = &FileError{Code: CodeLimit, Detail: "a tag, text or comment is too long"}
	}
	if s.err != nil {
		return 0, s.err
	}
	if s.pos == s.end {
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	s.budget--
	b := s.buf[s.pos]
	s.pos++
	return b, nil
}

// Read makes source the io.Reader that xml.NewDecoder asks for; the decoder
// uses ReadByte.
func (s *source) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b, err := s.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = b
	return 1, nil
}

// fill reads on. It returns io.EOF at the end, and sets err for all else.
func (s *source) fill() error {
	for range 100 {
		n, err := s.r.Read(s.buf)
		s.pos, s.end = 0, n
		s.total += int64(n)
		s.digest.Write(s.buf[:n])
		switch {
		case s.total > s.max:
			s.err = &FileError{Code: CodeLimit, Detail: "the file is too large"}
			return s.err
		case n > 0:
			return nil // an error with it comes again with the next call
		case err == io.EOF:
			return io.EOF
		case err != nil:
			s.err = err
			return err
		}
	}
	s.err = io.ErrNoProgress
	return s.err
}

// open looks at the first bytes: it drops the mark of UTF-8 and refuses every
// other encoding before a decoder sees it. What a second decoder would take for
// something else is not read at all.
func (s *source) open() error {
	head := make([]byte, 4)
	n, err := io.ReadFull(s.r, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	head = head[:n]
	for _, other := range []string{"\xfe\xff", "\xff\xfe", "\x00", "<\x00"} {
		if bytes.HasPrefix(head, []byte(other)) {
			return &FileError{Code: CodeEncoding, Detail: "the file is not in UTF-8", Line: 1}
		}
	}
	s.digest.Write(head)
	s.total = int64(n)
	s.end = copy(s.buf, head)
	if bytes.HasPrefix(head, []byte("\xef\xbb\xbf")) {
		s.pos = 3
	}
	return nil
}

// close clears the buffer: seeds in the clear and ciphertexts passed through.
func (s *source) close() { clear(s.buf) }
