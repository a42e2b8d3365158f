package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	fast "github.com/go-json-experiment/json/v1"
)

// The largest header and sealed body, in bytes. They are refused when an event
// is drafted: an entry that the verifier's bounded lines could not carry must
// never come into being.
const (
	MaxHeader = 16 << 10
	MaxBody   = 256 << 10
)

// maxPlace is kept free in a drafted header for the node and the sequence.
const maxPlace = 256

// ParseHeader reads a header as strictly as it was written: a known version, no
// unknown, repeated or differently spelt member, one encoding only. What two
// readers could understand differently is not evidence.
func ParseHeader(b []byte) (Header, error) {
	if len(b) > MaxHeader {
		return Header{}, fmt.Errorf("audit: a header of %d bytes", len(b))
	}
	var h Header
	// However this reads, what was not written just so is found by writing it again.
	if err := fast.Unmarshal(b, &h); err != nil {
		return Header{}, fmt.Errorf("audit: read header: %w", err)
	}
	if h.V != FormatVersion {
		return Header{}, fmt.Errorf("audit: header has version %d, known is %d", h.V, FormatVersion)
	}
	again, err := json.Marshal(h)
	if err != nil {
		return Header{}, fmt.Errorf("audit: read header: %w", err)
	}
	if !bytes.Equal(again, b) {
		return Header{}, errors.New("audit: the header is not in the one form it is written in")
	}
	return h, h.check()
}

func (h Header) check() error {
	if _, offset := h.Time.Zone(); offset != 0 || !h.Time.Equal(h.Time.Truncate(time.Microsecond)) {
		return fmt.Errorf("audit: the header's time %s is not UTC in microseconds", h.Time)
	}
	sum, err := base64.StdEncoding.Strict().DecodeString(h.Body)
	if err != nil || len(sum) != sha256.Size {
		return errors.New("audit: the header's commitment is not a SHA-256")
	}
	return nil
}

// encode returns the header bytes that the leaf hash will cover, or an error for
// a header that ParseHeader would refuse: once written it would stop the log.
func (h Header) encode() ([]byte, error) {
	h.clean()
	b, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("audit: encode header: %w", err)
	}
	if h.V != FormatVersion || len(b) > MaxHeader {
		return nil, fmt.Errorf("audit: the header of %s has version %d and %d bytes", h.Event, h.V, len(b))
	}
	return b, h.check()
}

// clean replaces what is not UTF-8, which JSON cannot carry and would write in
// two forms. Some of these texts come from outside.
func (h *Header) clean() {
	for _, s := range []*string{
		&h.Node, &h.Event, &h.Outcome, &h.Reason, &h.Subject, &h.Credential, &h.Caller, &h.Request,
	} {
		*s = strings.ToValidUTF8(*s, "\uFFFD")
	}
}
