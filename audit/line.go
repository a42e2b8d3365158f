package audit

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/tlog"
)

// ExportVersion is the version of the export format, format.md of this package.
const ExportVersion = 1

// MaxLine bounds a line of an export in bytes: the largest header and body with
// room to spare. It is what a verifier keeps in memory.
const MaxLine = 1 << 20

// preamble is the first line. Of its members only the version and the origin
// matter to a verifier, who has his key from elsewhere; edge is proved by the
// first checkpoint that follows.
type preamble struct {
	Version int         `json:"mohur_audit_export"`
	Origin  string      `json:"origin"`
	Key     string      `json:"key"`
	From    uint64      `json:"from,omitempty"`
	Edge    []tlog.Hash `json:"edge,omitempty"`
}

type entryLine struct {
	Seq    uint64    `json:"seq"`
	Header string    `json:"header"`
	Leaf   tlog.Hash `json:"leaf"`
	Salt   []byte    `json:"salt,omitempty"`
	Sealed []byte    `json:"body,omitempty"`
}

type checkpointLine struct {
	Checkpoint string `json:"checkpoint"`
}

func (p preamble) append(b []byte) []byte {
	b = strconv.AppendInt(append(b, `{"mohur_audit_export":`...), int64(p.Version), 10)
	b = appendString(append(b, `,"origin":`...), p.Origin)
	b = appendString(append(b, `,"key":`...), p.Key)
	if p.From > 0 {
		b = strconv.AppendUint(append(b, `,"from":`...), p.From, 10)
		sep := `,"edge":[`
		for _, h := range p.Edge {
			b = appendBase64(append(b, sep...), h[:])
			sep = `,`
		}
		b = append(b, ']')
	}
	return append(b, "}\n"...)
}

func (l entryLine) append(b []byte) []byte {
	b = strconv.AppendUint(append(b, `{"seq":`...), l.Seq, 10)
	b = appendString(append(b, `,"header":`...), l.Header)
	b = appendBase64(append(b, `,"leaf":`...), l.Leaf[:])
	if len(l.Salt) > 0 {
		b = appendBase64(append(b, `,"salt":`...), l.Salt)
	}
	if len(l.Sealed) > 0 {
		b = appendBase64(append(b, `,"body":`...), l.Sealed)
	}
	return append(b, "}\n"...)
}

func (l checkpointLine) append(b []byte) []byte {
	b = appendString(append(b, `{"checkpoint":`...), l.Checkpoint)
	return append(b, "}\n"...)
}

// appendString writes a JSON string in its one form: quote, backslash and line
// end are escaped with a backslash, other control characters as \u00xx, and
// nothing else. Bytes that are not UTF-8, which only a damaged store holds,
// become U+FFFD, so that the verifier finds the entry changed.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, '\\', 'n')
		case r < ' ':
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

func appendBase64(b, data []byte) []byte {
	b = base64.StdEncoding.AppendEncode(append(b, '"'), data)
	return append(b, '"')
}

// errForm also catches what encoding/json reads with indulgence: repeated and
// differently spelt members, spaces, loose base64, anything after the object.
var errForm = errors.New("it is not in the one form the format allows")

// parseLine reads a line and accepts only what append would have written.
func parseLine[T interface{ append([]byte) []byte }](b []byte) (T, error) {
	var l T
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return l, err
	}
	if again := l.append(nil); !bytes.Equal(again[:len(again)-1], b) {
		return l, errForm
	}
	return l, nil
}

// lineError is a fault of the stream's form, as against one of reading it.
type lineError string

func (e lineError) Error() string { return string(e) }

// lines splits a stream into lines within bounded memory.
type lines struct {
	r *bufio.Reader
	n int // number of the line last returned, from 1
}

func newLines(r io.Reader) *lines { return &lines{r: bufio.NewReaderSize(r, MaxLine)} }

// next returns the next line without its end, valid until the next call, or
// io.EOF after the last one.
func (l *lines) next() ([]byte, error) {
	b, err := l.r.ReadSlice('\n')
	l.n++
	switch {
	case err == nil:
		return b[:len(b)-1], nil
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, lineError(fmt.Sprintf("it is longer than %d bytes", MaxLine))
	case errors.Is(err, io.EOF) && len(b) > 0:
		return nil, lineError("it is cut off: it has no line end")
	}
	return nil, err
}
