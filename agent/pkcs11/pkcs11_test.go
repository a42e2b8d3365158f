package pkcs11_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"math/big"
	"os"
	"testing"
	"time"

	"mohur/agent/agenttest"
	"mohur/agent/pkcs11"
	"mohur/authn/pkitest"
)

// TestMain: the test's own binary is the child.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == pkcs11.ChildArgument {
		os.Exit(pkcs11.Child(os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

type fixture struct {
	*agenttest.SoftCard
	pairs  []*pkitest.Pair
	runner pkcs11.Runner
}

func card(t *testing.T, kinds ...string) *fixture {
	t.Helper()
	root := pkitest.Root(t, "Root")
	f := &fixture{}
	var keys []agenttest.Key
	for _, kind := range kinds {
		p := root.Card(t, "AZE1234567", pkitest.Kind(kind))
		f.pairs = append(f.pairs, p)
		keys = append(keys, agenttest.Key{Certificate: p.Certificate, Key: p.Key})
	}
	f.SoftCard = agenttest.NewSoftCard(t, "card", keys...)
	f.runner = pkcs11.Runner{Env: f.Env(), Deadline: 20 * time.Second}
	return f
}

// token lists the card and returns it with a request to sign with its nth key.
func (f *fixture) token(t *testing.T, n int, algorithm, pin string, h crypto.Hash) (pkcs11.Token, pkcs11.Signature) {
	t.Helper()
	tokens, err := f.runner.List(t.Context(), f.Module)
	if err != nil {
		t.Fatal(err)
	}
	d := h.New()
	d.Write([]byte("text"))
	for _, token := range tokens {
		for _, c := range token.Certificates {
			if string(c.DER) == string(f.pairs[n].Raw) {
				return token, pkcs11.Signature{Module: f.Module, Reader: token.Reader, ID: c.ID, Hash: sha256.Sum256(c.DER), Algorithm: algorithm, Digest: d.Sum(nil), PIN: []byte(pin)}
			}
		}
	}
	t.Fatalf("the card does not show certificate %d: %+v", n, tokens)
	return pkcs11.Token{}, pkcs11.Signature{}
}

func kind(err error) pkcs11.Kind {
	var f *pkcs11.Failure
	if errors.As(err, &f) {
		return f.Kind
	}
	return ""
}

func TestKeysSign(t *testing.T) {
	f := card(t, "RSA-2048", "P-256", "P-384", "RSA-3072")
	for _, c := range []struct {
		n         int
		algorithm string
		hash      crypto.Hash
	}{{0, "RS256", crypto.SHA256}, {0, "PS256", crypto.SHA256}, {0, "RS512", crypto.SHA512}, {1, "ES256", crypto.SHA256}, {2, "ES384", crypto.SHA384}, {3, "RS256", crypto.SHA256}} {
		token, s := f.token(t, c.n, c.algorithm, agenttest.PIN, c.hash)
		signature, err := f.runner.Sign(t.Context(), s)
		if err != nil {
			t.Fatalf("%s: %v", c.algorithm, err)
		}
		if token.Label != "card" || token.PINLocked || token.PINLast || token.PINPad || len(token.Mechanisms) == 0 || len(token.Certificates) != 4 {
			t.Errorf("the token is %+v", token)
		}
		ok := false
		switch key := f.pairs[c.n].PublicKey.(type) {
		case *rsa.PublicKey:
			if c.algorithm[:2] == "PS" {
				ok = rsa.VerifyPSS(key, c.hash, s.Digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
			} else {
				ok = rsa.VerifyPKCS1v15(key, c.hash, s.Digest, signature) == nil
			}
		case *ecdsa.PublicKey:
			half := len(signature) / 2
			ok = half == key.Params().BitSize/8 && ecdsa.Verify(key, s.Digest, new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:]))
		}
		if !ok {
			t.Errorf("the signature by %s does not verify", c.algorithm)
		}
	}
}

// A card that offers CKM_RSA_PKCS and nothing else, as ACOS5 does.
func TestOneMechanismIsEnoughForRSA(t *testing.T) {
	f := card(t, "RSA-2048")
	f.Set(t, "only", 1)
	_, s := f.token(t, 0, "RS256", agenttest.PIN, crypto.SHA256)
	signature, err := f.runner.Sign(t.Context(), s)
	if err != nil || rsa.VerifyPKCS1v15(f.pairs[0].PublicKey.(*rsa.PublicKey), crypto.SHA256, s.Digest, signature) != nil {
		t.Errorf("RS256: %x, %v", signature, err)
	}
	s.Algorithm = "PS256"
	if _, err := f.runner.Sign(t.Context(), s); kind(err) != pkcs11.Unsupported {
		t.Errorf("PS256: %v", err)
	}
}

func TestPINs(t *testing.T) {
	f := card(t, "P-256")
	f.Set(t, "tries", 3)
	_, s := f.token(t, 0, "ES256", "999999", crypto.SHA256)
	if _, err := f.runner.Sign(t.Context(), s); kind(err) != pkcs11.PINIncorrect {
		t.Fatalf("a wrong PIN: %v", err)
	}
	if token, _ := f.token(t, 0, "ES256", "", crypto.SHA256); !token.PINLow || token.PINLast {
		t.Errorf("after one wrong PIN the token is %+v", token)
	}
	var failure *pkcs11.Failure
	if _, err := f.runner.Sign(t.Context(), s); !errors.As(err, &failure) || failure.Kind != pkcs11.PINIncorrect || !failure.PINLast {
		t.Fatalf("a second wrong PIN: %v", err)
	}
	// One try is left: without the customer's knowledge not even the right PIN is tried.
	s.PIN = []byte(agenttest.PIN)
	before := f.Get(t, "logins")
	if _, err := f.runner.Sign(t.Context(), s); kind(err) != pkcs11.LastTry || f.Get(t, "logins") != before || f.Get(t, "tries") != 1 {
		t.Fatalf("before the last try: %v", err)
	}
	s.LastTry = true
	if _, err := f.runner.Sign(t.Context(), s); err != nil || f.Get(t, "tries") != 3 {
		t.Fatalf("the right PIN at the last try: %v", err)
	}
	f.Set(t, "tries", 0)
	before = f.Get(t, "logins")
	if _, err := f.runner.Sign(t.Context(), s); kind(err) != pkcs11.PINLocked || f.Get(t, "logins") != before {
		t.Errorf("a locked card: %v", err)
	}
	f.Set(t, "tries", 1)
	s.PIN = []byte("999999")
	if _, err := f.runner.Sign(t.Context(), s); kind(err) != pkcs11.PINLocked {
		t.Errorf("the wrong PIN that locks: %v", err)
	}
}

// Whatever a module does, the caller has its answer by the deadline and nothing runs on.
func TestModulesThatHangOrCrash(t *testing.T) {
	f := card(t, "P-256")
	_, s := f.token(t, 0, "ES256", agenttest.PIN, crypto.SHA256)
	f.runner.Deadline = 2 * time.Second
	f.Set(t, "fork", 1)
	for _, at := range []int{agenttest.Initialize, agenttest.Login, agenttest.SignInit, agenttest.SignCall} {
		f.Set(t, "hang", at)
		if _, err := f.runner.Sign(t.Context(), s); kind(err) != pkcs11.Timeout {
			t.Errorf("hanging in function %d: %v", at, err)
		}
	}
	f.Set(t, "hang", agenttest.SlotList)
	if _, err := f.runner.List(t.Context(), f.Module); kind(err) != pkcs11.Timeout {
		t.Errorf("a list that hangs: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := f.runner.List(ctx, f.Module); !errors.Is(err, context.Canceled) {
		t.Errorf("a list that was called off: %v", err)
	}
	f.Unset(t, "hang")
	for end := time.Now().Add(10 * time.Second); f.InUse(t); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a child or its helper is still there")
		}
	}
	f.Set(t, "crash", agenttest.SignCall)
	if _, err := f.runner.Sign(t.Context(), s); kind(err) != pkcs11.Crashed {
		t.Errorf("a module that crashes: %v", err)
	}
	f.Unset(t, "crash")
	f.Set(t, "noise", 1)
	if _, err := f.runner.Sign(t.Context(), s); err != nil {
		t.Errorf("a module that writes to standard output: %v", err)
	}
	if _, err := f.runner.List(t.Context(), "shim.so"); kind(err) != pkcs11.Module {
		t.Errorf("a module without its directory: %v", err)
	}
	if _, err := f.runner.List(t.Context(), "/dev/null"); kind(err) != pkcs11.Module {
		t.Errorf("no module: %v", err)
	}
}

