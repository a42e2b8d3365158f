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

// inline is the page number of a bucket that lies in a value.
const inline = 0

// elements checks what a page of keys holds, and has the pages below it checked.
// Keys out of their parent's bounds matter as much as bad lengths: bbolt answers
// them with a panic while a goroutine of its own goes on reading.
func (w *pageWalk) elements(b []byte, in subtree) error {
	if len(b) < pageHeader {
		return fmt.Errorf("has only %d bytes", len(b))
	}
	flags, n := native.Uint16(b[8:]), int(native.Uint16(b[10:]))
	branch := flags == pageBranch
	if flags != pageLeaf && (!branch || in.page == inline || n == 0) {
		return fmt.Errorf("has the flags %#x", flags)
	}
	if pageHeader+n*elementSize > len(b) {
		return fmt.Errorf("has no room for %d keys", n)
	}
	var last []byte
	for i := range n {
		e, err := readElement(b[pageHeader+i*elementSize:], branch)
		if err != nil {
			return fmt.Errorf("key %d: %w", i, err)
		}
		if i == 0 && string(e.key) < in.min || i > 0 && bytes.Compare(last, e.key) >= 0 || in.max != "" && string(e.key) >= in.max {
			return fmt.Errorf("key %d is out of order", i)
		}
		last = e.key
		if branch {
			w.below(e, i == 0, in.max)
		} else if err := w.bucket(e, in); err != nil {
			return fmt.Errorf("key %d: %w", i, err)
		}
	}
	return nil
}

// below notes the page under a key of a branch, and the key as the bound of the
// one before it.
func (w *pageWalk) below(e element, first bool, max string) {
	if !first {
		w.todo[len(w.todo)-1].max = string(e.key)
	}
	w.todo = append(w.todo, subtree{page: e.page, min: string(e.key), max: max})
}

// bucket checks a value that is a bucket, whose keys are bounded by nothing.
func (w *pageWalk) bucket(e element, in subtree) error {
	if !e.isBucket {
		return nil
	}
	if in.page == inline || len(e.value) < bucketHead {
		return errors.New("is not a bucket")
	}
	if root := native.Uint64(e.value); root != inline {
		w.todo = append(w.todo, subtree{page: root})
		return nil
	}
	return w.elements(e.value[bucketHead:], subtree{page: inline})
}

type element struct {
	key, value []byte
	page       uint64
	isBucket   bool
}

// readElement reads the element at the beginning of b, which goes on to the end
// of its page.
func readElement(b []byte, branch bool) (e element, err error) {
	var pos, ksize, vsize uint64
	if branch {
		pos, ksize = uint64(native.Uint32(b)), uint64(native.Uint32(b[4:]))
		e.page = native.Uint64(b[8:])
	} else {
		e.isBucket = native.Uint32(b)&bucketFlag != 0
		pos, ksize, vsize = uint64(native.Uint32(b[4:])), uint64(native.Uint32(b[8:])), uint64(native.Uint32(b[12:]))
	}
	if pos+ksize+vsize > uint64(len(b)) {
		return element{}, errors.New("reaches beyond the page")
	}
	e.key, e.value = b[pos:pos+ksize], b[pos+ksize:pos+ksize+vsize]
	return e, nil
}
