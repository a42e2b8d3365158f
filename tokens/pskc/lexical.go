package pskc

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"mohur/tokens/seedfile"
)

var errBase64 = errors.New("not base64")

// decodeBase64 reads xs:base64Binary: white space anywhere, and apart from it
// the one encoding each value has, padding and unused bits included. The result
// is a slice of its own; text is cleared.
func decodeBase64(text []byte) ([]byte, error) {
	defer clear(text)
	packed := text[:0]
	for _, b := range text {
		if strings.IndexByte(seedfile.Blanks, b) < 0 {
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
	n, err := strconv.ParseInt(strings.Trim(text, seedfile.Blanks), 10, 64)
	if err != nil {
		return 0, errors.New("not a whole number")
	}
	if n < min || n > max {
		return 0, fmt.Errorf("outside %d to %d", min, max)
	}
	return n, nil
}

// parseTime reads xs:dateTime. One without a zone is taken as UTC, in which
// RFC 6030 wants its times (section 5). The years are those in which a date is one:
// the year 1 would be taken for no limit at all.
func parseTime(text string) (time.Time, error) {
	text = strings.Trim(text, seedfile.Blanks)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		t, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		if t = t.UTC(); t.Year() < 1970 || t.Year() > 9999 {
			return time.Time{}, errors.New("not a date from 1970 to 9999")
		}
		return t, nil
	}
	return time.Time{}, errors.New("not a date and time")
}

// parseBool reads xs:boolean.
func parseBool(text string) (bool, error) {
	switch strings.Trim(text, seedfile.Blanks) {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, errors.New("neither true nor false")
}
