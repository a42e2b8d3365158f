package bolt

import (
	"bytes"
	"errors"
	"fmt"
)

// An element is one key of a page: on a branch pos 4, length of the key 4, page
// 8; on a leaf flags 4, pos 4, length of the key 4, of the value 4. The key lies
// pos bytes after the element's own beginning, the value behind the key.
const (
	elementSize = 16
	bucketFlag  = 0x01
	bucketHead  = 16 // root page 8, sequence 8; with root 0 the page follows inline
)

// elements checks what a page of keys holds; an inline one lies in a value.
func (w *pageWalk) elements(b []byte, inline bool) error {
	if len(b) < pageHeader {
		return fmt.Errorf("has only %d bytes", len(b))
	}
	flags, n := native.Uint16(b[8:]), int(native.Uint16(b[10:]))
	if flags != pageLeaf && (flags != pageBranch || inline || n == 0) {
		return fmt.Errorf("has the flags %#x", flags)
	}
	if pageHeader+n*elementSize > len(b) {
		return fmt.Errorf("has no room for %d keys", n)
	}
	var last []byte
	for i := range n {
		key, err := w.element(b, pageHeader+i*elementSize, flags == pageBranch, inline)
		if err != nil {
			return fmt.Errorf("key %d: %w", i, err)
		}
		if i > 0 && bytes.Compare(last, key) >= 0 {
			return fmt.Errorf("key %d is out of order", i)
		}
		last = key
	}
	return nil
}

// element checks the element at a place of a page and returns its key.
func (w *pageWalk) element(b []byte, at int, branch, inline bool) ([]byte, error) {
	var flags uint32
	var pos, ksize, vsize uint64
	e := b[at:]
	if branch {
		pos, ksize = uint64(native.Uint32(e)), uint64(native.Uint32(e[4:]))
		w.todo = append(w.todo, native.Uint64(e[8:]))
	} else {
		flags, pos = native.Uint32(e), uint64(native.Uint32(e[4:]))
		ksize, vsize = uint64(native.Uint32(e[8:])), uint64(native.Uint32(e[12:]))
	}
	if pos+ksize+vsize > uint64(len(e)) {
		return nil, errors.New("reaches beyond the page")
	}
	key, value := e[pos:pos+ksize], e[pos+ksize:pos+ksize+vsize]
	if flags&bucketFlag == 0 {
		return key, nil
	}
	if inline || len(value) < bucketHead {
		return nil, errors.New("is not a bucket")
	}
	if root := native.Uint64(value); root != 0 {
		w.todo = append(w.todo, root)
		return key, nil
	}
	return key, w.elements(value[bucketHead:], true)
}
