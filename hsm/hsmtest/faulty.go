package hsmtest

import (
	"context"
	"crypto/ecdsa"
	"sync"

	"mohur/hsm"
)

// Faulty is a module that fails on command, to test what a part of the server
// does then. Everything else is the module it wraps, usually SoftHSM. Its zero
// value with a Module fails nowhere.
type Faulty struct {
	hsm.Module

	mu    sync.Mutex
	calls int
	at    map[int]*hsm.Fault
	in    map[string]*hsm.Fault
	hangs map[string]bool
	each  *hsm.Fault
}

// FailAt makes the nth call from now fail, the next one being the first.
func (f *Faulty) FailAt(n int, fault *hsm.Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at == nil {
		f.at = map[int]*hsm.Fault{}
	}
	f.at[f.calls+n] = fault
}

// FailIn makes every call of a method fail: "Sign", "HMAC" and so on.
func (f *Faulty) FailIn(method string, fault *hsm.Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.in == nil {
		f.in = map[string]*hsm.Fault{}
	}
	f.in[method] = fault
}

// FailAll makes every call fail, as a module that is away does.
func (f *Faulty) FailAll(fault *hsm.Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.each = fault
}

// Hang makes a method answer only when its caller's context ends.
func (f *Faulty) Hang(method string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hangs == nil {
		f.hangs = map[string]bool{}
	}
	f.hangs[method] = true
}

// Heal takes every order back. The count of calls goes on.
func (f *Faulty) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at, f.in, f.hangs, f.each = nil, nil, nil, nil
}

// Calls returns how many calls there were, failed ones included.
func (f *Faulty) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// check counts a call and returns its fault, as a copy that says what was asked.
func (f *Faulty) check(ctx context.Context, method string, key hsm.Key) error {
	fault, hang := f.order(method)
	if hang {
		<-ctx.Done()
		return &hsm.Fault{Class: hsm.ClassDevice, Op: method, Key: key, Err: ctx.Err()}
	}
	if fault == nil {
		return nil
	}
	own := *fault
	own.Op, own.Key = method, key
	return &own
}

func (f *Faulty) order(method string) (fault *hsm.Fault, hang bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	for _, fault := range []*hsm.Fault{f.at[f.calls], f.in[method], f.each} {
		if fault != nil {
			return fault, false
		}
	}
	return nil, f.hangs[method]
}

// Sign fails or signs.
func (f *Faulty) Sign(ctx context.Context, key hsm.Key, digest []byte) ([]byte, error) {
	if err := f.check(ctx, "Sign", key); err != nil {
		return nil, err
	}
	return f.Module.Sign(ctx, key, digest)
}

// Public fails or returns the key.
func (f *Faulty) Public(ctx context.Context, key hsm.Key) (*ecdsa.PublicKey, error) {
	if err := f.check(ctx, "Public", key); err != nil {
		return nil, err
	}
	return f.Module.Public(ctx, key)
}

// MAC fails or computes the MAC.
func (f *Faulty) MAC(ctx context.Context, key hsm.Key, label string, parts ...[]byte) ([]byte, error) {
	if err := f.check(ctx, "MAC", key); err != nil {
		return nil, err
	}
	return f.Module.MAC(ctx, key, label, parts...)
}

// MACs fails or computes the MACs; for FailIn and FailAt it is one MAC.
func (f *Faulty) MACs(ctx context.Context, key hsm.Key, inputs ...hsm.Input) ([][]byte, error) {
	if err := f.check(ctx, "MAC", key); err != nil {
		return nil, err
	}
	return f.Module.MACs(ctx, key, inputs...)
}

// Seal fails or seals.
func (f *Faulty) Seal(ctx context.Context, key hsm.Key, place string, plaintext []byte) ([]byte, error) {
	if err := f.check(ctx, "Seal", key); err != nil {
		return nil, err
	}
	return f.Module.Seal(ctx, key, place, plaintext)
}

// Open fails or opens.
func (f *Faulty) Open(ctx context.Context, key hsm.Key, place string, sealed []byte) ([]byte, error) {
	if err := f.check(ctx, "Open", key); err != nil {
		return nil, err
	}
	return f.Module.Open(ctx, key, place, sealed)
}

// WrapSeed fails, and then leaves the seed, or wraps it.
func (f *Faulty) WrapSeed(ctx context.Context, seed []byte) (hsm.WrappedSeed, error) {
	if err := f.check(ctx, "WrapSeed", hsm.SeedKEK); err != nil {
		return hsm.WrappedSeed{}, err
	}
	return f.Module.WrapSeed(ctx, seed)
}

// HMAC fails or computes the HMACs.
func (f *Faulty) HMAC(ctx context.Context, seed hsm.WrappedSeed, h hsm.Hash, messages ...[]byte) ([][]byte, error) {
	if err := f.check(ctx, "HMAC", hsm.SeedKEK); err != nil {
		return nil, err
	}
	return f.Module.HMAC(ctx, seed, h, messages...)
}

// HMACUnless implements hsm.Module; for FailIn and FailAt it is an HMAC.
func (f *Faulty) HMACUnless(ctx context.Context, seed hsm.WrappedSeed, h hsm.Hash, enough func([]byte) bool, messages ...[]byte) ([][]byte, error) {
	if err := f.check(ctx, "HMAC", hsm.SeedKEK); err != nil {
		return nil, err
	}
	return f.Module.HMACUnless(ctx, seed, h, enough, messages...)
}

// DecryptCBC fails or decrypts.
func (f *Faulty) DecryptCBC(ctx context.Context, key hsm.Key, iv, ciphertext []byte) ([]byte, error) {
	if err := f.check(ctx, "DecryptCBC", key); err != nil {
		return nil, err
	}
	return f.Module.DecryptCBC(ctx, key, iv, ciphertext)
}

// DecryptKW fails or decrypts.
func (f *Faulty) DecryptKW(ctx context.Context, key hsm.Key, wrapped []byte) ([]byte, error) {
	if err := f.check(ctx, "DecryptKW", key); err != nil {
		return nil, err
	}
	return f.Module.DecryptKW(ctx, key, wrapped)
}

// DecryptRSA fails or decrypts.
func (f *Faulty) DecryptRSA(ctx context.Context, key hsm.Key, padding hsm.RSAPadding, ciphertext []byte) ([]byte, error) {
	if err := f.check(ctx, "DecryptRSA", key); err != nil {
		return nil, err
	}
	return f.Module.DecryptRSA(ctx, key, padding, ciphertext)
}

// Random fails or draws.
func (f *Faulty) Random(ctx context.Context, n int) ([]byte, error) {
	if err := f.check(ctx, "Random", ""); err != nil {
		return nil, err
	}
	return f.Module.Random(ctx, n)
}

// Check fails or checks.
func (f *Faulty) Check(ctx context.Context) error {
	if err := f.check(ctx, "Check", ""); err != nil {
		return err
	}
	return f.Module.Check(ctx)
}

// Keys fails or lists.
func (f *Faulty) Keys(ctx context.Context) ([]hsm.KeyInfo, error) {
	if err := f.check(ctx, "Keys", ""); err != nil {
		return nil, err
	}
	return f.Module.Keys(ctx)
}
