package pkcs11

import (
	"context"
	"encoding/binary"

	p11 "github.com/miekg/pkcs11"

	"mohur/hsm"
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

func (w *worker) mac(key hsm.Key, message []byte) ([]byte, error) {
	return w.hmac(p11.CKM_SHA256_HMAC, w.g.macs[key], message)
}

func (s *session) hmac(mechanism uint, key p11.ObjectHandle, message []byte) ([]byte, error) {
	if err := s.ctx.SignInit(s.handle, []*p11.Mechanism{{Mechanism: mechanism}}, key); err != nil {
		return nil, err
	}
	return s.ctx.Sign(s.handle, message)
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
