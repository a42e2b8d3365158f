package pskc_test

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"mohur/hsm"
	"mohur/tokens/pskc"
	"mohur/tokens/pskc/pskctest"
	"mohur/tokens/seedfile"
)

// Every field of a Key that a file can state comes out as it went in.
func TestRoundTrip(t *testing.T) {
	start, expiry := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	want := []pskctest.Key{
		{Manufacturer: "Feitian Technology Co.,Ltd", Serial: "a.Z_0:9/-", Model: "c200 & <b>", IssueNo: "1", KeyID: "k", Issuer: "Bank",
			FriendlyName: "Schlüssel", UserID: "UID=1,DC=x", Algorithm: pskc.HOTP, Hash: hsm.SHA512, Digits: 9, Counter: 1<<63 - 1,
			Start: start, Expiry: expiry, Uses: 7, PIN: seedfile.PINPolicy{Mode: seedfile.PINLocal, MinLength: 4, MaxLength: 8}, Secret: seed64},
		{Manufacturer: "M", Serial: strings.Repeat("9", 64), KeyID: strings.Repeat("k", 64), Algorithm: pskc.TOTP, Hash: hsm.SHA256,
			Digits: 10, Step: time.Minute, Time: 1 << 40, Drift: -120, Secret: seed20[:16]},
		{Manufacturer: "M", Serial: "o", KeyID: "o", Algorithm: pskc.OCRA, Suite: "OCRA-1:HOTP-SHA256-8:C-QN08-PSHA1", Hash: hsm.SHA256,
			Digits: 8, Counter: 3, PIN: seedfile.PINPolicy{Mode: seedfile.PINAlgorithmic, MinLength: 4, MaxLength: 4}, Secret: seed32},
	}
	f := pskctest.File{Keys: want, KeyName: "acme 2026"}
	for i := range want {
		want[i].Index = i + 1
	}
	sha1 := pskctest.File{Keys: want, KeyName: "acme 2026", MAC: hsm.SHA1}
	for name, o := range map[string]outcome{
		"plain": read(f.Plain(), plain), "encrypted": read(f.Encrypted(transport), encrypted), "encrypted, SHA-1": read(sha1.Encrypted(transport), encrypted),
	} {
		if o.err != nil || !reflect.DeepEqual(o.keys, want) {
			t.Errorf("%s: %#v\n%+v %v", name, fields(o.keys), o.rejected, o.err)
		}
	}
}

func TestPrintingAKeyHidesTheSeed(t *testing.T) {
	k := hotp
	k.Algorithm, k.KeyID = pskc.HOTP, "k"
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		got := fmt.Sprintf(format, k) + fmt.Sprintf(format, &k) + k.LogValue().String()
		if strings.Contains(got, "1234") || strings.Contains(got, "3132") || strings.Contains(got, "49 50") {
			t.Errorf("%s: %s", format, got)
		}
	}
	if got := fmt.Sprint(k); got != `hotp key "k" of "" "A-1"` {
		t.Error(got)
	}
}

func TestSecretIsCleared(t *testing.T) {
	for name, doc := range map[string][]byte{"plain": batch(3).Plain(), "encrypted": batch(3).Encrypted(transport)} {
		opt := plain
		if name == "encrypted" {
			opt = encrypted
		}
		var kept [][]byte
		_, err := pskc.Read(t.Context(), bytes.NewReader(doc), opt, func(k pskc.Key) error {
			if !bytes.HasPrefix(k.Secret, seed20) {
				t.Errorf("%s: seed %q", name, k.Secret)
			}
			kept = append(kept, k.Secret)
			return nil
		}, nil)
		if err != nil || len(kept) != 3 {
			t.Fatal(err)
		}
		for _, s := range kept {
			if !bytes.Equal(s, make([]byte, len(s))) {
				t.Errorf("%s: %q is left", name, s)
			}
		}
	}
}
