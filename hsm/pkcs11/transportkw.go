package pkcs11

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/subtle"
	"encoding/binary"
	"errors"

	p11 "github.com/miekg/pkcs11"

	"mohur/hsm"
)

// kwBlock is the half of an AES block in which RFC 3394 counts.
const kwBlock = 8

// The initial values by which a value is known to be whole: that of RFC 3394 section
// 2.2.3.1, and the upper half of that of RFC 5649 section 3.
var (
	kwIV       = bytes.Repeat([]byte{0xA6}, kwBlock)
	kwIVPadded = []byte{0xA6, 0x59, 0x59, 0xA6}
)

// DecryptKW undoes RFC 3394 and RFC 5649 under an AES transport key. A module that
// has them (CKM_AES_KEY_WRAP, CKM_AES_KEY_WRAP_KWP) does not decrypt by them but
// unwraps, and only into a key: to read that, it would have to be made without
// protection, by a transport key that may make such keys of anything. SoftHSM 2.6
// has no CKM_AES_KEY_WRAP_KWP at all. Here the transport key decrypts single blocks
// and has no further right, whatever the module knows, and what comes out lies in
// buffers of ours that are cleared, but for the result.
func (m *Module) DecryptKW(ctx context.Context, key hsm.Key, wrapped []byte) ([]byte, error) {
	switch {
	case !isTransport(key):
		return nil, m.refuse("DecryptKW", key, "not a transport key")
	case len(wrapped) < 3*kwBlock || len(wrapped)%kwBlock != 0 || len(wrapped) > hsm.MaxWrapped:
		return nil, m.refuse("DecryptKW", key, "%d bytes are not whole blocks of %d, from %d to %d", len(wrapped), kwBlock, 3*kwBlock, hsm.MaxWrapped)
	}
	own := bytes.Clone(wrapped)
	return call(ctx, m, "DecryptKW", key, func(w *worker) ([]byte, error) { return w.decryptKW(key, own) })
}

// decryptKW is the second form of RFC 3394 section 2.2.2, with its names.
func (w *worker) decryptKW(key hsm.Key, wrapped []byte) (out []byte, err error) {
	k, err := w.transport(key, p11.CKO_SECRET_KEY)
	if err != nil {
		return nil, err
	}
	if err := w.ctx.DecryptInit(w.handle, []*p11.Mechanism{p11.NewMechanism(p11.CKM_AES_ECB, nil)}, k.handle); err != nil {
		return nil, err
	}
	b := make([]byte, 2*aes.BlockSize) // A ‖ R[i] and what becomes of it
	defer clear(b)
	in, opened := b[:aes.BlockSize], b[aes.BlockSize:]
	r := bytes.Clone(wrapped[kwBlock:])
	defer func() {
		if err != nil {
			clear(r)
		}
	}()
	copy(opened, wrapped[:kwBlock]) // A is the head of what was decrypted last
	n := len(r) / kwBlock
	for t := 6 * n; t > 0; t-- {
		ri := r[(t-1)%n*kwBlock:][:kwBlock]
		a := binary.BigEndian.Uint64(opened) ^ uint64(t)
		binary.BigEndian.PutUint64(in, a)
		copy(in[kwBlock:], ri)
		if err := w.plain.decryptBlock(w.handle, in, opened); err != nil {
			return nil, err
		}
		copy(ri, opened[kwBlock:])
	}
	length, whole := kwLength(opened[:kwBlock], r)
	if err := w.plain.decryptFinal(w.handle, in); err != nil {
		return nil, err
	}
	if !whole {
		return nil, blobFault(errors.New("the value is not one that was wrapped under this key"))
	}
	return r[:length], nil
}

// kwLength says by the initial value a that has come out whether r is whole, and how
// much of it is not padding.
func kwLength(a, r []byte) (length int, whole bool) {
	if subtle.ConstantTimeCompare(a, kwIV) == 1 {
		return len(r), true
	}
	n := binary.BigEndian.Uint32(a[len(kwIVPadded):])
	if subtle.ConstantTimeCompare(a[:len(kwIVPadded)], kwIVPadded) != 1 || int64(n) > int64(len(r)) || int64(n) <= int64(len(r)-kwBlock) {
		return 0, false
	}
	return int(n), zero(r[n:])
}
