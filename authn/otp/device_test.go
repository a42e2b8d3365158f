package otp_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"os"
	"strings"
	"testing"
	"time"

	"mohur/authn/otp"
	"mohur/hsm"
	"mohur/hsm/hsmtest"
	"mohur/hsm/pkcs11"
	"mohur/tokens"
)

// modules are the two that share no line: SoftHSM and NSS.
func modules(t *testing.T) map[string]hsm.Module {
	t.Helper()
	cfg := hsmtest.NSSConfig(t)
	cfg.Wait, cfg.CallTimeout = 10*time.Second, 20*time.Second
	if _, err := pkcs11.Provision(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	nss, err := pkcs11.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := nss.Close(); err != nil {
			t.Error(err)
		}
	})
	return map[string]hsm.Module{"SoftHSM": hsmtest.SoftHSM(t), "NSS": nss}
}

// rfcKey is the seed of the RFCs: the digits repeated to n bytes.
func rfcKey(n int) []byte { return []byte(strings.Repeat("1234567890", 7)[:n]) }

func wrap(t *testing.T, m hsm.Module, seed []byte) hsm.WrappedSeed {
	t.Helper()
	w, err := m.WrapSeed(t.Context(), append([]byte(nil), seed...))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

var goHashes = map[hsm.Hash]func() hash.Hash{hsm.SHA1: sha1.New, hsm.SHA256: sha256.New, hsm.SHA512: sha512.New}

// device computes codes as a token does, with the standard library alone.
type device struct {
	tokens.Credential
	seed []byte
}

// newDevice is a token and the server's record of it.
func newDevice(t *testing.T, c tokens.Credential) device {
	t.Helper()
	seed := rfcKey(32)
	c.Seed = wrap(t, hsmtest.SoftHSM(t), seed)
	return device{c, seed}
}

func (d device) code(message []byte) string {
	mac := hmac.New(goHashes[d.Hash], d.seed)
	mac.Write(message)
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 15
	n := uint64(binary.BigEndian.Uint32(sum[at:at+4]) &^ (1 << 31))
	for d.Digits < 10 && n >= pow10(d.Digits) {
		n %= pow10(d.Digits)
	}
	return fmt.Sprintf("%0*d", d.Digits, n)
}

func pow10(n int) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}

// moving is the code of a counter or a time step.
func (d device) moving(factor uint64) string {
	return d.code(binary.BigEndian.AppendUint64(nil, factor))
}

// answer is the code of an OCRA input.
func (d device) answer(t *testing.T, in otp.Input) string {
	t.Helper()
	s, err := otp.ParseSuite(d.Suite)
	if err != nil {
		t.Fatal(err)
	}
	data, err := s.DataInput(in)
	if err != nil {
		t.Fatal(err)
	}
	return d.code(data)
}

func ocraDevice(t *testing.T, text string) device {
	t.Helper()
	s, err := otp.ParseSuite(text)
	if err != nil {
		t.Fatal(err)
	}
	return newDevice(t, tokens.Credential{Kind: tokens.OCRA, Hash: s.Hash, Digits: s.Digits, Suite: text})
}

// verify judges one response on SoftHSM.
func verify(t *testing.T, r otp.Response) otp.Evidence {
	t.Helper()
	e, err := otp.Verify(t.Context(), hsmtest.SoftHSM(t), r)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// expect says whether evidence is a match, or a refusal for a reason.
func expect(t *testing.T, what string, e otp.Evidence, want otp.Reason) {
	t.Helper()
	if e.Match != (want == "") || e.Reason != want || e.Replay != (want == otp.Replayed) {
		t.Errorf("%s: %+v, want %q", what, e, want)
	}
	if !e.Match && (e.Next != 0 || e.Drift != 0) {
		t.Errorf("%s: a refusal moves something: %+v", what, e)
	}
}

func profile(t *testing.T) tokens.Profile {
	t.Helper()
	p, ok := tokens.ProfileOf(tokens.DefaultProfile)
	if !ok {
		t.Fatal("the default profile is missing")
	}
	return p
}

func load(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}
