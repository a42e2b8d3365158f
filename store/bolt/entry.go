package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"mohur/audit"
)

// sequence is the key of an entry.
func sequence(n uint64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	return string(b[:])
}

// entryFormat begins every stored entry.
const entryFormat = 1

// encodeEntry returns format ‖ header ‖ salt ‖ sealed body ‖ tag, each of the four
// after its length. JSON would make every entry a third larger.
func encodeEntry(e audit.Entry) []byte {
	b := append(make([]byte, 0, 16+len(e.Header)+len(e.Salt)+len(e.Sealed)), entryFormat)
	for _, part := range [][]byte{e.Header, e.Salt, e.Sealed, e.Tag} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return b
}

// decodeEntry reads an entry. It copies: the entry outlives its transaction.
func decodeEntry(seq uint64, stored []byte) (audit.Entry, error) {
	c := cutter{rest: append([]byte(nil), stored...)}
	format := c.byte()
	e := audit.Entry{Seq: seq}
	for _, part := range []*[]byte{&e.Header, &e.Salt, &e.Sealed, &e.Tag} {
		*part = c.bytes(c.uvarint())
	}
	if c.short || format != entryFormat || len(c.rest) > 0 || len(e.Header) == 0 {
		return audit.Entry{}, damaged(inEntries, fmt.Sprint(seq), errors.New("it is not an entry"))
	}
	return e, nil
}

// append stages entries, each with the sequence after the last one's. What is
// discarded later gives its numbers back, so that the log has no gap.
func (w *writing) append(node string, drafts []audit.Draft) (first uint64, err error) {
	first = w.next + w.entries
	for _, d := range drafts {
		e, err := d.Stamp(node, w.next+w.entries)
		if err != nil {
			return 0, err
		}
		if err := w.put(inEntries, sequence(e.Seq), encodeEntry(e)); err != nil {
			return 0, err
		}
		w.entries++
	}
	return first, nil
}

// tail returns the sequence the next entry will get.
func tail(entries *bbolt.Bucket) (uint64, error) {
	last, _ := entries.Cursor().Last()
	switch len(last) {
	case 0:
		return 0, nil
	case 8:
		return binary.BigEndian.Uint64(last) + 1, nil
	}
	return 0, damaged(inEntries, fmt.Sprintf("%x", last), errors.New("it is not a sequence"))
}

// Tail implements audit.Store.
func (s *Store) Tail(ctx context.Context) (next uint64, err error) {
	err = s.view(ctx, func(r reading) (err error) {
		next, err = tail(r.in(inEntries))
		return err
	})
	return next, err
}

// readEntries bounds one snapshot of the log; who wants more asks again.
const readEntries = 1024

// Entries implements audit.Store. It never returns more than 1024 at once.
func (s *Store) Entries(ctx context.Context, from uint64, limit int) (entries []audit.Entry, err error) {
	limit = min(limit, readEntries)
	err = s.view(ctx, func(r reading) error {
		c := r.in(inEntries).Cursor()
		for k, v := c.Seek([]byte(sequence(from))); k != nil && len(entries) < limit; k, v = c.Next() {
			if len(k) != 8 {
				return damaged(inEntries, fmt.Sprintf("%x", k), errors.New("it is not a sequence"))
			}
			e, err := decodeEntry(binary.BigEndian.Uint64(k), v)
			if err != nil {
				return err
			}
			entries = append(entries, e)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}
