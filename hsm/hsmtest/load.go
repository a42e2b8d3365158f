package hsmtest

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"mohur/hsm"
)

// testLoad runs every operation from many goroutines at once. Results must not
// get mixed up between them, whatever sessions they share.
func testLoad(t *testing.T, m hsm.Module) {
	const goroutines, rounds = 64, 8
	var all sync.WaitGroup
	for n := range goroutines {
		all.Go(func() {
			if _, err := m.Keys(t.Context()); err != nil {
				t.Errorf("goroutine %d lists no keys: %v", n, err)
			}
			for r := range rounds {
				if err := oneOfEach(t, m, fmt.Sprintf("%d/%d", n, r)); err != nil {
					t.Errorf("goroutine %d, round %d: %v", n, r, err)
					return
				}
			}
		})
	}
	all.Wait()
}

func oneOfEach(t *testing.T, m hsm.Module, place string) error {
	ctx, seed := t.Context(), random(20)
	wrapped, err := m.WrapSeed(ctx, bytes.Clone(seed))
	if err != nil {
		return err
	}
	macs, err := m.HMAC(ctx, wrapped, hsm.SHA256, moving(1), moving(2), moving(3))
	if err != nil {
		return err
	}
	for i := range macs {
		if !bytes.Equal(macs[i], goHMAC(hsm.SHA256, seed, moving(uint64(i+1)))) {
			return fmt.Errorf("HMAC %d is wrong", i)
		}
	}
	box, err := m.Seal(ctx, hsm.PINSeal, place, seed)
	if err != nil {
		return err
	}
	if text, err := m.Open(ctx, hsm.PINSeal, place, box); err != nil || !bytes.Equal(text, seed) {
		return fmt.Errorf("the box does not open: %w", err)
	}
	if _, err := m.Open(ctx, hsm.PINSeal, "elsewhere", box); hsm.ClassOf(err) != hsm.ClassBlob {
		return fmt.Errorf("the box opens elsewhere: %w", err)
	}
	one, err := m.MAC(ctx, hsm.RowMAC, "load", []byte(place))
	if err != nil {
		return err
	}
	if two, err := m.MAC(ctx, hsm.RowMAC, "load", []byte(place)); err != nil || !bytes.Equal(one, two) {
		return fmt.Errorf("two MACs differ: %w", err)
	}
	return signs(t, m)
}

func signs(t *testing.T, m hsm.Module) error {
	digest := random(32)
	sig, err := m.Sign(t.Context(), hsm.AuditSigning, digest)
	if err != nil {
		return err
	}
	public, err := m.Public(t.Context(), hsm.AuditSigning)
	if err != nil {
		return err
	}
	if !verifies(public, digest, sig) {
		return fmt.Errorf("a signature does not verify")
	}
	_, err = m.Random(t.Context(), 20)
	return err
}

// testBuffers says that a module keeps no hold on what it was given, and gives
// nothing that it will change.
func testBuffers(t *testing.T, m hsm.Module) {
	message := []byte("message")
	first, err := m.MAC(t.Context(), hsm.RowMAC, "buffers", message)
	if err != nil {
		t.Fatal(err)
	}
	kept := bytes.Clone(first)
	message[0] ^= 1
	if _, err := m.MAC(t.Context(), hsm.RowMAC, "buffers", message); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, kept) {
		t.Error("a later call changed an earlier result")
	}
}