func TestACardThatIsTakenOutOrIsAnother(t *testing.T) {
	f := card(t, "P-256")
	_, s := f.token(t, 0, "ES256", agenttest.PIN, crypto.SHA256)
	other := s
	other.Hash[0] ^= 1
	if _, err := f.runner.Sign(t.Context(), other); kind(err) != pkcs11.Gone || f.Get(t, "logins") != -1 {
		t.Errorf("another certificate under the same id: %v", err)
	}
	f.Set(t, "lost", 1)
	if _, err := f.runner.Sign(t.Context(), s); kind(err) != pkcs11.Gone {
		t.Errorf("a card that goes while it signs: %v", err)
	}
	f.Set(t, "gone", 1)
	if _, err := f.runner.Sign(t.Context(), s); kind(err) != pkcs11.Gone {
		t.Errorf("a card that is gone: %v", err)
	}
	if tokens, err := f.runner.List(t.Context(), f.Module); err != nil || len(tokens) != 0 {
		t.Errorf("the list without a card: %+v, %v", tokens, err)
	}
}

// The PIN is nowhere where another user of the machine could see it.
func TestThePINIsOnNoCommandLine(t *testing.T) {
	f := card(t, "P-256")
	_, s := f.token(t, 0, "ES256", agenttest.PIN, crypto.SHA256)
	f.runner.Deadline = 3 * time.Second
	f.Set(t, "hang", agenttest.SignCall)
	done := make(chan error, 1)
	go func() {
		_, err := f.runner.Sign(t.Context(), s)
		done <- err
	}()
	for end := time.Now().Add(10 * time.Second); f.Get(t, "logins") < 1 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
	}
	if f.Get(t, "logins") != 1 || !f.InUse(t) {
		t.Error("the child did not get to its hang")
	}
	if leak := f.Leaks(t, agenttest.PIN); leak != "" {
		t.Error(leak)
	}
	if err := <-done; kind(err) != pkcs11.Timeout {
		t.Errorf("%v", err)
	}
}
