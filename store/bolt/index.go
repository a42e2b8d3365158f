package bolt

import (
	"encoding/binary"
	"time"
)

// indexKey is one row of an index; its value is the id it leads to. An index
// only proposes: what is returned is decided by the record itself.
type indexKey struct {
	bucket bucket
	key    string
}

// joined frames each part by its length, so that no two lists of parts give the
// same key and none is the beginning of another.
func joined(parts ...string) string {
	n := 0
	for _, p := range parts {
		n += len(p) + 2
	}
	b := make([]byte, 0, n)
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	return string(b)
}

// momentSize is the length of a moment in a key.
const momentSize = 8

// moment is a time in a key: microseconds, rising in byte order from the year
// 1 on. Keys that begin with the same parts thus lie in order of time.
func moment(t time.Time) string {
	var b [momentSize]byte
	binary.BigEndian.PutUint64(b[:], uint64(t.UnixMicro())^1<<63)
	return string(b[:])
}

// order is the part of a key that a list is sorted by: time, and the id where
// times are the same. A cursor is a position in it.
func order(t time.Time, id string) string { return moment(t) + id }

// removal is the row that has Sweep remove a record.
func removal(at time.Time, from bucket, id string) indexKey {
	return indexKey{expiry, moment(at) + string([]byte{byte(from)}) + id}
}
