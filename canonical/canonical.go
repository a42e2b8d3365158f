// Package canonical writes JSON in the one form of RFC 8785, so that the same
// facts always have the same bytes, and so the same hash, whoever wrote them.
package canonical

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// JSON returns v in canonical form. Numbers beyond 2^53 lose precision there
// (RFC 8785 section 3.2.2.3); the house writes money and identifiers as text. It
// is for facts of our own that are no secret.
func JSON(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("canonical: %w", err)
	}
	text := jsontext.Value(b)
	if err := text.Canonicalize(); err != nil {
		return nil, fmt.Errorf("canonical: %w", err)
	}
	return text, nil
}

// Bytes returns the canonical form of a JSON text. Duplicate names and invalid
// UTF-8 are errors: such a text has no one meaning to hash. The text comes from
// outside and may hold a PIN: it goes through no buffer that is kept for the next
// caller, as those of JSON are.
func Bytes(text []byte) ([]byte, error) {
	var out bytes.Buffer
	e := jsontext.NewEncoder(&out, jsontext.CanonicalizeRawInts(true), jsontext.CanonicalizeRawFloats(true), jsontext.ReorderRawObjects(true))
	if err := e.WriteValue(text); err != nil {
		return nil, fmt.Errorf("canonical: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
