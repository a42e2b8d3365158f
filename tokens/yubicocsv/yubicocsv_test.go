package yubicocsv_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"mohur/hsm"
	"mohur/tokens/seedfile"
	"mohur/tokens/yubicocsv"
)

const seed = "3132333435363738393031323334353637383930"

// outcome is everything that came out of one reading.
type outcome struct {
	keys     []seedfile.Key
	rejected []seedfile.Rejection
	sum      seedfile.Summary
	err      error
}

func read(doc []byte, digits int) (o outcome) {
	o.sum, o.err = yubicocsv.Read(context.Background(), bytes.NewReader(doc), seedfile.Options{Digits: digits}, func(k seedfile.Key) error {
		k.Secret = bytes.Clone(k.Secret)
		o.keys = append(o.keys, k)
		return nil
	}, func(r seedfile.Rejection) { o.rejected = append(o.rejected, r) })
	return o
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	doc, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestClause5_20_Traditional(t *testing.T) {
	o := read(sample(t, "traditional.csv"), 0)
	if o.err != nil || len(o.keys) != 2 || o.sum.Keys != 6 || o.sum.Rejected != 4 {
		t.Fatalf("%v %+v %+v %v", o.keys, o.rejected, o.sum, o.err)
	}
	for i, want := range []struct {
		id      string
		digits  int
		counter uint64
	}{{"slot1", 6, 0}, {"slot2", 8, 1048560}} {
		k := o.keys[i]
		if k.Serial != "ubhe00000001" || k.KeyID != want.id || k.Digits != want.digits || k.Counter != want.counter ||
			k.Algorithm != seedfile.HOTP || k.Hash != hsm.SHA1 || k.Manufacturer != "Yubico" || string(k.Secret) != "12345678901234567890" {
			t.Errorf("%s: %d digits, counter %d", k, k.Digits, k.Counter)
		}
	}
	for i, want := range []string{`mode "Yubico OTP"`, `mode "Static Password"`, `mode "Challenge-Response: HMAC-SHA1"`, "no public id"} {
		if r := o.rejected[i]; !strings.Contains(r.Reason, want) || r.Index != i+3 {
			t.Errorf("%+v, want %q", r, want)
		}
	}
}

func TestClause5_20_YubicoFormat(t *testing.T) {
	o := read(sample(t, "yubico.csv"), 6)
	if o.err != nil || len(o.keys) != 2 || o.sum.Keys != 5 {
		t.Fatalf("%v %+v %+v %v", o.keys, o.rejected, o.sum, o.err)
	}
	if k := o.keys[1]; k.Serial != "1382042" || k.KeyID != "hotp" || k.Counter != 16 || k.Digits != 6 {
		t.Errorf("%s, counter %d, %d digits", k, k.Counter, k.Digits)
	}
	for i, want := range []string{"challenge-response", "Yubico OTP", "static password"} {
		if !strings.Contains(o.rejected[i].Reason, want) {
			t.Errorf("%+v, want %q", o.rejected[i], want)
		}
	}
	o = read(sample(t, "yubico.csv"), 0)
	if o.err != nil || len(o.keys) != 0 || !strings.Contains(o.rejected[0].Reason, "how many digits") {
		t.Errorf("without a profile: %v %+v %v", o.keys, o.rejected, o.err)
	}
}

func TestLinesThatAreRejected(t *testing.T) {
	good := "OATH-HOTP,11.12.13 18:55,1,ubhe00000001,," + seed + ",,,0,0,0,6,0,0,0,0,0,0"
	with := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for line, reason := range map[string]string{
		with(",0,0,0,0,0", ""):             "13 columns",
		with(",1,ubhe", ",3,ubhe"):         "slot",
		with(",6,0", ",7,0"):               "6 nor 8",
		with(",6,0", ",0,0"):               "6 nor 8",
		with(",6,0,", ",6,x,"):             "moving factor",
		with(",6,0,", ",6,,"):              "no moving factor",
		with(",6,0,", ",6,1048577,"):       "moving factor",
		with(seed, seed[1:]):               "not hexadecimal",
		with(seed, ""):                     "0 bytes",
		with("ubhe00000001", "ubhe 00001"): "serial number is not",
		"OATH-HOTP":                        "1 columns",
		"Configuration Swap,11.12.13,,,,,,,0,0,0,0,0,0,0,0,0,0": "Configuration Swap",
		"my own format":     "neither of the traditional",
		"1,2,3,4,5,6,":      "neither of the traditional",
		"508326,,0," + seed: "neither of the traditional",
	} {
		o := read([]byte(line+"\n"+strings.Replace(good, "00000001", "00000002", 1)+"\n"), 6)
		if o.err != nil || len(o.keys) != 1 || len(o.rejected) != 1 || !strings.Contains(o.rejected[0].Reason, reason) {
			t.Errorf("%q: %v %+v %v", line, o.keys, o.rejected, o.err)
		}
	}
}

// A key that was programmed twice stands in the log twice, and only the maker knows
// which of the two seeds it holds: the first is taken and the second told.
func TestAKeyProgrammedTwice(t *testing.T) {
	line := "OATH-HOTP,11.12.13 18:55,1,ubhe00000001,," + seed + ",,,0,0,0,6,0,0,0,0,0,0\n"
	o := read([]byte(line+strings.Replace(line, "3132", "3133", 1)), 0)
	if len(o.keys) != 1 || len(o.rejected) != 1 || !strings.Contains(o.rejected[0].Reason, "twice") {
		t.Errorf("%v %+v %v", o.keys, o.rejected, o.err)
	}
}

func TestRecognises(t *testing.T) {
	for line, want := range map[string]bool{
		"LOGGING START,11.12.13 18:55": true, "508326,,0," + seed + ",,2013-12-12T08:41:07,": true,
		"OATH-HOTP,11.12.13 18:55,1,ubhe00000001,," + seed + ",,,0,0,0,6,0,0,0,0,0,0":                        true,
		"Static Password: Scan Code,11.12.13 19:05,1,040716040416070416041607041607,,,,,0,0,0,0,0,0,0,0,0,0": true,
		"OATH-HOTP,1,2": false, "A-1," + seed + ",hotp,6": false, "": false, "1,2,3,4,5,6,7": false, "<KeyContainer": false,
		"508326,,0," + seed + ",,yesterday,": false, "x,,0," + seed + ",,2013-12-12T08:41:07,": false,
	} {
		if yubicocsv.Recognises([]byte(line)) != want {
			t.Errorf("%q: %v", line, !want)
		}
	}
}

// FuzzRead: nothing panics, a refused file gives out nothing, every record is given
// out or rejected, and every key keeps to its bounds.
func FuzzRead(f *testing.F) {
	f.Add(sample(f, "traditional.csv"), 0)
	f.Add(sample(f, "yubico.csv"), 6)
	f.Add([]byte("LOGGING START\nOATH-HOTP,,,,,,,,,,,,,,,,,,,,,"), 8)
	f.Fuzz(func(t *testing.T, doc []byte, digits int) {
		digits = 6 + 2*(digits&1)
		o := read(doc, digits)
		var refused *seedfile.FileError
		if o.err != nil && (len(o.keys)+len(o.rejected) != 0 || !errors.As(o.err, &refused)) {
			t.Fatalf("%d keys, %d rejections with %v", len(o.keys), len(o.rejected), o.err)
		}
		if o.err == nil && (o.sum.Keys == 0 || o.sum.Keys != len(o.keys)+len(o.rejected)) {
			t.Fatalf("%d keys, %d rejections, %+v", len(o.keys), len(o.rejected), o.sum)
		}
		for _, k := range o.keys {
			if seedfile.Names(k.Serial, k.KeyID) != nil || len(k.Secret) < 16 || len(k.Secret) > 64 || k.Digits != 6 && k.Digits != 8 || k.Counter > 1<<20 || k.Algorithm != seedfile.HOTP {
				t.Fatalf("out of bounds: %s, %d digits, counter %d", k, k.Digits, k.Counter)
			}
		}
	})
}
