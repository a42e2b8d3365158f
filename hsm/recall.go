package hsm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
)

// Recall is a module that remembers the MACs of rows it has made. A MAC is a
// function of its input, so a row that this process wrote, or has verified
// before, is verified again by looking up what the module answered then; only a
// row not seen before costs a call. What is remembered lies under the SHA-256 of
// the whole input and helps nobody to make a MAC of another one. A row that was
// changed has another input: it is never found, and always goes to the module.
//
// Only RowMAC is remembered: inputs under the other keys may hold secrets.
type Recall struct {
	Module
	most int // MACs in each of the two generations

	mu          sync.Mutex
	young, aged map[[sha256.Size]byte][sha256.Size]byte
}

// NewRecall remembers up to 2 × most MACs, at about 150 bytes each; what was not
// asked for longest goes first.
func NewRecall(m Module, most int) *Recall {
	return &Recall{Module: m, most: most, young: map[[sha256.Size]byte][sha256.Size]byte{}}
}

// MAC implements Module.
func (r *Recall) MAC(ctx context.Context, key Key, label string, parts ...[]byte) ([]byte, error) {
	if key != RowMAC {
		return r.Module.MAC(ctx, key, label, parts...)
	}
	if err := ctx.Err(); err != nil {
		return nil, &Fault{Class: ClassBusy, Op: "MAC", Key: key, Err: err}
	}
	in := inputSum(label, parts)
	if sum, ok := r.recall(in); ok {
		return bytes.Clone(sum[:]), nil
	}
	made, err := r.Module.MAC(ctx, key, label, parts...)
	if err == nil && len(made) == sha256.Size {
		r.note(in, [sha256.Size]byte(made))
	}
	return made, err
}

// bulk is how many inputs at once are those of an import: nobody reads its rows soon,
// and they would push out the rows in use.
const bulk = 64

// MACs implements Module: it asks for those that are not remembered. Of bulk or more
// none is.
func (r *Recall) MACs(ctx context.Context, key Key, inputs ...Input) ([][]byte, error) {
	if key != RowMAC || len(inputs) >= bulk {
		return r.Module.MACs(ctx, key, inputs...)
	}
	if err := ctx.Err(); err != nil {
		return nil, &Fault{Class: ClassBusy, Op: "MACs", Key: key, Err: err}
	}
	macs := make([][]byte, len(inputs))
	var unknown []Input
	var sums [][sha256.Size]byte // of the unknown
	var places []int
	for i, in := range inputs {
		sum := inputSum(in.Label, in.Parts)
		if mac, ok := r.recall(sum); ok {
			macs[i] = mac[:]
			continue
		}
		unknown, sums, places = append(unknown, in), append(sums, sum), append(places, i)
	}
	if len(unknown) == 0 {
		return macs, nil
	}
	made, err := r.Module.MACs(ctx, key, unknown...)
	if err != nil {
		return nil, err
	}
	if len(made) != len(unknown) {
		return nil, &Fault{Class: ClassDevice, Op: "MACs", Key: key, Err: fmt.Errorf("%d MACs for %d inputs", len(made), len(unknown))}
	}
	for i, mac := range made {
		if len(mac) == sha256.Size {
			r.note(sums[i], [sha256.Size]byte(mac))
		}
		macs[places[i]] = mac
	}
	return macs, nil
}

func (r *Recall) recall(in [sha256.Size]byte) ([sha256.Size]byte, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum, ok := r.young[in]
	if ok {
		return sum, true
	}
	if sum, ok = r.aged[in]; ok {
		r.keep(in, sum)
	}
	return sum, ok
}

func (r *Recall) note(in, sum [sha256.Size]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keep(in, sum)
}

// keep puts a MAC among the young; when these are too many, they age, and those
// that have aged before are forgotten. The caller holds the lock.
func (r *Recall) keep(in, sum [sha256.Size]byte) {
	if len(r.young) >= r.most {
		r.aged, r.young = r.young, make(map[[sha256.Size]byte][sha256.Size]byte, r.most)
	}
	r.young[in] = sum
}

// inputSum is over label and parts, each after its length, so that no two inputs
// collide.
func inputSum(label string, parts [][]byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	var n [8]byte
	frame := func(b []byte) {
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	frame([]byte(label))
	for _, p := range parts {
		frame(p)
	}
	h.Sum(sum[:0])
	return sum
}
