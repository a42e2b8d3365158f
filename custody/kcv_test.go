package custody_test

import (
	"encoding/hex"
	"testing"

	"mohur/custody"
)

// The keys are those of RFC 4493, FIPS 197 and NIST SP 800-38A; the blocks were
// computed with OpenSSL 3.0 (openssl mac CMAC, openssl enc -aes-*-ecb).
var kcvs = []struct{ key, cmac, ecb string }{
	{"2b7e151628aed2a6abf7158809cf4f3c", "7AD386C376", "7DF76B0C1A"},
	{"000102030405060708090a0b0c0d0e0f", "BE7ED6AE78", "C6A13B3787"},
	{"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", "1A0B2DF267", "E568F68194"},
}

func TestKCV(t *testing.T) {
	for _, v := range kcvs {
		key, err := hex.DecodeString(v.key)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := custody.KCVOf(key)
		if want := (custody.KCV{CMAC: v.cmac[:6], ECB: v.ecb[:6]}); !ok || got != want {
			t.Errorf("%s: %+v, want %+v", v.key, got, want)
		}
		for form, value := range map[custody.Form]string{custody.CMAC: v.cmac, custody.ECB: v.ecb} {
			for n := 6; n <= 10; n += 2 {
				if e := (custody.Expected{Form: form, Value: value[:n]}); !e.Valid() || !e.Is(key) {
					t.Errorf("%+v is not that of %s", e, v.key)
				}
			}
			other := custody.CMAC
			if form == custody.CMAC {
				other = custody.ECB
			}
			for _, e := range []custody.Expected{
				{Form: other, Value: value}, {Form: form, Value: value[:8] + "00"}, {Form: form, Value: "00" + value[2:]},
				{Form: form}, {Form: form, Value: value[:4]}, {Form: form, Value: value[:7]}, {Form: form, Value: value + "00"}, {Form: form, Value: "zz" + value[2:]},
				{Value: value[:6]}, {Form: "des", Value: value[:6]},
			} {
				if e.Is(key) {
					t.Errorf("%+v is taken for that of %s", e, v.key)
				}
			}
		}
	}
	for _, n := range []int{0, 15, 17, 24, 31, 33} {
		if _, ok := custody.KCVOf(make([]byte, n)); ok {
			t.Errorf("%d bytes have a check value", n)
		}
	}
}
