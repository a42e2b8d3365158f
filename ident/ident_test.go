package ident_test

import (
	"testing"

	"mohur/ident"
)

func TestIdentifiers(t *testing.T) {
	seen := map[string]bool{}
	for range 10000 {
		id := ident.New("tx")
		if !ident.Valid("tx", id) || seen[id] {
			t.Fatalf("%s", id)
		}
		seen[id] = true
	}
	good := ident.New("tx")
	for _, bad := range []string{"", "tx", "tx_", good[:len(good)-1], good + "0", "se" + good[2:], "tx_" + "!!!!!!!!!!!!!!!!!!!!!!!!!!", "TX" + good[2:]} {
		if ident.Valid("tx", bad) {
			t.Errorf("%q passed", bad)
		}
	}
	// printf %s C-1 | sha256sum
	if d := ident.Digest("C-1"); d != "sha256:07e9a9696557f5c8" {
		t.Error(d)
	}
	if a, b := ident.From("cr", make([]byte, 16)), ident.From("cr", make([]byte, 16)); a != b || !ident.Valid("cr", a) {
		t.Errorf("%s, %s", a, b)
	}
}
