package bolt

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"mohur/ident"
	"mohur/store"
)

// getter reads one value, nil if there is none. The value is the engine's: it
// is not changed, and not kept beyond the transaction.
type getter interface {
	get(b bucket, key string) []byte
}

// reading is a snapshot.
type reading struct{ tx *bbolt.Tx }

func (r reading) in(b bucket) *bbolt.Bucket { return r.tx.Bucket([]byte(names[b])) }

func (r reading) get(b bucket, key string) []byte {
	if key == "" {
		return nil
	}
	return r.in(b).Get([]byte(key))
}

// writing is the write transaction of a batch, as one request sees it: what
// requests before it in the batch have written, and what it has staged itself.
// Nothing staged reaches the transaction before the whole request has been
// found possible; so a request that fails leaves no trace, and disturbs nobody.
type writing struct {
	reading
	buckets [lastBucket + 1]*bbolt.Bucket

	staged []stagedRow
	index  map[indexKey]int // where in staged a key lies

	next    uint64 // sequence of the next audit entry, as of the last request
	entries uint64 // staged by this request
	written bool   // something has reached the transaction
}

type stagedRow struct {
	indexKey
	value []byte // nil removes the row
}

func newWriting(tx *bbolt.Tx) (*writing, error) {
	w := &writing{reading: reading{tx}, index: make(map[indexKey]int)}
	var err error
	w.next, err = tail(w.in(inEntries))
	return w, err
}

func (w *writing) in(b bucket) *bbolt.Bucket {
	if w.buckets[b] == nil {
		w.buckets[b] = w.reading.in(b)
		if b.grows() {
			w.buckets[b].FillPercent = appendFill
		}
	}
	return w.buckets[b]
}

func (w *writing) get(b bucket, key string) []byte {
	if i, ok := w.index[indexKey{b, key}]; ok {
		return w.staged[i].value
	}
	if key == "" {
		return nil
	}
	return w.in(b).Get([]byte(key))
}

// put stages a row. It refuses what the engine would refuse, so that applying
// what was staged cannot fail for a reason that lies in the request.
func (w *writing) put(b bucket, key string, value []byte) error {
	if key == "" || len(key) > maxKey {
		return fmt.Errorf("store: a key of %d bytes in %q", len(key), names[b])
	}
	if len(value) == 0 || len(value) > maxValue {
		return fmt.Errorf("store: a value of %d bytes in %q", len(value), names[b])
	}
	w.stage(stagedRow{indexKey{b, key}, value})
	return nil
}

// remove stages the removal of a row, which need not be there.
func (w *writing) remove(b bucket, key string) {
	w.stage(stagedRow{indexKey{b, key}, nil})
}

func (w *writing) stage(r stagedRow) {
	if i, ok := w.index[r.indexKey]; ok {
		w.staged[i] = r
		return
	}
	w.index[r.indexKey] = len(w.staged)
	w.staged = append(w.staged, r)
}

// discard forgets what the request has staged.
func (w *writing) discard() {
	clear(w.staged)
	clear(w.index)
	w.staged, w.entries = w.staged[:0], 0
}

// apply hands what was staged to the transaction, in key order, which spares
// the tree jumping to and fro in a large import. An error is a fault of the
// disk or of this program: the transaction must not be committed.
func (w *writing) apply() error {
	slices.SortFunc(w.staged, func(a, b stagedRow) int {
		return cmp.Or(cmp.Compare(a.bucket, b.bucket), cmp.Compare(a.key, b.key))
	})
	for _, r := range w.staged {
		if err := w.applyRow(r); err != nil {
			return fmt.Errorf("store: write %q: %w", names[r.bucket], err)
		}
	}
	w.next += w.entries
	w.written = w.written || len(w.staged) > 0
	w.discard()
	return nil
}

func (w *writing) applyRow(r stagedRow) error {
	if r.value == nil {
		return w.in(r.bucket).Delete([]byte(r.key))
	}
	return w.in(r.bucket).Put([]byte(r.key), r.value)
}

// putOnce claims a name that is unique for ever and reports whether it is id's,
// now or from before.
func (w *writing) putOnce(b bucket, name, id string) (bool, error) {
	if owner := w.get(b, name); owner != nil {
		return bytes.Equal(owner, []byte(id)), nil
	}
	return true, w.put(b, name, []byte(id))
}

// damaged says where the bytes are that nobody wrote. The cause is for people and
// not wrapped: what is missing from a damaged record is not "not found". It ends in
// the server's log, where no customer is named: only what is a place in the log
// keeps its name.
func damaged(b bucket, id string, err error) error {
	switch b {
	case inMeta, inEntries, inHashes, inCheckpoints:
	default:
		id = ident.Digest(id)
	}
	return fmt.Errorf("%w: %s %s: %v", store.ErrDamaged, names[b], id, err)
}
