package pskc_test

import (
	"strings"
	"testing"
	"time"

	"mohur/hsm"
	"mohur/tokens/pskc"
	"mohur/tokens/pskc/pskctest"
)

func TestRecognisedAlgorithms(t *testing.T) {
	for uri, want := range map[string]pskc.Algorithm{
		"urn:ietf:params:xml:ns:keyprov:pskc:hotp":     pskc.HOTP,
		"urn:ietf:params:xml:ns:keyprov:pskc#hotp":     pskc.HOTP,
		"urn:ietf:params:xml:ns:keyprov:pskc:1.0#hotp": pskc.HOTP,
		"http://www.ietf.org/keyprov/pskc#hotp":        pskc.HOTP,
	} {
		doc := with(t, pskctest.File{Keys: []pskctest.Key{hotp}}.Plain(), "urn:ietf:params:xml:ns:keyprov:pskc:hotp", uri)
		if o := read(doc, plain); len(o.keys) != 1 || o.keys[0].Algorithm != want {
			t.Errorf("%s: %v %+v", uri, o.keys, o.rejected)
		}
	}
	for _, uri := range []string{"pskc:totp", "pskc#totp", "pskc#TOTP"} {
		doc := with(t, pskctest.File{Keys: []pskctest.Key{totp}}.Plain(), "pskc:totp", uri)
		if o := read(doc, plain); len(o.keys) != 1 || o.keys[0].Algorithm != pskc.TOTP || o.keys[0].Step != 30*time.Second {
			t.Errorf("%s: %v %+v", uri, o.keys, o.rejected)
		}
	}
	for _, uri := range []string{"pskc:ocra", "pskc:ocra-1", "pskc:OCRA-1", "pskc#OCRA-1", "pskc#OCRA-1:HOTP-SHA256-8:C-QN08"} {
		doc := with(t, pskctest.File{Keys: []pskctest.Key{ocra}}.Plain(), "pskc:ocra", uri)
		o := read(doc, plain)
		if len(o.keys) != 1 || o.keys[0].Suite != ocra.Suite || o.keys[0].Digits != 8 || o.keys[0].Hash != hsm.SHA256 {
			t.Errorf("%s: %v %+v", uri, o.keys, o.rejected)
		}
	}
}

func TestRecognisedHashes(t *testing.T) {
	for suite, want := range map[string]hsm.Hash{
		"HMAC-SHA1": hsm.SHA1, "SHA1": hsm.SHA1, "HMAC-SHA-1": hsm.SHA1,
		"HMAC-SHA256": hsm.SHA256, "sha-256": hsm.SHA256, "HMAC-SHA512": hsm.SHA512,
	} {
		doc := with(t, pskctest.File{Keys: []pskctest.Key{totp}}.Plain(), params, params+"<Suite> "+suite+"\n</Suite>")
		if o := read(doc, plain); len(o.keys) != 1 || o.keys[0].Hash != want {
			t.Errorf("%s: %v %+v", suite, o.keys, o.rejected)
		}
	}
}

func TestOCRASuites(t *testing.T) {
	type want struct {
		digits int
		step   time.Duration
	}
	for suite, want := range map[string]want{
		"OCRA-1:HOTP-SHA1-6:QN08":                 {6, 0}, // the counter is not needed, and left alone
		"OCRA-1:HOTP-SHA256-8:C-QN08-PSHA1":       {8, 0},
		"OCRA-1:HOTP-SHA512-8:QN08-T1M":           {8, time.Minute},
		"OCRA-1:HOTP-SHA512-10:QA64-S064-T48H":    {10, 48 * time.Hour},
		"OCRA-1:HOTP-SHA1-6:QH08-S512":            {6, 0},
		"OCRA-1:HOTP-SHA1-6:QH8":                  {}, // two digits (RFC 6287 section 6.3)
		"OCRA-1:HOTP-SHA1-4:QN08":                 {},
		"OCRA-1:HOTP-SHA1-0:QN08":                 {},
		"OCRA-1:HOTP-SHA1-6:C":                    {},
		"OCRA-1:HOTP-SHA1-6:QN03":                 {},
		"OCRA-1:HOTP-SHA1-6:QN65":                 {},
		"OCRA-1:HOTP-SHA1-6:QN08-T0M":             {},
		"OCRA-1:HOTP-SHA1-6:QN08-T60S":            {},
		"OCRA-1:HOTP-SHA1-6:QN08-T49H":            {},
		"OCRA-1:HOTP-SHA1-6:QN08-T1M-PSHA1":       {},
		"OCRA-1:HOTP-MD5-6:QN08":                  {},
		"ocra-1:hotp-sha1-6:qn08":                 {},
		"OCRA-2:HOTP-SHA1-6:QN08":                 {},
		"OCRA-1:HOTP-SHA1-6:QN08 ":                {6, 0}, // white space around the text of an element
		"OCRA-1:HOTP-SHA1-6:QN08-":                {},
		"OCRA-1:HOTP-SHA1-6:C-QN08\u200b":         {},
		"OCRA-1:HOTP-SHA1-6:QN" + "0800000000000": {},
	} {
		k := ocra
		k.Suite = suite
		o := read(pskctest.File{Keys: []pskctest.Key{k}}.Plain(), plain)
		if want.digits == 0 {
			if o.err != nil || len(o.keys) != 0 {
				t.Errorf("%q was taken: %v", suite, o.err)
			}
			continue
		}
		if len(o.keys) != 1 || o.keys[0].Digits != want.digits || o.keys[0].Step != want.step || o.keys[0].Suite != strings.TrimSpace(suite) {
			t.Errorf("%q: %#v %+v", suite, fields(o.keys), o.rejected)
		}
	}
}
