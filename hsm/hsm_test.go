package hsm_test

import (
	"errors"
	"fmt"
	"testing"

	"mohur/hsm"
)

// TestClassOf: what is not understood must count as a module that is away, never
// as a verdict on a blob.
func TestClassOf(t *testing.T) {
	fault := &hsm.Fault{Class: hsm.ClassBlob, Op: "HMAC", Key: hsm.SeedKEK, Err: errors.New("cause")}
	for _, c := range []struct {
		err  error
		want hsm.Class
	}{
		{fault, hsm.ClassBlob},
		{fmt.Errorf("wrapped: %w", fault), hsm.ClassBlob},
		{errors.New("anything"), hsm.ClassDevice},
		{nil, hsm.ClassDevice},
	} {
		if got := hsm.ClassOf(c.err); got != c.want {
			t.Errorf("%v has class %v, want %v", c.err, got, c.want)
		}
	}
	if got := fault.Error(); got != "hsm: HMAC seed-kek: blob fault: cause" {
		t.Error(got)
	}
}

func TestNames(t *testing.T) {
	seen := map[string]bool{"unknown": true}
	for c := hsm.ClassDevice; c <= hsm.ClassInput; c++ {
		if seen[c.String()] {
			t.Errorf("class %d has no name of its own: %v", c, c)
		}
		seen[c.String()] = true
	}
	if hsm.SHA1.String()+hsm.SHA256.String()+hsm.SHA512.String() != "SHA1SHA256SHA512" {
		t.Error("a hash is not named as in PSKC")
	}
	if hsm.Transport("x") != "transport-x" {
		t.Error(hsm.Transport("x"))
	}
}
