package pkcs11_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"mohur/hsm"
)

// A module that is slow, and well, is not taken for one that hangs because somebody
// asks for many MACs at once: a visit ends by the clock, and the rest is made in the
// next ones.
func TestManyMACsOfASlowModule(t *testing.T) {
	cfg := shimmed(t)
	cfg.CallTimeout = 600 * time.Millisecond
	m := open(t, cfg)
	inputs := make([]hsm.Input, 64)
	for i := range inputs {
		inputs[i] = hsm.Input{Label: "x", Parts: [][]byte{[]byte(fmt.Sprint(i))}}
	}
	theShim.slow(signing, 12*time.Millisecond) // 64 of them are longer than a call may take
	macs, err := m.MACs(t.Context(), hsm.RowMAC, inputs...)
	theShim.slow(signing, 0)
	if err != nil || len(macs) != len(inputs) {
		t.Fatalf("%d MACs, %v", len(macs), err)
	}
	for i, in := range inputs {
		if mac, err := m.MAC(t.Context(), hsm.RowMAC, in.Label, in.Parts...); err != nil || !bytes.Equal(mac, macs[i]) {
			t.Errorf("MAC %d is another: %v", i, err)
		}
	}
}
