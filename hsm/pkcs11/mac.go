package pkcs11

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"time"

	p11 "github.com/miekg/pkcs11"

	"mohur/hsm"
)

// A visit of MACs keeps its slot from the others. So it ends after maxInputs of them,
// which SoftHSM makes in under a millisecond, and with a slower module after maxVisit,
// far below the time after which the module counts as hung.
const (
	maxInputs = 64
	maxVisit  = 20 * time.Millisecond
)

// MAC returns HMAC-SHA256 over label and parts. Each is preceded by its length
// in four bytes, so no two lists of parts give the same input.
func (m *Module) MAC(ctx context.Context, key hsm.Key, label string, parts ...[]byte) ([]byte, error) {
	if k, _ := kindOf(key); k != kindMAC {
		return nil, m.refuse("MAC", key, "not a MAC key")
	}
	if label == "" {
		return nil, m.refuse("MAC", key, "the label is empty: it is what keeps the uses of a key apart")
	}
	message := frame(label, parts)
	return call(ctx, m, "MAC", key, func(w *worker) ([]byte, error) { return w.mac(key, message) })
}

// MACs is MAC for each of many inputs, in as few visits as maxInputs and maxVisit allow.
func (m *Module) MACs(ctx context.Context, key hsm.Key, inputs ...hsm.Input) ([][]byte, error) {
	if k, _ := kindOf(key); k != kindMAC {
		return nil, m.refuse("MACs", key, "not a MAC key")
	}
	messages := make([][]byte, len(inputs))
	for i, in := range inputs {
		if in.Label == "" {
			return nil, m.refuse("MACs", key, "the label is empty: it is what keeps the uses of a key apart")
		}
		messages[i] = frame(in.Label, in.Parts)
	}
	all := make([][]byte, 0, len(inputs))
	for len(all) < len(messages) {
		some := messages[len(all):min(len(all)+maxInputs, len(messages))]
		macs, err := call(ctx, m, "MACs", key, func(w *worker) ([][]byte, error) { return w.macs(key, some) })
		if err != nil {
			return nil, err
		}
		all = append(all, macs...)
	}
	return all, nil
}

// macs makes the MACs of the first messages: one at least, and no further one once
// the visit has lasted long enough.
func (w *worker) macs(key hsm.Key, messages [][]byte) ([][]byte, error) {
	var macs [][]byte
	for begun := time.Now(); len(macs) < len(messages) && (len(macs) == 0 || time.Since(begun) < maxVisit); {
		mac, err := w.mac(key, messages[len(macs)])
		if err != nil {
			return nil, err
		}
		macs = append(macs, mac)
	}
	return macs, nil
}

func (w *worker) mac(key hsm.Key, message []byte) ([]byte, error) {
	return w.hmac(p11.CKM_SHA256_HMAC, w.g.macs[key], message)
}

// macSize is the length of what the mechanisms of HMAC make, in bytes.
var macSize = map[uint]int{p11.CKM_SHA_1_HMAC: sha1.Size, p11.CKM_SHA256_HMAC: sha256.Size, p11.CKM_SHA512_HMAC: sha512.Size}

func (s *session) hmac(mechanism uint, key p11.ObjectHandle, message []byte) ([]byte, error) {
	return s.plain.sign(s.handle, mechanism, key, message, macSize[mechanism])
}

func frame(label string, parts [][]byte) []byte {
	size := 4 + len(label)
	for _, p := range parts {
		size += 4 + len(p)
	}
	b := binary.BigEndian.AppendUint32(make([]byte, 0, size), uint32(len(label)))
	b = append(b, label...)
	for _, p := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return b
}
