package bolt

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"slices"

	"mohur/store"
)

// bbolt trusts the pages of its file: one that is cut off or overwritten ends
// the process with a memory fault or a panic in a goroutine of bbolt's own. So
// the file is walked once, page by page, before it is handed over, and what is
// wrong with it is said in words. What the pages hold is not looked at here.
//
// The layout is that of bbolt's file version 2, in the machine's byte order:
// every page begins with id 8, flags 2, count 2, overflow 4.
const (
	pageHeader  = 16
	pageBranch  = 0x01 // the flags: one of these
	pageLeaf    = 0x02
	pageList    = 0x10 // free pages
	headSize    = 64
	headMagic   = 0xED0CDAED
	headVersion = 2
	noList      = ^uint64(0)
)

var native = binary.NativeEndian

// head is what one of the two first pages says.
type head struct {
	pageSize int64
	root     uint64
	list     uint64 // page of the free list, noList if it is not stored
	end      uint64 // the first page that is not used
	tx       uint64
}

// pageWalk checks one file.
type pageWalk struct {
	r    io.ReaderAt
	head head
	seen []uint64 // a bit for every page met: each is reached once
	todo []subtree
	buf  []byte // of the page being checked
}

// subtree is a page yet to be checked and the keys it may have: from min on,
// below max; "" is unbounded.
type subtree struct {
	page     uint64
	min, max string
}

// checkPages returns an error wrapping store.ErrDamaged for a file whose pages
// bbolt must not be given.
func checkPages(r io.ReaderAt, size int64) error {
	h, ok := readHeads(r, size)
	if !ok {
		return fmt.Errorf("%w: neither of the two heads of the file is whole", store.ErrDamaged)
	}
	if pages := uint64(size / h.pageSize); h.end > pages {
		return fmt.Errorf("%w: the file has been cut off: it has %d of its %d pages", store.ErrDamaged, pages, h.end)
	}
	w := pageWalk{r: r, head: h, seen: make([]uint64, h.end/64+1), todo: []subtree{{page: h.root}}}
	if err := w.walk(); err != nil {
		return fmt.Errorf("%w: %w", store.ErrDamaged, err)
	}
	return nil
}

// readHeads returns the head of the last transaction that is whole, as bbolt
// will choose it.
func readHeads(r io.ReaderAt, size int64) (last head, ok bool) {
	sizes := []int64{0}
	for s := int64(1 << 10); s <= 16<<20; s *= 2 {
		sizes = append(sizes, s)
	}
	for _, at := range sizes {
		h, whole := readHead(r, at)
		if !whole || at != 0 && at != h.pageSize || h.pageSize*2 > size {
			continue
		}
		if !ok || h.tx > last.tx {
			last, ok = h, true
		}
	}
	return last, ok
}

func readHead(r io.ReaderAt, at int64) (head, bool) {
	var page [pageHeader + headSize]byte
	if _, err := r.ReadAt(page[:], at); err != nil {
		return head{}, false
	}
	b := page[pageHeader:]
	sum := fnv.New64a()
	sum.Write(b[:headSize-8])
	if native.Uint32(b) != headMagic || native.Uint32(b[4:]) != headVersion || native.Uint64(b[headSize-8:]) != sum.Sum64() {
		return head{}, false
	}
	h := head{
		pageSize: int64(native.Uint32(b[8:])), root: native.Uint64(b[16:]),
		list: native.Uint64(b[32:]), end: native.Uint64(b[40:]), tx: native.Uint64(b[48:]),
	}
	return h, h.pageSize >= 1<<10 && h.pageSize <= 16<<20
}

func (w *pageWalk) walk() error {
	if w.head.list != noList {
		if err := w.freeList(); err != nil {
			return err
		}
	}
	for len(w.todo) > 0 {
		next := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		b, err := w.page(next.page)
		if err != nil {
			return err
		}
		if err := w.elements(b, next); err != nil {
			return fmt.Errorf("page %d: %w", next.page, err)
		}
	}
	return nil
}

// page reads a page with its overflow and marks it as met.
func (w *pageWalk) page(id uint64) ([]byte, error) {
	size := uint64(w.head.pageSize)
	if id < 2 || id >= w.head.end {
		return nil, fmt.Errorf("page %d lies outside of the file", id)
	}
	b, err := w.read(int64(id*size), size)
	if err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	more := uint64(native.Uint32(b[12:]))
	if native.Uint64(b) != id || id+more >= w.head.end {
		return nil, fmt.Errorf("page %d is not itself", id)
	}
	for p := id; p <= id+more; p++ {
		if w.seen[p/64]&(1<<(p%64)) != 0 {
			return nil, fmt.Errorf("page %d is used twice", p)
		}
		w.seen[p/64] |= 1 << (p % 64)
	}
	if more > 0 {
		b, err = w.read(int64(id*size), (more+1)*size)
	}
	return b, err
}

func (w *pageWalk) read(at int64, n uint64) ([]byte, error) {
	w.buf = slices.Grow(w.buf[:0], int(n))[:n]
	_, err := w.r.ReadAt(w.buf, at)
	return w.buf, err
}

// freeList checks a stored list of free pages. The store keeps none; one is
// there in a new file and in one that another tool has compacted.
func (w *pageWalk) freeList() error {
	b, err := w.page(w.head.list)
	if err != nil {
		return err
	}
	n, ids := uint64(native.Uint16(b[10:])), b[pageHeader:]
	if n == 0xFFFF {
		n, ids = native.Uint64(ids), ids[8:]
	}
	if native.Uint16(b[8:]) != pageList || n > uint64(len(ids))/8 {
		return fmt.Errorf("page %d is not the list of free pages", w.head.list)
	}
	for last := uint64(1); n > 0; n, ids = n-1, ids[8:] {
		id := native.Uint64(ids)
		if id <= last || id >= w.head.end {
			return fmt.Errorf("the list of free pages names page %d", id)
		}
		last = id
	}
	return nil
}
