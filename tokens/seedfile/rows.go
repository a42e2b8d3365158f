package seedfile

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// maxLine is the longest line of a file of rows, in bytes.
const maxLine = 4096

// Options are what a file in the clear is read with: its format states less than
// PSKC, and what it leaves open comes from the device profile or nowhere.
type Options struct {
	Manufacturer string // where the format names none
	Digits       int    // of a code, where the format does not say; 0: not known
	// MaxBytes bounds the file, MaxKeys its records; 0 means the default.
	MaxBytes int64
	MaxKeys  int
	// Checked, if not nil, is called once the whole file has been found sound and
	// before the first key is given out: the total is known then.
	Checked func(Summary)
}

// Bounded returns the options with the defaults filled in.
func (o Options) Bounded() Options {
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.MaxKeys <= 0 {
		o.MaxKeys = DefaultMaxKeys
	}
	return o
}

// Rows is a format of one record a line, its columns parted by commas.
type Rows struct {
	// Skip reports whether a line is no record.
	Skip func(columns [][]byte) bool
	// Parse reads a record: the key without its seed, and the seed, which is
	// cleared. With an error the names that could be read are on the key.
	Parse func(columns [][]byte) (Key, []byte, error)
	// Bare says that the records name devices and hold no seeds. Parse returns none,
	// and keys without key id and secret are given out.
	Bare bool
}

// Read reads a file of rows twice from where r stands, as Twice does. Empty lines
// and those that begin with # are passed over.
func (f Rows) Read(ctx context.Context, r io.ReadSeeker, opt Options, each func(Key) error, reject func(Rejection)) (Summary, error) {
	opt = opt.Bounded()
	return Twice(ctx, r,
		func(ctx context.Context) (Summary, error) {
			sum, err := f.pass(ctx, r, opt, nil, nil)
			if err == nil && sum.Keys == 0 {
				err = &FileError{Code: CodeStructure, Detail: "the file holds no record"}
			}
			if err != nil {
				return Summary{}, err
			}
			return sum, nil
		},
		func(ctx context.Context) (Summary, error) { return f.pass(ctx, r, opt, each, reject) }, opt.Checked)
}

// pass goes through the file once. Without each it only checks and counts.
func (f Rows) pass(ctx context.Context, r io.Reader, opt Options, each func(Key) error, reject func(Rejection)) (sum Summary, err error) {
	in := NewInput(r, opt.MaxBytes)
	sum.Bare = f.Bare
	defer func() { sum.Bytes, sum.SHA256 = in.Total(), in.Sum() }()
	out := NewDelivery(each, reject, &sum)
	lines := newLines(in)
	defer lines.close()
	for {
		text, err := lines.next()
		if err == io.EOF {
			return sum, nil
		}
		if err != nil {
			return sum, err
		}
		columns := bytes.Split(text, []byte(","))
		for i := range columns {
			columns[i] = bytes.Trim(columns[i], Blanks)
		}
		if len(bytes.Trim(text, Blanks)) == 0 || bytes.HasPrefix(columns[0], []byte("#")) || f.Skip(columns) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return sum, err
		}
		if sum.Keys++; sum.Keys > opt.MaxKeys {
			return sum, &FileError{Code: CodeLimit, Detail: fmt.Sprintf("the file holds more than %d keys", opt.MaxKeys), Line: lines.n}
		}
		if each == nil {
			continue
		}
		if err := f.row(out, sum.Keys, lines.n, columns); err != nil {
			return sum, err
		}
	}
}

func (f Rows) row(out *Delivery, index, line int, columns [][]byte) error {
	k, seed, err := f.Parse(columns)
	defer clear(seed)
	k.Index = index
	switch {
	case err != nil:
	case f.Bare:
		err = Names(k.Serial, k.Serial)
	default:
		err = Names(k.Serial, k.KeyID)
	}
	if err == nil {
		err = out.Twice(k)
	}
	if err != nil {
		out.Refuse(Rejection{Index: index, Line: line, Serial: k.Serial, KeyID: k.KeyID}, err)
		return nil
	}
	if f.Bare {
		return out.hand(k)
	}
	return out.Give(k, line, seed)
}

// lines reads line by line. It clears what it has read: seeds in the clear.
type lines struct {
	r   *bufio.Reader
	buf []byte
	n   int
}

func newLines(in io.Reader) *lines {
	l := &lines{buf: make([]byte, maxLine)}
	l.r = bufio.NewReaderSize(in, maxLine)
	return l
}

// next returns the next line without its end, good until the next call.
func (l *lines) next() ([]byte, error) {
	clear(l.buf)
	l.n++
	text, err := l.r.ReadSlice('\n')
	defer clear(text)
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, &FileError{Code: CodeLimit, Detail: "a line is too long", Line: l.n}
	case err == io.EOF && len(text) == 0:
		return nil, io.EOF
	case err != nil && err != io.EOF:
		return nil, err
	}
	if !utf8.Valid(text) || bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' && r != '\r' && r != '\n' }) {
		return nil, &FileError{Code: CodeEncoding, Detail: "the file is not text in UTF-8: save it in UTF-8", Line: l.n}
	}
	n := copy(l.buf, bytes.TrimRight(text, "\r\n"))
	return l.buf[:n], nil
}

func (l *lines) close() { clear(l.buf) }

// Hex reads a seed in hexadecimal. The result is a slice of its own; one that is
// not hexadecimal is an error that does not show it.
func Hex(text []byte) ([]byte, error) {
	seed := make([]byte, len(text)/2)
	for i, b := range text {
		d, ok := nibble(b)
		if !ok || len(text)%2 != 0 {
			clear(seed)
			return nil, errors.New("the seed is not hexadecimal")
		}
		seed[i/2] = seed[i/2]<<4 | d
	}
	return seed, nil
}

func nibble(b byte) (byte, bool) {
	switch {
	case '0' <= b && b <= '9':
		return b - '0', true
	case 'a' <= b && b <= 'f':
		return b - 'a' + 10, true
	case 'A' <= b && b <= 'F':
		return b - 'A' + 10, true
	}
	return 0, false
}

// Number reads a whole number in ASCII digits, at most max. name is what it is
// called in the error.
func Number(text []byte, name string, max uint64) (uint64, error) {
	n := uint64(0)
	for _, b := range text {
		if b < '0' || b > '9' || n > (max-uint64(b-'0'))/10 {
			return 0, fmt.Errorf("%s is not a number from 0 to %d", name, max)
		}
		n = n*10 + uint64(b-'0')
	}
	if len(text) == 0 {
		return 0, fmt.Errorf("there is no %s", name)
	}
	return n, nil
}
