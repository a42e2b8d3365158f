package bolt

import (
	"encoding/base64"

	"mohur/store"
)

// cursor returns a position as text: the sort of record, so that one list's
// cursor is not taken for another's, and the order of the last record given.
func (l listing[T]) cursor(at string) string {
	return base64.RawURLEncoding.EncodeToString(append([]byte{byte(l.table.rows)}, at...))
}

// start returns the order to begin below.
func (l listing[T]) start(cursor string) (string, error) {
	if cursor == "" {
		return l.to, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) <= 1+momentSize || len(b) > maxKey || bucket(b[0]) != l.table.rows {
		return "", store.ErrCursor
	}
	if at := string(b[1:]); l.to == "" || at < l.to {
		return at, nil
	}
	return l.to, nil
}
