package seedfile

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxIdentifier = 64
	maxLabel      = 256
)

// Blanks is the white space that may stand around a value.
const Blanks = " \t\r\n"

// The reasons for which a name is not taken.
var (
	errNoSerial = errors.New("there is no serial number")
	errSerial   = errors.New("the serial number is not 1 to 64 of A-Z a-z 0-9 . _ : / -")
	errKeyID    = errors.New("the key id is not 1 to 64 of A-Z a-z 0-9 . _ : / -")
)

// Identifier reports whether a serial or key id is one that the house takes: 1 to
// 64 of A-Z a-z 0-9 . _ : / -. It becomes part of store keys, paths and command
// lines.
func Identifier(id string) bool {
	if len(id) < 1 || len(id) > maxIdentifier {
		return false
	}
	for i := range len(id) {
		if !identifierByte(id[i]) {
			return false
		}
	}
	return true
}

func identifierByte(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || strings.IndexByte("._:/-", b) >= 0
}

// Names checks the serial and the key id of a record, which name it for ever.
func Names(serial, keyID string) error {
	switch {
	case serial == "":
		return errNoSerial
	case !Identifier(serial):
		return errSerial
	case !Identifier(keyID):
		return errKeyID
	}
	return nil
}

// Label takes free text on one line, of at most 256 bytes, without the white space
// around it. Control and direction characters would let a file write into
// terminals, logs and reports.
func Label(text []byte) (string, error) {
	text = bytes.Trim(text, Blanks)
	if len(text) > maxLabel {
		return "", ErrLabel
	}
	if !utf8.Valid(text) || bytes.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "", errors.New("it contains a character that cannot be shown")
	}
	return string(text), nil
}

// ErrLabel says that a free text is too long.
var ErrLabel = fmt.Errorf("longer than %d bytes", maxLabel)
