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
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) <= 1+momentSize || len(b) > maxKey {
		return "", store.ErrCursor
	}
	at := string(b[1:])
	if l.cursor(at) != cursor { // another list's, or not in the one form it is given in
		return "", store.ErrCursor
	}
	if l.to == "" || at < l.to {
		return at, nil
	}
	return l.to, nil
}
