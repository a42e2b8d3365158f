package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// frame is a record as stored: its version and its index rows in the clear,
// then JSON. With the version outside, the committer compares it without
// reading the JSON; with the index rows listed, they are replaced and removed
// without knowing what the record looked like when they were written.
type frame struct {
	version uint64
	indexes []indexKey
	body    []byte
}

// frameFormat begins every frame.
const frameFormat = 1

// encode returns format ‖ version ‖ number of index rows ‖ rows ‖ body, a row
// being bucket ‖ length ‖ key.
func (f frame) encode() []byte {
	n := 16 + len(f.body)
	for _, x := range f.indexes {
		n += len(x.key) + 4
	}
	b := append(make([]byte, 0, n), frameFormat)
	b = binary.BigEndian.AppendUint64(b, f.version)
	b = binary.AppendUvarint(b, uint64(len(f.indexes)))
	for _, x := range f.indexes {
		b = append(b, byte(x.bucket))
		b = binary.AppendUvarint(b, uint64(len(x.key)))
		b = append(b, x.key...)
	}
	return append(b, f.body...)
}

// decodeFrame reads a frame. The body stays part of b.
func decodeFrame(b []byte) (frame, error) {
	r := cutter{rest: b}
	format := r.byte()
	f := frame{version: r.uint64()}
	n := r.uvarint()
	for ; n > 0 && !r.short; n-- {
		x := indexKey{bucket: bucket(r.byte())}
		x.key = string(r.bytes(r.uvarint()))
		if !x.bucket.known() {
			return frame{}, fmt.Errorf("it names index %d", x.bucket)
		}
		f.indexes = append(f.indexes, x)
	}
	f.body = r.rest
	if r.short || format != frameFormat || f.version == 0 {
		return frame{}, errors.New("it is not the frame of a record")
	}
	return f, nil
}

// cutter takes fields off the front of stored bytes; short says that there were
// too few, after which every field is zero.
type cutter struct {
	rest  []byte
	short bool
}

func (c *cutter) bytes(n uint64) []byte {
	if n > uint64(len(c.rest)) {
		c.short, c.rest = true, nil
		return nil
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cutter) byte() byte {
	if b := c.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cutter) uint64() uint64 {
	if b := c.bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (c *cutter) uvarint() uint64 {
	v, n := binary.Uvarint(c.rest)
	if n <= 0 {
		c.short, c.rest = true, nil
		return 0
	}
	c.rest = c.rest[n:]
	return v
}
