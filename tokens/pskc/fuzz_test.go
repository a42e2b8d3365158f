package pskc_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mohur/hsm"
	"mohur/tokens/pskc"
	"mohur/tokens/pskc/pskctest"
)

// FuzzRead: whatever the bytes are, nothing panics, a refused file gives out
// nothing, every package is either given out or rejected, and every key keeps
// to the bounds that its consumer relies on.
func FuzzRead(f *testing.F) {
	samples, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(samples) == 0 {
		f.Fatal("no samples", err)
	}
	for _, name := range samples {
		doc, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc, byte(0))
		f.Add(doc, byte(1))
	}
	f.Add([]byte(laughs()), byte(0))
	f.Add(batch(3).Plain(), byte(0))
	f.Add(batch(3).Encrypted(transport), byte(1))
	f.Add(batch(3).Wrapped(transport), byte(1))
	f.Add(batch(3).Password(password), byte(2))
	f.Add(batch(3).Public(&bankKey().PublicKey, hsm.OAEP), byte(3))
	now := time.Date(2006, 5, 15, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, doc []byte, way byte) {
		opt := []pskc.Options{
			{AllowPlain: true}, {Decrypter: pskctest.TransportKey(unhex("12345678901234567890123456789012"))},
			{Password: []byte(password)}, {Decrypter: bankKey()},
		}[way%4]
		opt.Now = now
		o := read(doc, opt)
		if o.err != nil && (len(o.keys) != 0 || len(o.rejected) != 0 || o.code() == "" || len(o.err.Error()) > 300) {
			t.Fatalf("%d keys and %d rejections with %v", len(o.keys), len(o.rejected), o.err)
		}
		if o.err == nil && (len(o.keys) != o.sum.Delivered || len(o.rejected) != o.sum.Rejected || len(o.keys)+len(o.rejected) != o.sum.Keys || o.sum.Keys == 0) {
			t.Fatalf("%d keys, %d rejections, %+v", len(o.keys), len(o.rejected), o.sum)
		}
		for _, k := range o.keys {
			inBounds(t, k, now)
		}
		for _, r := range o.rejected {
			if r.Reason == "" || len(r.Serial) > 70 || len(r.KeyID) > 70 || len(r.Reason) > 300 {
				t.Fatalf("%+v", r)
			}
		}
	})
}

func inBounds(t *testing.T, k pskc.Key, now time.Time) {
	ok := len(k.Secret) >= 16 && len(k.Secret) <= 64 &&
		k.Digits >= 6 && k.Digits <= 10 &&
		k.Hash >= hsm.SHA1 && k.Hash <= hsm.SHA512 &&
		k.Counter < 1<<63 && k.Time < 1<<63 && k.Drift >= -120 && k.Drift <= 120 &&
		(k.Expiry.IsZero() || k.Expiry.After(now)) &&
		k.Manufacturer != "" && len(k.Manufacturer)+len(k.Model)+len(k.IssueNo)+len(k.Issuer)+len(k.FriendlyName)+len(k.UserID) <= 6*256
	for _, id := range []string{k.Serial, k.KeyID} {
		ok = ok && len(id) >= 1 && len(id) <= 64
		for _, c := range []byte(id) {
			ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || bytes.IndexByte([]byte("._:/-"), c) >= 0)
		}
	}
	switch k.Algorithm {
	case pskc.HOTP:
		ok = ok && k.Suite == "" && k.Step == 0
	case pskc.TOTP:
		ok = ok && k.Suite == "" && k.Counter == 0 && k.Step >= 10*time.Second && k.Step <= 300*time.Second
	case pskc.OCRA:
		ok = ok && len(k.Suite) >= len("OCRA-1:HOTP-SHA1-6:QN08")-1 && len(k.Suite) < 64
	default:
		ok = false
	}
	if !ok {
		t.Fatalf("out of bounds: %#v", fields([]pskc.Key{k}))
	}
}
