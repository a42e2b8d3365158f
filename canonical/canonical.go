// Package canonical writes JSON in the one form of RFC 8785, so that the same
// facts always have the same bytes, and so the same hash, whoever wrote them.
package canonical

import (
	"encoding/json"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// JSON returns v in canonical form. Numbers beyond 2^53 lose precision there
// (RFC 8785 section 3.2.2.3); the house writes money and identifiers as text.
func JSON(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("canonical: %w", err)
	}
	return Bytes(b)
}

// Bytes returns the canonical form of a JSON text. Duplicate names and invalid
// UTF-8 are errors: such a text has no one meaning to hash.
func Bytes(text []byte) ([]byte, error) {
	v := jsontext.Value(append([]byte(nil), text...))
	if err := v.Canonicalize(); err != nil {
		return nil, fmt.Errorf("canonical: %w", err)
	}
	return v, nil
}
