package pkcs11

import (
	"bytes"
	"context"

	"mohur/hsm"
)

const maxRandom = 64 << 10

// Random returns n bytes of the module's generator.
func (m *Module) Random(ctx context.Context, n int) ([]byte, error) {
	if n < 1 || n > maxRandom {
		return nil, m.refuse("Random", "", "%d bytes are not 1 to %d", n, maxRandom)
	}
	return call(ctx, m, "Random", "", func(w *worker) ([]byte, error) { return w.g.drawn(w.session, n) })
}

func (g *generation) drawn(s *session, n int) ([]byte, error) {
	b := make([]byte, n)
	return b, g.plain.random(s.handle, b)
}

// Check computes a MAC, the cheapest call that needs library, device, log-in and
// key alike. While the module is away it says why.
func (m *Module) Check(ctx context.Context) error {
	got, err := call(ctx, m, "Check", hsm.RowMAC, func(w *worker) ([]byte, error) {
		return w.mac(hsm.RowMAC, []byte(witnessMessage))
	})
	if err != nil {
		return err
	}
	if m.witness != nil && !bytes.Equal(got, m.witness.macs[hsm.RowMAC]) {
		return &hsm.Fault{Class: hsm.ClassConfig, Op: "Check", Key: hsm.RowMAC, Err: errOtherKeys}
	}
	return nil
}
