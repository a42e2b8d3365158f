package otp_test

import (
	"fmt"
	"testing"
	"time"

	"mohur/authn/otp"
	"mohur/settle"
)

// Clause 5.23: an OCRA answer with a time is taken within the steps its challenge
// can live for, and its step is used up like a TOTP's.
func TestClause5_23_WindowOfOCRAWithTime(t *testing.T) {
	const question = "12345678"
	for suite, rows := range map[string]map[int]otp.Reason{ // seconds after the step began → verdict
		"OCRA-1:HOTP-SHA256-9:QN08-T1M": {
			-121: otp.WrongCode, -120: otp.TooEarly, -61: otp.TooEarly, -60: "", -1: "", 0: "", 59: "", 60: "", 119: "", 120: otp.TooLate, 179: otp.TooLate, 180: otp.WrongCode,
		},
		"OCRA-1:HOTP-SHA1-9:QN08-T2M": { // a third step would be older than a challenge
			-121: otp.WrongCode, -120: otp.TooEarly, -1: otp.TooEarly, 0: "", 119: "", 120: "", 239: "", 240: otp.TooLate, 360: otp.WrongCode,
		},
		"OCRA-1:HOTP-SHA512-9:QN08-T20S": {
			-41: otp.WrongCode, -21: otp.TooEarly, -20: "", 39: "", 40: otp.TooLate, 60: otp.WrongCode,
		},
	} {
		d := ocraDevice(t, suite)
		s, err := otp.ParseSuite(suite)
		if err != nil {
			t.Fatal(err)
		}
		for _, factor := range []int64{1 << 20, 1 << 26} {
			begins := factor * int64(s.TimeStep)
			r := otp.Response{Credential: d.Credential, Profile: profile(t), Question: question, Code: d.answer(t, otp.Input{Question: question, Time: uint64(factor)})}
			for second, want := range rows {
				r.At = time.Unix(begins+int64(second), 0)
				e := verify(t, r)
				expect(t, fmt.Sprintf("%s, second %d", suite, second), e, want)
				if e.Match && e.Next != uint64(factor)+1 {
					t.Errorf("%s: %+v", suite, e)
				}
			}
			r.At = time.Unix(begins, 0)
			r.Hot = settle.Hot{Counter: uint64(factor) + 1}
			expect(t, suite+", used", verify(t, r), otp.Replayed)
			r.Hot = settle.Hot{}
			r.Question = "12345679"
			expect(t, suite+", another question", verify(t, r), otp.WrongCode)
		}
	}
}

// With a counter and a time, the counter is used up and the time has to be right.
func TestClause5_23_WindowOfOCRAWithCounterAndTime(t *testing.T) {
	d := ocraDevice(t, "OCRA-1:HOTP-SHA256-9:C-QN08-T1M")
	const step, next = 1 << 24, 40
	for _, v := range []struct {
		counter, time uint64
		want          otp.Reason
		drift         int8
	}{
		{next, step, "", 0}, {next + 10, step, "", 0}, {next, step - 1, "", -1}, {next + 10, step + 1, "", 1},
		{next, step - 2, otp.WrongCode, 0}, {next, step + 2, otp.WrongCode, 0}, {next + 11, step, otp.TooEarly, 0}, {next + 12, step, otp.WrongCode, 0},
		{next - 1, step, otp.Replayed, 0}, {next - 1, step - 1, otp.Replayed, 0}, {next - 2, step, otp.WrongCode, 0},
	} {
		e := verify(t, otp.Response{
			Credential: d.Credential, Profile: profile(t), Hot: settle.Hot{Counter: next}, Question: "0000", At: time.Unix(step*60+30, 0),
			Code: d.answer(t, otp.Input{Question: "0000", Counter: v.counter, Time: v.time}),
		})
		expect(t, fmt.Sprintf("%+v", v), e, v.want)
		if e.Match && (e.Next != v.counter+1 || e.Drift != v.drift) {
			t.Errorf("%+v: %+v", v, e)
		}
	}
}

// A suite with a session is answered within that session only.
func TestOCRAWithSession(t *testing.T) {
	d := ocraDevice(t, "OCRA-1:HOTP-SHA256-9:C-QA08-S064")
	r := otp.Response{Credential: d.Credential, Profile: profile(t), Question: "SIG10000", Session: []byte("session 1")}
	r.Code = d.answer(t, otp.Input{Question: r.Question, Session: r.Session})
	expect(t, "this session", verify(t, r), "")
	r.Session = []byte("session 2")
	expect(t, "another", verify(t, r), otp.WrongCode)
}
