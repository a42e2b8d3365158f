package pkcs11

import (
	"bytes"
	"crypto/ecdsa"
	"errors"

	p11 "github.com/miekg/pkcs11"

	"mohur/hsm"
)

const (
	witnessPlace   = "mohur/witness"
	witnessMessage = "mohur/witness"
)

// witness is what the keys gave at the start. It answers two questions later.
// After a reconnection: are these still the same keys? A failover to a device
// that was never synchronised would otherwise fail the MAC of every record and
// quarantine the bank's tokens one by one. And when a blob is refused with an
// error that says nothing: does the module still open a good one?
type witness struct {
	seed   hsm.WrappedSeed
	otp    []byte
	macs   map[hsm.Key][]byte
	boxes  map[hsm.Key][]byte
	public map[hsm.Key]*ecdsa.PublicKey
}

var errOtherKeys = errors.New("the token's keys are not those of the start: if that is intended, restart the server")

func newWitness(w *worker) (*witness, error) {
	wit := &witness{
		macs:   map[hsm.Key][]byte{},
		boxes:  map[hsm.Key][]byte{},
		public: map[hsm.Key]*ecdsa.PublicKey{},
	}
	value, err := w.g.drawn(w.session, hsm.MaxSeed)
	if err != nil {
		return nil, err
	}
	defer clear(value)
	if wit.seed, err = w.wrapSeed(value); err != nil {
		return nil, err
	}
	if wit.otp, err = wit.password(w); err != nil {
		return nil, err
	}
	for key := range w.g.macs {
		if wit.macs[key], err = w.mac(key, []byte(witnessMessage)); err != nil {
			return nil, err
		}
	}
	for key := range w.g.aeads {
		if wit.boxes[key], err = w.seal(key, witnessPlace, []byte(witnessMessage)); err != nil {
			return nil, err
		}
	}
	for key, s := range w.g.signers {
		wit.public[key] = s.public
	}
	return wit, nil
}

// verify says whether every key still gives what it gave.
func (wit *witness) verify(w *worker) error {
	for key, want := range wit.macs {
		got, err := w.mac(key, []byte(witnessMessage))
		if err != nil {
			return err
		}
		if !bytes.Equal(got, want) {
			return otherKeys(key)
		}
	}
	for key := range wit.boxes {
		if err := wit.opens(w, key); err != nil {
			return err
		}
	}
	for key, want := range wit.public {
		if s := w.g.signers[key]; !want.Equal(s.public) {
			return otherKeys(key)
		}
	}
	return wit.unwraps(w)
}

// unwraps says whether the module still unwraps a good blob.
func (wit *witness) unwraps(w *worker) error {
	if wit == nil {
		return nil // during the probe, which draws its own conclusions
	}
	w.drop() // the failure before may have left its traces
	if err := w.ready(); err != nil {
		return err
	}
	got, err := wit.password(w)
	if err != nil {
		return sick(hsm.SeedKEK, err)
	}
	if !bytes.Equal(got, wit.otp) {
		return otherKeys(hsm.SeedKEK)
	}
	return nil
}

func (wit *witness) password(w *worker) ([]byte, error) {
	kek, known := w.g.keks[wit.seed.KEK]
	if !known {
		return nil, otherKeys(hsm.SeedKEK)
	}
	key, err := w.ctx.UnwrapKey(w.handle, w.wrapping(), kek, wit.seed.Blob, w.seedTemplate(false))
	if err != nil {
		return nil, err
	}
	got, err := w.hmac(p11.CKM_SHA256_HMAC, key, []byte(witnessMessage))
	if err != nil {
		return nil, err
	}
	return got, w.ctx.DestroyObject(w.handle, key)
}

// opens says whether the module still opens a good box.
func (wit *witness) opens(w *worker, key hsm.Key) error {
	if wit == nil {
		return nil
	}
	box := wit.boxes[key]
	kek, known := w.g.aeads[key][box[0]]
	if !known {
		return otherKeys(key)
	}
	w.drop() // the failure before may have left its traces
	if err := w.ready(); err != nil {
		return err
	}
	got, err := w.opened(kek, witnessPlace, box[1:])
	if err != nil {
		return sick(key, err)
	}
	if string(got) != witnessMessage {
		return otherKeys(key)
	}
	return nil
}

// sick is the fault of a module that refuses what it made itself. Where the
// refusal is one of a blob, the key behind it must have changed.
func sick(key hsm.Key, err error) error {
	f := faultOf("", key, err)
	if code := codeOf(err); code != p11.CKR_GENERAL_ERROR && blobCodes[code] {
		return otherKeys(key)
	}
	return f
}

func otherKeys(key hsm.Key) error {
	return &hsm.Fault{Class: hsm.ClassConfig, Op: opStart, Key: key, Err: errOtherKeys}
}
