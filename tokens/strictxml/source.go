package strictxml

import (
	"io"

	"mohur/tokens/seedfile"
)

// source feeds the XML decoder byte by byte, so that the decoder cannot read a
// token longer than the budget set before it: the decoder itself collects a token
// without any bound.
type source struct {
	in     *seedfile.Input
	buf    []byte
	pos    int
	end    int
	budget int
	// err is why reading stopped other than at the end. It stays, because the
	// decoder may report something else.
	err error
}

func newSource(in *seedfile.Input) *source {
	return &source{in: in, buf: make([]byte, 32<<10)}
}

// ReadByte serves the decoder.
func (s *source) ReadByte() (byte, error) {
	if s.budget <= 0 && s.err == nil {
		s.err = &seedfile.FileError{Code: seedfile.CodeLimit, Detail: "a tag, text or comment is too long"}
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
		n, err := s.in.Read(s.buf)
		s.pos, s.end = 0, n
		switch {
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

// close clears the buffer: seeds in the clear and ciphertexts passed through.
func (s *source) close() { clear(s.buf) }
