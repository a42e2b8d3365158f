package seedfile

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Code says to a program why a file was refused.
type Code string

// The reasons for which a whole file is refused.
const (
	CodeXML         Code = "not_xml"       // not well-formed, truncated, or followed by something
	CodeEncoding    Code = "encoding"      // not UTF-8
	CodeForbidden   Code = "forbidden_xml" // document type, entity, processing instruction, outside reference
	CodeLimit       Code = "too_large"     // bytes, keys, depth, attributes, one token or line, iterations
	CodeStructure   Code = "not_the_format"
	CodeArchive     Code = "archive"       // packed or encrypted as a whole
	CodePlain       Code = "not_encrypted" // a seed in the clear where that is not allowed
	CodeNoMAC       Code = "no_mac"        // encrypted without a MAC (RFC 6030 section 6.1.1)
	CodeNoKey       Code = "key_needed"    // encrypted, and no transport key or password was named
	CodeWrongKey    Code = "wrong_key"     // a MAC does not fit, or a value does not open
	CodeUnsupported Code = "not_supported" // a way of protection this version does not know
	CodeChanged     Code = "file_changed"  // the file was written to while it was read
)

// FileError refuses a file. Code is for programs, Detail for the person who
// sent the file: it holds no value that was read from it.
type FileError struct {
	Code   Code
	Detail string
	Line   int // where it was noticed, 0 if nowhere
}

func (e *FileError) Error() string {
	if e.Line == 0 {
		return e.Detail
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Detail)
}

// Rejection names a record that was not given out. Serial and KeyID are as in
// the file where they are fit to be shown and stored; characters outside the
// allowed ones are shown as "?" so that nobody writes into logs or reports.
type Rejection struct {
	Index  int // position of the record in the file, from 1
	Line   int
	Serial string
	KeyID  string
	Reason string
}

// Clean makes text from a file fit for a message: printable, one line, at most
// limit bytes and a mark where it was cut.
func Clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "…"
}

// shown is an identifier as a Rejection may carry it.
func shown(id string) string {
	id = Clean(id, maxIdentifier)
	return strings.Map(func(r rune) rune {
		if r == '…' || (r < utf8.RuneSelf && identifierByte(byte(r))) {
			return r
		}
		return '?'
	}, id)
}
