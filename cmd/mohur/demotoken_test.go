package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestDemoToken: the device computes what the RFCs say.
func TestDemoToken(t *testing.T) {
	d := &demoToken{hotpSeed: []byte("12345678901234567890")} // RFC 4226 appendix D
	for i, want := range strings.Fields("755224 287082 359152 969429 338314 254676 287922 162583 399871 520489") {
		if got := d.code(); got != want {
			t.Errorf("counter %d: %s, want %s", i, got, want)
		}
	}
	// RFC 6287 appendix C has no vector of this suite; the one of the nearest,
	// OCRA-1:HOTP-SHA256-8:C-QN08-PSHA1, shares everything but the PIN. That the
	// server's own verifier, which passes those vectors, agrees with this device is
	// what the demonstration itself shows.
	d.ocraSeed = bytes.Repeat([]byte("1"), 32)
	first, err := d.answer("12345678")
	if err != nil || len(first) != 8 {
		t.Fatal(first, err)
	}
	if second, _ := d.answer("12345678"); second == first {
		t.Error("the counter does not count")
	}
	for _, bad := range []string{"", "1234567", "123456789", "1234567a", "-1234567"} {
		if _, err := d.answer(bad); err == nil {
			t.Errorf("the device took %q", bad)
		}
	}
}
