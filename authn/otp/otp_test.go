package otp_test

import (
	"crypto/sha1"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"mohur/authn/otp"
	"mohur/hsm"
	"mohur/hsm/hsmtest"
	"mohur/settle"
	"mohur/tokens"
)

const digits = "1234567890"

// rfcKey is the seed of the RFCs: the digits repeated to n bytes.
func rfcKey(n int) []byte { return []byte(strings.Repeat(digits, 7)[:n]) }

func wrap(t *testing.T, seed []byte) hsm.WrappedSeed {
	t.Helper()
	w, err := hsmtest.SoftHSM(t).WrapSeed(t.Context(), append([]byte(nil), seed...))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func profile(t *testing.T) tokens.Profile {
	t.Helper()
	p, ok := tokens.ProfileOf(tokens.DefaultProfile)
	if !ok {
		t.Fatal("the default profile is missing")
	}
	return p
}

// RFC 6287 appendix C.1, computed inside the HSM.
func TestRFC6287VectorsThroughTheHSM(t *testing.T) {
	raw, err := os.ReadFile("../../testdata/rfc6287.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Suites []struct {
			Suite     string
			Key       int
			Counter   bool
			Time      uint64
			Questions []string
			Codes     []string
		}
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	pin := sha1.Sum([]byte("1234"))
	for _, v := range file.Suites {
		suite, err := otp.ParseSuite(v.Suite)
		if err != nil {
			t.Fatalf("%s: %v", v.Suite, err)
		}
		seed := wrap(t, rfcKey(v.Key))
		for i, q := range v.Questions {
			in := otp.Input{Question: q, Time: v.Time}
			if v.Counter {
				in.Counter = uint64(i)
			}
			if suite.PINHash != 0 {
				in.PIN = pin[:]
			}
			data, err := suite.DataInput(in)
			if err != nil {
				t.Fatalf("%s %s: %v", v.Suite, q, err)
			}
			sums, err := hsmtest.SoftHSM(t).HMAC(t.Context(), seed, suite.Hash, data)
			if err != nil {
				t.Fatal(err)
			}
			if got := otp.Truncate(sums[0], suite.Digits); got != v.Codes[i] {
				t.Errorf("%s, question %s: %s, want %s", v.Suite, q, got, v.Codes[i])
			}
		}
	}
}

// RFC 4226 appendix D through Verify: each code is accepted at its counter, and
// the counter moves behind it.
func TestRFC4226VectorsThroughVerify(t *testing.T) {
	codes := []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"}
	c := tokens.Credential{Kind: tokens.HOTP, Hash: hsm.SHA1, Digits: 6, Seed: wrap(t, rfcKey(20))}
	hot := settle.Hot{}
	for i, code := range codes {
		e, err := otp.Verify(t.Context(), hsmtest.SoftHSM(t), otp.Response{Credential: c, Profile: profile(t), Hot: hot, Code: code})
		if err != nil || !e.Match || e.Next != uint64(i)+1 {
			t.Fatalf("counter %d: %+v, %v", i, e, err)
		}
		hot.Counter = e.Next
	}
}

// RFC 6238 appendix B through Verify, all three hashes.
func TestRFC6238VectorsThroughVerify(t *testing.T) {
	times := []int64{59, 1111111109, 1111111111, 1234567890, 2000000000, 20000000000}
	table := map[hsm.Hash][]string{
		hsm.SHA1:   {"94287082", "07081804", "14050471", "89005924", "69279037", "65353130"},
		hsm.SHA256: {"46119246", "68084774", "67062674", "91819424", "90698825", "77737706"},
		hsm.SHA512: {"90693936", "25091201", "99943326", "93441116", "38618901", "47863826"},
	}
	for h, codes := range table {
		c := tokens.Credential{Kind: tokens.TOTP, Hash: h, Digits: 8, Step: 30, Seed: wrap(t, rfcKey(map[hsm.Hash]int{hsm.SHA1: 20, hsm.SHA256: 32, hsm.SHA512: 64}[h]))}
		for i, at := range times {
			e, err := otp.Verify(t.Context(), hsmtest.SoftHSM(t), otp.Response{Credential: c, Profile: profile(t), Code: codes[i], At: time.Unix(at, 0)})
			if err != nil || !e.Match || e.Next != uint64(at/30)+1 {
				t.Errorf("%s at %d: %+v, %v", h, at, e, err)
			}
		}
	}
}

// Clause 5.23: a one-time password lives for its window and no longer, and is
// dead once it, or a later one, was used.
func TestClause5_23_WindowsEndWhereTheyEnd(t *testing.T) {
	m := hsmtest.SoftHSM(t)
	codes := []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"}
	c := tokens.Credential{Kind: tokens.HOTP, Hash: hsm.SHA1, Digits: 6, Seed: wrap(t, rfcKey(20))}
	p := profile(t)
	p.LookAhead = 3
	for _, v := range []struct {
		name          string
		counter       uint64
		code          string
		match, replay bool
	}{
		{"the next", 2, codes[2], true, false},
		{"the last of the window", 2, codes[5], true, false},
		{"one beyond the window", 2, codes[6], false, false},
		{"the one just used", 2, codes[1], false, true},
		{"an older one", 2, codes[0], false, false},
		{"a space", 2, "35915 ", false, false},
		{"too short", 2, "35915", false, false},
		{"a digit more", 2, "0359152", false, false},
		{"full-width digits", 2, "３５９１５２", false, false},
		{"a sign", 2, "+59152", false, false},
		{"nothing", 2, "", false, false},
	} {
		e, err := otp.Verify(t.Context(), m, otp.Response{Credential: c, Profile: p, Hot: settle.Hot{Counter: v.counter}, Code: v.code})
		if err != nil || e.Match != v.match || e.Replay != v.replay {
			t.Errorf("%s: %+v, %v", v.name, e, err)
		}
	}

	c = tokens.Credential{Kind: tokens.TOTP, Hash: hsm.SHA1, Digits: 8, Step: 30, Seed: wrap(t, rfcKey(20))}
	// 14050471 is the code of the step that begins at 1111111110.
	for _, v := range []struct {
		name          string
		at            int64
		used          uint64
		match, replay bool
	}{
		{"two steps early", 1111111110 - 31, 0, false, false},
		{"one step early", 1111111110 - 30, 0, true, false},
		{"its first second", 1111111110, 0, true, false},
		{"its last second", 1111111139, 0, true, false},
		{"the last second of the step after", 1111111169, 0, true, false},
		{"two steps late", 1111111170, 0, false, false},
		{"already used", 1111111111, 37037038, false, true},
		{"a later one was used", 1111111111, 37037039, false, true},
		{"only the one before was used", 1111111111, 37037037, true, false},
	} {
		e, err := otp.Verify(t.Context(), m, otp.Response{Credential: c, Profile: profile(t), Hot: settle.Hot{Counter: v.used}, Code: "14050471", At: time.Unix(v.at, 0)})
		if err != nil || e.Match != v.match || e.Replay != v.replay {
			t.Errorf("%s: %+v, %v", v.name, e, err)
		}
	}
}

// The drift of a token's clock is learnt from a success only, and never beyond
// its bound.
func TestDriftIsLearntAndBounded(t *testing.T) {
	m := hsmtest.SoftHSM(t)
	c := tokens.Credential{Kind: tokens.TOTP, Hash: hsm.SHA1, Digits: 8, Step: 30, Seed: wrap(t, rfcKey(20))}
	const step = 37037037 // of 1111111111; its code is 14050471
	for _, v := range []struct {
		drift int8
		at    int64 // steps after the code's own
		match bool
		want  int8
	}{
		{0, 0, true, 0}, {0, 1, true, -1}, {0, -1, true, 1}, {-1, 2, true, -2}, {-2, 3, true, -3},
		{-3, 4, true, -3}, {-3, 5, false, 0}, {3, -4, true, 3}, {3, -5, false, 0}, {0, 2, false, 0},
	} {
		at := time.Unix((step+v.at)*30, 0)
		e, err := otp.Verify(t.Context(), m, otp.Response{Credential: c, Profile: profile(t), Hot: settle.Hot{Drift: v.drift}, Code: "14050471", At: at})
		if err != nil || e.Match != v.match || (e.Match && e.Drift != v.want) {
			t.Errorf("drift %d, %d steps late: %+v, %v; want %v, %d", v.drift, v.at, e, err, v.match, v.want)
		}
	}
}

func TestQuestionsAreDerivedAsDocumented(t *testing.T) {
	sum := make([]byte, 32)
	sum[31], sum[30] = 0x39, 0x30 // 12345
	for suite, want := range map[string]string{
		"OCRA-1:HOTP-SHA256-8:C-QN08": "00012345",
		"OCRA-1:HOTP-SHA256-8:C-QN04": "2345",
		"OCRA-1:HOTP-SHA256-8:C-QH10": "0000000000",
		"OCRA-1:HOTP-SHA256-8:C-QA64": strings.Repeat("0", 60) + "3039",
	} {
		s, err := otp.ParseSuite(suite)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Derive(sum); got != want {
			t.Errorf("%s: %s, want %s", suite, got, want)
		}
	}
}

func TestSuitesThatAreNoneAreRefused(t *testing.T) {
	for _, s := range []string{
		"", "OCRA-1", "OCRA-2:HOTP-SHA1-6:QN08", "OCRA-1:HOTP-SHA1-6:", "OCRA-1:HOTP-SHA1-3:QN08", "OCRA-1:HOTP-SHA1-0:QN08", "OCRA-1:HOTP-SHA1-06:QN08",
		"OCRA-1:HOTP-MD5-6:QN08", "OCRA-1:HOTP-SHA1-6:C", "OCRA-1:HOTP-SHA1-6:QN03", "OCRA-1:HOTP-SHA1-6:QN65", "OCRA-1:HOTP-SHA1-6:QX08",
		"OCRA-1:HOTP-SHA1-6:QN08-PSHA2", "OCRA-1:HOTP-SHA1-6:QN08-S64", "OCRA-1:HOTP-SHA1-6:QN08-T0M", "OCRA-1:HOTP-SHA1-6:QN08-T60S",
		"OCRA-1:HOTP-SHA1-6:QN08-T49H", "OCRA-1:HOTP-SHA1-6:QN08-T1M-S064", "OCRA-1:HOTP-SHA1-6:QN08-X", "ocra-1:HOTP-SHA1-6:QN08", "OCRA-1:HOTP-SHA1-6:C-C-QN08",
	} {
		if _, err := otp.ParseSuite(s); err == nil {
			t.Errorf("%q was taken for a suite", s)
		}
	}
}

func FuzzParseSuite(f *testing.F) {
	for _, s := range []string{"OCRA-1:HOTP-SHA256-8:C-QN08", "OCRA-1:HOTP-SHA512-8:QN08-T1M", "OCRA-1:HOTP-SHA1-6:QH40-PSHA1-S064-T48H", "OCRA-1:HOTP-SHA1-6:QA10"} {
		f.Add(s, "12345678")
	}
	f.Fuzz(func(t *testing.T, text, question string) {
		s, err := otp.ParseSuite(text)
		if err != nil {
			return
		}
		if s.Digits < 6 || s.Digits > 10 || s.QuestionLength < 4 || s.QuestionLength > 64 || s.SessionLength > 512 {
			t.Fatalf("%q: out of bounds: %+v", text, s)
		}
		in := otp.Input{Question: question, PIN: make([]byte, map[hsm.Hash]int{hsm.SHA1: 20, hsm.SHA256: 32, hsm.SHA512: 64}[s.PINHash])}
		data, err := s.DataInput(in)
		if err != nil {
			return
		}
		want := len(text) + 1 + 128 + len(in.PIN) + s.SessionLength
		if s.Counter {
			want += 8
		}
		if s.TimeStep > 0 {
			want += 8
		}
		if len(data) != want {
			t.Fatalf("%q: %d bytes of data input, want %d", text, len(data), want)
		}
	})
}
