package otp_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"mohur/authn/otp"
	"mohur/hsm"
	"mohur/settle"
	"mohur/tokens"
)

// nobody is a module that must not be asked.
type nobody struct{}

func (nobody) HMACUnless(context.Context, hsm.WrappedSeed, hsm.Hash, func([]byte) bool, ...[]byte) ([][]byte, error) {
	return nil, errors.New("the module was asked")
}

// short is a module that answers too little.
type short struct{ messages, bytes int }

func (s short) HMACUnless(_ context.Context, _ hsm.WrappedSeed, _ hsm.Hash, _ func([]byte) bool, messages ...[]byte) ([][]byte, error) {
	out := make([][]byte, min(len(messages), s.messages))
	for i := range out {
		out[i] = make([]byte, s.bytes)
	}
	return out, nil
}

// A module that answers too little, or nothing, gives no verdict.
func TestAModuleThatAnswersTooLittle(t *testing.T) {
	r := otp.Response{Credential: tokens.Credential{Kind: tokens.HOTP, Hash: hsm.SHA1, Digits: 6}, Profile: profile(t), Code: "123456"}
	for name, m := range map[string]otp.HSM{
		"nothing": nobody{}, "one HMAC": short{1, 20}, "no bytes": short{1000, 0}, "nineteen bytes": short{1000, 19},
	} {
		if e, err := otp.Verify(t.Context(), m, r); err == nil || e != (otp.Evidence{}) {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
		if e, err := otp.Resync(t.Context(), m, r, [2]string{"000000", "000000"}); err == nil || e != (otp.Evidence{}) {
			t.Errorf("%s, resync: %+v, %v", name, e, err)
		}
	}
}

// Where counters share a code, live and dead ones, the first live one is used up.
func TestTheFirstLiveCounterWins(t *testing.T) {
	same := short{1000, 20} // twenty zero bytes for every message: 000000
	r := otp.Response{
		Credential: tokens.Credential{Kind: tokens.HOTP, Hash: hsm.SHA1, Digits: 6}, Profile: profile(t), Hot: settle.Hot{Counter: 7}, Code: "000000",
	}
	e, err := otp.Verify(t.Context(), same, r)
	if err != nil || e != (otp.Evidence{Match: true, Next: 8}) {
		t.Errorf("%+v, %v", e, err)
	}
	e, err = otp.Resync(t.Context(), same, r, [2]string{"000000", "000000"})
	if err != nil || e != (otp.Evidence{Match: true, Next: 9}) {
		t.Errorf("resync: %+v, %v", e, err)
	}
	r.Credential.Kind, r.Credential.Step, r.At = tokens.TOTP, 30, time.Unix(300, 0)
	r.Hot.Counter = 10
	e, err = otp.Verify(t.Context(), same, r)
	if err != nil || e != (otp.Evidence{Match: true, Next: 11}) {
		t.Errorf("by time: %+v, %v", e, err)
	}
}
