package seedfile

import (
	"errors"
	"fmt"
	"hash/maphash"
)

// Delivery gives the keys of one file out, one by one.
type Delivery struct {
	each   func(Key) error
	reject func(Rejection)
	sum    *Summary
	seen   identities
}

// NewDelivery hands good keys to each and the others to reject (may be nil), and
// counts them in sum.
func NewDelivery(each func(Key) error, reject func(Rejection), sum *Summary) *Delivery {
	if reject == nil {
		reject = func(Rejection) {}
	}
	return &Delivery{each: each, reject: reject, sum: sum, seen: newIdentities()}
}

// Twice reports whether the file has given out this manufacturer, serial and key
// id already, in words for the rejection.
func (d *Delivery) Twice(k Key) error {
	if d.seen.has(d.seen.of(k)) {
		return errors.New("the file holds this manufacturer, serial and key id twice")
	}
	return nil
}

// Give hands out a key that Twice has passed, with its seed, and clears the seed.
// The error is that of each.
func (d *Delivery) Give(k Key, line int, seed []byte) error {
	defer clear(seed)
	if len(seed) < MinSecret || len(seed) > MaxSecret {
		d.Refuse(Rejection{Index: k.Index, Line: line, Serial: k.Serial, KeyID: k.KeyID},
			fmt.Errorf("the seed has %d bytes; %d to %d are taken", len(seed), MinSecret, MaxSecret))
		return nil
	}
	k.Secret = seed[:len(seed):len(seed)]
	return d.hand(k)
}

func (d *Delivery) hand(k Key) error {
	if err := d.each(k); err != nil {
		return err
	}
	d.seen.add(d.seen.of(k))
	d.sum.Delivered++
	return nil
}

// Refuse rejects a record; its names are made fit to be shown.
func (d *Delivery) Refuse(r Rejection, why error) {
	d.sum.Rejected++
	r.Serial, r.KeyID, r.Reason = shown(r.Serial), shown(r.KeyID), why.Error()
	d.reject(r)
}

// identities remembers the keys given out in 16 bytes each, so that a million
// of them need little memory. The hash is keyed by chance and cannot be aimed at.
type identities struct {
	a, b maphash.Seed
	set  map[[2]uint64]struct{}
}

func newIdentities() identities {
	return identities{maphash.MakeSeed(), maphash.MakeSeed(), map[[2]uint64]struct{}{}}
}

func (s *identities) of(k Key) [2]uint64 {
	name := k.Manufacturer + "\x00" + k.Serial + "\x00" + k.KeyID // none of them can hold NUL
	return [2]uint64{maphash.String(s.a, name), maphash.String(s.b, name)}
}

func (s *identities) has(id [2]uint64) bool { _, ok := s.set[id]; return ok }

func (s *identities) add(id [2]uint64) { s.set[id] = struct{}{} }
