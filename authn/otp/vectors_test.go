package otp_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"mohur/authn/otp"
	"mohur/hsm"
	"mohur/settle"
	"mohur/tokens"
)

// The vectors of the RFCs and of docs/otp.md, through the HSM, on both modules.
func TestVectors(t *testing.T) {
	for name, m := range modules(t) {
		t.Run(name, func(t *testing.T) {
			t.Run("RFC 4226 appendix D", func(t *testing.T) { rfc4226(t, m) })
			t.Run("RFC 6238 appendix B", func(t *testing.T) { rfc6238(t, m) })
			t.Run("RFC 6287 appendix C", func(t *testing.T) { rfc6287(t, m) })
			t.Run("docs/otp.md", func(t *testing.T) { ownVectors(t, m) })
		})
	}
}

const hsmVectors = "../../hsm/hsmtest/testdata/"

// Each code is accepted at its counter, and the counter moves behind it.
func rfc4226(t *testing.T, m hsm.Module) {
	var file struct {
		Seed string
		Rows []struct {
			Counter uint64
			Code    string
		}
	}
	load(t, hsmVectors+"rfc4226.json", &file)
	c := tokens.Credential{Kind: tokens.HOTP, Hash: hsm.SHA1, Digits: 6, Seed: wrap(t, m, []byte(file.Seed))}
	hot := settle.Hot{}
	for _, row := range file.Rows {
		e, err := otp.Verify(t.Context(), m, otp.Response{Credential: c, Profile: profile(t), Hot: hot, Code: row.Code})
		if err != nil || !e.Match || e.Next != row.Counter+1 {
			t.Fatalf("counter %d: %+v, %v", row.Counter, e, err)
		}
		hot.Counter = e.Next
	}
	if len(file.Rows) != 10 {
		t.Errorf("%d vectors", len(file.Rows))
	}
}

func rfc6238(t *testing.T, m hsm.Module) {
	var file struct {
		Seeds map[string]string
		Rows  []struct {
			Time                 int64
			SHA1, SHA256, SHA512 string
		}
	}
	load(t, hsmVectors+"rfc6238.json", &file)
	for _, h := range []hsm.Hash{hsm.SHA1, hsm.SHA256, hsm.SHA512} {
		c := tokens.Credential{Kind: tokens.TOTP, Hash: h, Digits: 8, Step: 30, Seed: wrap(t, m, []byte(file.Seeds[h.String()]))}
		for _, row := range file.Rows {
			code := map[hsm.Hash]string{hsm.SHA1: row.SHA1, hsm.SHA256: row.SHA256, hsm.SHA512: row.SHA512}[h]
			e, err := otp.Verify(t.Context(), m, otp.Response{Credential: c, Profile: profile(t), Code: code, At: time.Unix(row.Time, 0)})
			if err != nil || !e.Match || e.Next != uint64(row.Time/30)+1 {
				t.Errorf("%s at %d: %+v, %v", h, row.Time, e, err)
			}
		}
	}
	if len(file.Rows) != 6 {
		t.Errorf("%d vectors", len(file.Rows))
	}
}

// One-way, mutual and plain signature.
func rfc6287(t *testing.T, m hsm.Module) {
	var file struct {
		Suites []struct {
			Suite     string
			Key       int
			Counter   bool
			PIN       string
			Time      uint64
			Questions []string
			Codes     []string
		}
	}
	load(t, "../../testdata/rfc6287.json", &file)
	seen := 0
	for _, v := range file.Suites {
		seed := wrap(t, m, rfcKey(v.Key))
		for i, q := range v.Questions {
			x := vector{Suite: v.Suite, PIN: v.PIN, Time: v.Time, Question: q, Code: v.Codes[i]}
			if v.Counter {
				x.Counter = uint64(i)
			}
			x.check(t, m, seed)
			seen++
		}
	}
	if seen != 70 {
		t.Errorf("%d vectors; appendix C has 70", seen)
	}
}

// vector is one OCRA computation.
type vector struct {
	Suite, Question, PIN, Session, Data, Code string
	Key                                       int
	Counter, Time                             uint64

	AmountMinor  int64 `json:"amount_minor"`
	Account      string
	TypeOnDevice []string `json:"type_on_device"`
}

func (v vector) check(t *testing.T, m hsm.Module, seed hsm.WrappedSeed) {
	t.Helper()
	s, err := otp.ParseSuite(v.Suite)
	if err != nil {
		t.Fatalf("%s: %v", v.Suite, err)
	}
	in := otp.Input{Question: v.Question, Counter: v.Counter, Time: v.Time, Session: []byte(v.Session)}
	if s.PINHash != 0 {
		h := goHashes[s.PINHash]()
		h.Write([]byte(v.PIN))
		in.PIN = h.Sum(nil)
	}
	if data, err := s.DataInput(in); err != nil || v.Data != "" && hex.EncodeToString(data) != v.Data {
		t.Errorf("%s, question %s: %v, data %x", v.Suite, v.Question, err, data)
	}
	if got, err := otp.Compute(t.Context(), m, seed, s, in); err != nil || got != v.Code {
		t.Errorf("%s, question %s: %s, %v; want %s", v.Suite, v.Question, got, err, v.Code)
	}
}

func hexSum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// What docs/otp.md gives to token vendors.
func ownVectors(t *testing.T, m hsm.Module) {
	var file struct {
		Challenge, SHA256        string
		Computed, Derived, Typed []vector
	}
	load(t, "../../testdata/ocra.json", &file)
	doc, err := os.ReadFile("../../docs/otp.md")
	if err != nil {
		t.Fatal(err)
	}
	told := append(file.Derived, file.Typed...)
	for _, v := range append(file.Computed, told...) {
		v.check(t, m, wrap(t, m, rfcKey(v.Key)))
	}
	for _, v := range told {
		row := regexp.MustCompile("(?m)^\\| `" + regexp.QuoteMeta(v.Suite) + "` .*`" + v.Code + "` \\|$").Find(doc)
		if row == nil || v.Account == "" && !bytes.Contains(row, []byte("`"+v.Question+"`")) || v.Account != "" && !bytes.Contains(row, []byte("`"+strings.Join(v.TypeOnDevice, "` `")+"`")) {
			t.Errorf("docs/otp.md does not tell the vector of %s, %s", v.Suite, v.Question)
		}
	}
	if !bytes.Contains(doc, []byte("\n"+file.Challenge+"\n")) || !bytes.Contains(doc, []byte(file.SHA256)) || hexSum(file.Challenge) != file.SHA256 {
		t.Error("docs/otp.md does not tell the challenge and its hash")
	}
	if len(file.Computed) < 6 || len(file.Derived) < 3 || len(file.Typed) < 3 {
		t.Errorf("%d, %d and %d vectors", len(file.Computed), len(file.Derived), len(file.Typed))
	}
}
