package otp_test

import (
	"errors"
	"testing"
	"time"

	"mohur/authn/otp"
	"mohur/hsm"
	"mohur/hsm/hsmtest"
	"mohur/settle"
)

const (
	clientSuite = "OCRA-1:HOTP-SHA512-8:C-QA08-PSHA1"
	serverSuite = "OCRA-1:HOTP-SHA512-8:C-QA08"
)

// In mutual mode the server proves itself first: a client that gets a wrong
// response answers nothing (RFC 6287 section 7.2).
func TestMutualChallengeResponse(t *testing.T) {
	m := hsmtest.SoftHSM(t)
	d := ocraDevice(t, clientSuite)
	server, err := otp.ParseSuite(serverSuite)
	if err != nil {
		t.Fatal(err)
	}
	r := otp.Response{Credential: d.Credential, Profile: profile(t), Hot: settle.Hot{Counter: 5}, Question: "SRV11110", ClientQuestion: "CLI22220", PIN: "1234"}
	rs, err := otp.ServerResponse(t.Context(), m, r, server)
	if err != nil {
		t.Fatal(err)
	}
	mine := d
	mine.Suite = serverSuite
	if want := mine.answer(t, otp.Input{Counter: 5, Question: "CLI22220SRV11110"}); rs != want {
		t.Fatalf("the server's response is %s, the client expects %s", rs, want)
	}
	other := r
	other.Credential.Seed = wrap(t, m, rfcKey(31))
	if wrong, err := otp.ServerResponse(t.Context(), m, other, server); err != nil || wrong == rs {
		t.Errorf("a server with another seed answers the same: %v", err)
	}
	pin := goHashes[hsm.SHA1]()
	pin.Write([]byte("1234"))
	r.Code = d.answer(t, otp.Input{Counter: 5, Question: "SRV11110CLI22220", PIN: pin.Sum(nil)})
	if e := verify(t, r); !e.Match || e.Next != 6 {
		t.Errorf("the client's answer: %+v", e)
	}
	reflected := r
	reflected.Code = rs
	expect(t, "the server's own response", verify(t, reflected), otp.WrongCode)
	swapped := r
	swapped.Question, swapped.ClientQuestion = r.ClientQuestion, r.Question
	expect(t, "the questions the other way round", verify(t, swapped), otp.WrongCode)
	wrongPIN := r
	wrongPIN.PIN = "1235"
	expect(t, "another PIN", verify(t, wrongPIN), otp.WrongCode)
	noPIN := r
	noPIN.PIN = ""
	expect(t, "no PIN", verify(t, noPIN), otp.PINMissing)
}

func TestTheServerAnswersNoQuestionThatCouldBeAnAnswer(t *testing.T) {
	good := otp.Response{Credential: ocraDevice(t, clientSuite).Credential, Profile: profile(t), Question: "SRV11110", ClientQuestion: "CLI22220", At: time.Unix(1e9, 0)}
	for name, v := range map[string]struct {
		server string
		change func(*otp.Response)
	}{
		"one suite both ways": {serverSuite, func(r *otp.Response) { r.Credential = ocraDevice(t, serverSuite).Credential }},
		"questions of seven": {"OCRA-1:HOTP-SHA512-8:C-QA07", func(r *otp.Response) {
			r.Credential, r.Question, r.ClientQuestion = ocraDevice(t, "OCRA-1:HOTP-SHA512-6:C-QA07").Credential, "SRV1111", "CLI2222"
		}},
		"a suite with a PIN":        {"OCRA-1:HOTP-SHA512-6:C-QA08-PSHA1", nil},
		"no counter":                {"OCRA-1:HOTP-SHA512-8:QA08", nil},
		"a time":                    {"OCRA-1:HOTP-SHA512-8:C-QA08-T1M", nil},
		"questions of another kind": {"OCRA-1:HOTP-SHA512-8:C-QN08", nil},
		"longer questions":          {"OCRA-1:HOTP-SHA512-8:C-QA10", nil},
		"a short client's question": {serverSuite, func(r *otp.Response) { r.ClientQuestion = "CLI2222" }},
		"a long client's question":  {serverSuite, func(r *otp.Response) { r.ClientQuestion = "CLI222200" }},
		"no client's question":      {serverSuite, func(r *otp.Response) { r.ClientQuestion = "" }},
		"its own question back":     {serverSuite, func(r *otp.Response) { r.ClientQuestion = r.Question }},
		"a question with a space":   {serverSuite, func(r *otp.Response) { r.ClientQuestion = "CLI 2222" }},
	} {
		r := good
		if v.change != nil {
			v.change(&r)
		}
		server, err := otp.ParseSuite(v.server)
		if err != nil {
			t.Fatal(err)
		}
		if rs, err := otp.ServerResponse(t.Context(), hsmtest.SoftHSM(t), r, server); !errors.Is(err, otp.ErrMutual) || rs != "" {
			t.Errorf("%s: %q, %v", name, rs, err)
		}
	}
}
