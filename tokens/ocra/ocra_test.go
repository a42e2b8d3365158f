package ocra_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"mohur/hsm"
	"mohur/tokens/ocra"
)

func parse(t testing.TB, text string) ocra.Suite {
	t.Helper()
	s, err := ocra.ParseSuite(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

func TestSuites(t *testing.T) {
	for _, want := range []ocra.Suite{
		{Text: "OCRA-1:HOTP-SHA1-6:QN08", Hash: hsm.SHA1, Digits: 6, QuestionFormat: 'N', QuestionLength: 8},
		{Text: "OCRA-1:HOTP-SHA256-10:C-QA64-PSHA512-S512-T48H", Hash: hsm.SHA256, Digits: 10, Counter: true, QuestionFormat: 'A', QuestionLength: 64,
			PINHash: hsm.SHA512, SessionLength: 512, TimeStep: 48 * 3600},
		{Text: "OCRA-1:HOTP-SHA512-9:QH04-S001-T1S", Hash: hsm.SHA512, Digits: 9, QuestionFormat: 'H', QuestionLength: 4, SessionLength: 1, TimeStep: 1},
		{Text: "OCRA-1:HOTP-SHA512-7:QN10-PSHA1-T59M", Hash: hsm.SHA512, Digits: 7, QuestionFormat: 'N', QuestionLength: 10, PINHash: hsm.SHA1, TimeStep: 59 * 60},
	} {
		if got := parse(t, want.Text); got != want {
			t.Errorf("%s: %+v", want.Text, got)
		}
	}
}

func TestSuitesThatAreNoneAreRefused(t *testing.T) {
	for _, s := range []string{
		"", "OCRA-1", "OCRA-2:HOTP-SHA1-6:QN08", "OCRA-1:HOTP-SHA1-6:", "OCRA-1:HOTP-SHA1-6:QN08:", "ocra-1:HOTP-SHA1-6:QN08", " OCRA-1:HOTP-SHA1-6:QN08",
		// Fewer than 6 digits, and no truncation.
		"OCRA-1:HOTP-SHA1-3:QN08", "OCRA-1:HOTP-SHA1-4:QN08", "OCRA-1:HOTP-SHA1-5:QN08", "OCRA-1:HOTP-SHA1-0:QN08", "OCRA-1:HOTP-SHA1-11:QN08",
		"OCRA-1:HOTP-SHA1-06:QN08", "OCRA-1:HOTP-SHA1-+6:QN08", "OCRA-1:HOTP-SHA1:QN08", "OCRA-1:HOTP-MD5-6:QN08", "OCRA-1:HOTP-sha1-6:QN08", "OCRA-1:TOTP-SHA1-6:QN08",
		"OCRA-1:HOTP-SHA1-6:C", "OCRA-1:HOTP-SHA1-6:C-C-QN08", "OCRA-1:HOTP-SHA1-6:C1-QN08", "OCRA-1:HOTP-SHA1-6:QN08-C",
		"OCRA-1:HOTP-SHA1-6:Q", "OCRA-1:HOTP-SHA1-6:QN", "OCRA-1:HOTP-SHA1-6:QN03", "OCRA-1:HOTP-SHA1-6:QN65", "OCRA-1:HOTP-SHA1-6:QN8", "OCRA-1:HOTP-SHA1-6:QN008",
		"OCRA-1:HOTP-SHA1-6:QX08", "OCRA-1:HOTP-SHA1-6:QN+8", "OCRA-1:HOTP-SHA1-6:QN08-QN08",
		"OCRA-1:HOTP-SHA1-6:QN08-P", "OCRA-1:HOTP-SHA1-6:QN08-PSHA2", "OCRA-1:HOTP-SHA1-6:QN08-PSHA1-PSHA1",
		"OCRA-1:HOTP-SHA1-6:QN08-S", "OCRA-1:HOTP-SHA1-6:QN08-S64", "OCRA-1:HOTP-SHA1-6:QN08-S000", "OCRA-1:HOTP-SHA1-6:QN08-S513",
		"OCRA-1:HOTP-SHA1-6:QN08-T", "OCRA-1:HOTP-SHA1-6:QN08-TM", "OCRA-1:HOTP-SHA1-6:QN08-T0M", "OCRA-1:HOTP-SHA1-6:QN08-T60S", "OCRA-1:HOTP-SHA1-6:QN08-T60M",
		"OCRA-1:HOTP-SHA1-6:QN08-T0H", "OCRA-1:HOTP-SHA1-6:QN08-T49H", "OCRA-1:HOTP-SHA1-6:QN08-T01M", "OCRA-1:HOTP-SHA1-6:QN08-T1D", "OCRA-1:HOTP-SHA1-6:QN08-T1",
		"OCRA-1:HOTP-SHA1-6:QN08-T1M-S064", "OCRA-1:HOTP-SHA1-6:QN08-S064-PSHA1", "OCRA-1:HOTP-SHA1-6:QN08-X", "OCRA-1:HOTP-SHA1-6:QN08-", "OCRA-1:HOTP-SHA1-6:-QN08",
		"OCRA-1:HOTP-SHA1-6:QN08" + strings.Repeat("-", 100),
	} {
		if got, err := ocra.ParseSuite(s); !errors.Is(err, ocra.ErrSuite) || got != (ocra.Suite{}) {
			t.Errorf("%q was taken for a suite: %+v, %v", s, got, err)
		}
	}
}

// A suite is used only if its answers can be used up, and its steps suit a person.
func TestSuitesThatAreNotUsed(t *testing.T) {
	for rest, used := range map[string]bool{
		"QN08": false, "QN08-PSHA1": false, "QN08-S064": false, "C-QN08": true, "C-QN08-PSHA1": true,
		"QN08-T19S": false, "QN08-T20S": true, "QN08-T2M": true, "QN08-T3M": false, "QN08-T1H": false, "C-QN08-T1M": true, "C-QN08-T1H": false,
	} {
		if why := parse(t, "OCRA-1:HOTP-SHA256-8:"+rest).Fault(); (why == "") != used {
			t.Errorf("%s: %q", rest, why)
		}
	}
}

func TestInputsThatDoNotFit(t *testing.T) {
	for name, v := range map[string]struct {
		suite string
		in    ocra.Input
		fits  bool
	}{
		"a short question":          {"C-QN08", ocra.Input{Question: "123"}, false},
		"the shortest":              {"C-QN08", ocra.Input{Question: "1234"}, true},
		"two full questions":        {"C-QN08", ocra.Input{Question: "1234567812345678"}, true},
		"more than two":             {"C-QN08", ocra.Input{Question: "12345678123456781"}, false},
		"letters":                   {"C-QN08", ocra.Input{Question: "1234567a"}, false},
		"a letter in the middle":    {"C-QN08", ocra.Input{Question: "123a5678"}, false},
		"a sign":                    {"C-QN08", ocra.Input{Question: "-1234567"}, false},
		"full-width digits":         {"C-QN08", ocra.Input{Question: "１２３４"}, false},
		"hexadecimal":               {"C-QH08", ocra.Input{Question: "12aF"}, true},
		"no hexadecimal":            {"C-QH08", ocra.Input{Question: "12aG"}, false},
		"alphanumeric":              {"C-QA08", ocra.Input{Question: "azAZ09"}, true},
		"a space":                   {"C-QA08", ocra.Input{Question: "az AZ"}, false},
		"not ASCII":                 {"C-QA08", ocra.Input{Question: "əəəə"}, false},
		"a PIN that is not hashed":  {"C-QN08-PSHA1", ocra.Input{Question: "1234", PIN: []byte("1234")}, false},
		"another hash's PIN":        {"C-QN08-PSHA1", ocra.Input{Question: "1234", PIN: make([]byte, 32)}, false},
		"a session that is longer":  {"C-QN08-S004", ocra.Input{Question: "1234", Session: make([]byte, 5)}, false},
		"a session that is shorter": {"C-QN08-S004", ocra.Input{Question: "1234", Session: make([]byte, 1)}, true},
	} {
		data, err := parse(t, "OCRA-1:HOTP-SHA256-8:"+v.suite).DataInput(v.in)
		if (err == nil) != v.fits || !v.fits && (!errors.Is(err, ocra.ErrInput) || data != nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestQuestionsAreDerivedAsDocumented(t *testing.T) {
	sum := make([]byte, 32)
	sum[31], sum[30] = 0x39, 0x30 // 12345
	for suite, want := range map[string]string{
		"C-QN08": "00012345", "C-QN04": "2345", "C-QH10": "0000000000", "C-QA64": strings.Repeat("0", 60) + "3039", "C-QN64": strings.Repeat("0", 59) + "12345",
	} {
		if got := parse(t, "OCRA-1:HOTP-SHA256-8:"+suite).Derive(sum); got != want {
			t.Errorf("%s: %s, want %s", suite, got, want)
		}
	}
}

// vectors are those of docs/otp.md; their codes are computed in authn/otp.
type vectors struct {
	Challenge, SHA256 string
	Derived           []struct{ Suite, Question string }
	Typed             []struct {
		Suite, Account, Question string
		AmountMinor              int64    `json:"amount_minor"`
		TypeOnDevice             []string `json:"type_on_device"`
	}
}

func TestQuestionsOfTheDocument(t *testing.T) {
	var v vectors
	b, err := os.ReadFile("../../testdata/ocra.json")
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	sum, err := hex.DecodeString(v.SHA256)
	if err != nil || len(v.Derived) < 3 || len(v.Typed) < 3 {
		t.Fatalf("%v, %d, %d", err, len(v.Derived), len(v.Typed))
	}
	for _, d := range v.Derived {
		if got := parse(t, d.Suite).Derive(sum); got != d.Question {
			t.Errorf("%s: %s, want %s", d.Suite, got, d.Question)
		}
	}
	for _, y := range v.Typed {
		question, typed, err := parse(t, y.Suite).Typed(y.AmountMinor, y.Account)
		if err != nil || question != y.Question || !slices.Equal(typed, y.TypeOnDevice) {
			t.Errorf("%s: %s %q, %v; want %s", y.Suite, question, typed, err, y.Question)
		}
	}
}

func TestPaymentsThatCannotBeTyped(t *testing.T) {
	const account = "AZ21NABZ00000000137010001944"
	for name, v := range map[string]struct {
		suite   string
		amount  int64
		account string
		want    string // question; "" for a refusal
	}{
		"too short a question":     {"C-QN08", 1, account, ""},
		"eleven digits":            {"C-QN11", 1, account, ""},
		"twelve":                   {"C-QN12", 1, account, "110001944"},
		"its largest amount":       {"C-QN12", 9999, account, "999910001944"},
		"an amount beyond it":      {"C-QN12", 10000, account, ""},
		"seventeen: nine digits":   {"C-QN17", 99999999, account, "99999999010001944"},
		"twenty: twelve digits":    {"C-QN20", 99999999, account, "99999999137010001944"},
		"one more is too much":     {"C-QN20", 100000000, account, ""},
		"sixty-four: twelve still": {"C-QN64", math.MaxInt64, account, "9223372036854775807137010001944"},
		"alphanumeric":             {"C-QA20", 1, account, "1137010001944"},
		"hexadecimal":              {"C-QH20", 1, account, ""},
		"nothing":                  {"C-QN20", 0, account, ""},
		"less than nothing":        {"C-QN20", -1, account, ""},
		"the least of all":         {"C-QN20", math.MinInt64, account, ""},
		"no account":               {"C-QN20", 1, "", ""},
		"seven digits":             {"C-QN20", 1, "1234567", ""},
		"eight digits":             {"C-QN20", 1, "12345678", "1000012345678"},
		"eight, and no room more":  {"C-QN16", 1, "12345678", "112345678"},
		"spaces and strokes":       {"C-QN20", 1, "12-34 56/78.9", "1000123456789"},
		"full-width digits":        {"C-QN20", 1, "１２３４５６７８９０", ""},
		"a letter of another land": {"C-QN20", 1, "12345678ə", ""},
		"a new line":               {"C-QN20", 1, "12345678\n", ""},
	} {
		question, typed, err := parse(t, "OCRA-1:HOTP-SHA256-8:"+v.suite).Typed(v.amount, v.account)
		if question != v.want || (err == nil) != (v.want != "") || strings.Join(typed, "") != v.want || err != nil && !errors.Is(err, ocra.ErrTyped) {
			t.Errorf("%s: %q %q, %v", name, question, typed, err)
		}
	}
}

func FuzzParseSuite(f *testing.F) {
	for _, s := range []string{"OCRA-1:HOTP-SHA256-8:C-QN08", "OCRA-1:HOTP-SHA512-8:QN08-T1M", "OCRA-1:HOTP-SHA1-6:QH40-PSHA1-S064-T48H", "OCRA-1:HOTP-SHA1-6:QA10", "OCRA-1:HOTP-SHA1-0:QA10"} {
		f.Add(s, "12345678", []byte("session"))
	}
	f.Fuzz(func(t *testing.T, text, question string, session []byte) {
		s, err := ocra.ParseSuite(text)
		if err != nil {
			return
		}
		if s.Text != text || s.Digits < 6 || s.Digits > 10 || s.QuestionLength < 4 || s.QuestionLength > 64 || s.SessionLength > 512 || s.TimeStep > 48*3600 {
			t.Fatalf("%q: out of bounds: %+v", text, s)
		}
		if s.Fault() == "" && !s.Counter && s.TimeStep == 0 {
			t.Fatalf("%q is used, and nothing of it is used up", text)
		}
		if q := s.Derive(make([]byte, 32)); !s.Fits(q) || len(q) != s.QuestionLength {
			t.Fatalf("%q: the derived question %q does not fit", text, q)
		}
		in := ocra.Input{Question: question, Session: session, PIN: make([]byte, map[hsm.Hash]int{hsm.SHA1: 20, hsm.SHA256: 32, hsm.SHA512: 64}[s.PINHash])}
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
		if len(data) != want || !strings.HasPrefix(string(data), text+"\x00") {
			t.Fatalf("%q: %d bytes of data input, want %d", text, len(data), want)
		}
	})
}

// What is typed leads back to amount and account: no two payments with other
// digits share a question.
func FuzzTyped(f *testing.F) {
	f.Add(uint8(20), true, int64(150000), "AZ21NABZ00000000137010001944")
	f.Add(uint8(12), false, int64(9999), "12345678")
	f.Fuzz(func(t *testing.T, length uint8, numeric bool, amount int64, account string) {
		s := ocra.Suite{Text: "x", QuestionFormat: 'A', QuestionLength: int(length%61) + 4, Counter: true}
		if numeric {
			s.QuestionFormat = 'N'
		}
		question, typed, err := s.Typed(amount, account)
		if err != nil {
			return
		}
		n := s.AccountDigits()
		if !s.Fits(question) || len(typed) != 2 || typed[0]+typed[1] != question || len(typed[1]) != n || n < 8 || amount < 1 || question[0] == '0' {
			t.Fatalf("%d %q: %q %q", amount, account, question, typed)
		}
		again, _, err := s.Typed(amount, typed[1])
		if err != nil || again != question {
			t.Fatalf("%q and %q, %v", question, again, err)
		}
		if other, _, err := s.Typed(amount-1, account); err == nil && other == question {
			t.Fatalf("two amounts make %q", question)
		}
	})
}
