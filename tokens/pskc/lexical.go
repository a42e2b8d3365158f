package pskc

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	maxIdentifier = 64
	maxLabel      = 256 // free text: manufacturer, model, issuer, names
)

var errBase64 = errors.New("not base64")

// decodeBase64 reads xs:base64Binary: white space anywhere, and apart from it
// the one encoding each value has, padding and unused bits included. The result
// is a slice of its own; text is cleared.
func decodeBase64(text []byte) ([]byte, error) {
	defer clear(text)
	packed := text[:0]
	for _, b := range text {
		if strings.IndexByte(blanks, b) < 0 {
			packed = append(packed, b)
		}
	}
	// Decode of the standard library would take line breaks; none are left.
	out := make([]byte, base64.StdEncoding.DecodedLen(len(packed)))
	n, err := base64.StdEncoding.Strict().Decode(out, packed)
	if err != nil {
		clear(out)
		return nil, errBase64
	}
	return out[:n], nil
}

// parseInt reads xs:int and xs:long within bounds. It takes no float, no
// hexadecimal, no digit that is not ASCII.
func parseInt(text string, min, max int64) (int64, error) {
	n, err := strconv.ParseInt(strings.Trim(text, blanks), 10, 64)
	if err != nil {
		return 0, errors.New("not a whole number")
	}
	if n < min || n > max {
		return 0, fmt.Errorf("outside %d to %d", min, max)
	}
	return n, nil
}

// parseTime reads xs:dateTime. One without a zone is taken as UTC, in which
// RFC 6030 wants its times (section 5).
func parseTime(text string) (time.Time, error) {
	text = strings.Trim(text, blanks)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errors.New("not a date and time")
}

// parseBool reads xs:boolean.
func parseBool(text string) (bool, error) {
	switch strings.Trim(text, blanks) {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, errors.New("neither true nor false")
}

// identifier reports whether a serial or key id is one that the house takes. It
// becomes part of store keys, paths and command lines.
func identifier(id string) bool {
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

// label takes free text on one line. Control and direction characters would let
// a file write into terminals, logs and reports.
func label(text []byte, long bool) (string, error) {
	text = bytes.Trim(text, blanks)
	if long || len(text) > maxLabel {
		return "", fmt.Errorf("longer than %d bytes", maxLabel)
	}
	if bytes.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "", errors.New("it contains a character that cannot be shown")
	}
	return string(text), nil
}
