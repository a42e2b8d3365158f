package oathcsv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"mohur/hsm"
	"mohur/tokens/oathcsv"
	"mohur/tokens/seedfile"
)

const seed = "3132333435363738393031323334353637383930"

var (
	seed20 = []byte("12345678901234567890")
	seed32 = []byte("12345678901234567890123456789012")
	acme   = seedfile.Options{Manufacturer: "Acme"}
)

// outcome is everything that came out of one reading.
type outcome struct {
	keys     []seedfile.Key
	rejected []seedfile.Rejection
	sum      seedfile.Summary
	err      error
}

func read(doc []byte, opt seedfile.Options) (o outcome) {
	o.sum, o.err = oathcsv.Read(context.Background(), bytes.NewReader(doc), opt, func(k seedfile.Key) error {
		k.Secret = bytes.Clone(k.Secret)
		o.keys = append(o.keys, k)
		return nil
	}, func(r seedfile.Rejection) { o.rejected = append(o.rejected, r) })
	return o
}

func (o outcome) code() seedfile.Code {
	var refused *seedfile.FileError
	if errors.As(o.err, &refused) {
		return refused.Code
	}
	return ""
}

func sample(t testing.TB) []byte {
	t.Helper()
	doc, err := os.ReadFile("testdata/oath.csv")
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestClause5_20_OATHCSV(t *testing.T) {
	key := func(index int, serial string, a seedfile.Algorithm, digits int, step time.Duration) seedfile.Key {
		return seedfile.Key{Index: index, Manufacturer: "Acme", Serial: serial, KeyID: string(a), Algorithm: a, Hash: hsm.SHA1, Digits: digits, Step: step, Secret: seed20}
	}
	ocra := key(4, "OC-0004", seedfile.OCRA, 8, 0)
	ocra.Hash, ocra.Suite, ocra.Secret = hsm.SHA256, "OCRA-1:HOTP-SHA256-8:C-QN08", seed32
	want := []seedfile.Key{
		key(1, "OC-0001", seedfile.HOTP, 6, 0), key(2, "OC-0002", seedfile.TOTP, 8, 30*time.Second),
		key(3, "OC-0003", seedfile.TOTP, 6, time.Minute), ocra, key(5, "OC-0001", seedfile.TOTP, 6, 30*time.Second),
	}
	doc := sample(t)
	for name, doc := range map[string][]byte{
		"as it is": doc, "CRLF": bytes.ReplaceAll(doc, []byte("\n"), []byte("\r\n")), "marked": append([]byte("\xef\xbb\xbf"), doc...),
		"no end": bytes.TrimSpace(doc),
	} {
		o := read(doc, acme)
		if o.err != nil || len(o.rejected) != 0 || o.sum.Keys != 5 || o.sum.Delivered != 5 {
			t.Fatalf("%s: %+v %+v %v", name, o.sum, o.rejected, o.err)
		}
		for i, k := range o.keys {
			if !reflect.DeepEqual(k, want[i]) || !bytes.Equal(k.Secret, want[i].Secret) {
				t.Errorf("%s, key %d: %s, %d digits", name, i, k, k.Digits)
			}
		}
	}
}

// What a line does not say is not made up, and its fault is told; the rest goes in.
func TestLinesThatAreRejected(t *testing.T) {
	for line, reason := range map[string]string{
		"A-1":                                            "names no type",
		"A-1," + seed:                                    "names no type",
		"A-1," + seed + ",":                              "names no type",
		"A-1," + seed + ",yubikey":                       "the type in column 3 is not",
		"A-1," + seed + ",hotp":                          "no number of digits",
		"A-1," + seed + ",hotp,":                         "no number of digits",
		"A-1," + seed + ",hotp,six":                      "number of digits",
		"A-1," + seed + ",hotp,5":                        "codes of 5 digits",
		"A-1," + seed + ",hotp,10":                       "codes of 10 digits",
		"A-1," + seed + ",hotp,６":                        "number of digits",
		"A-1," + seed + ",hotp,+6":                       "number of digits",
		"A-1," + seed + ",hotp,99999999999999999999999":  "number of digits",
		"A-1," + seed + ",hotp,6,30":                     "readers differ",
		"A-1," + seed + ",totp,6":                        "no time step",
		"A-1," + seed + ",totp,6,1":                      "outside 10 to 300",
		"A-1," + seed + ",totp,6,-30":                    "time step",
		"A-1," + seed + ",totp,6,30,sha256":              "6 columns",
		"A-1," + seed + ",ocra":                          "no OCRA suite",
		"A-1," + seed + ",ocra,OCRA-1:HOTP-SHA1-4:QN08":  "OCRA suite",
		"A-1,,hotp,6":                                    "0 bytes",
		"A-1,31323,hotp,6":                               "not hexadecimal",
		"A-1,GEZDGNBVGY3TQOJQ,hotp,6":                    "not hexadecimal",
		"A-1,0x" + seed + ",hotp,6":                      "not hexadecimal",
		"A-1,313233,hotp,6":                              "3 bytes",
		"A-1," + strings.Repeat("aa", 65) + ",hotp,6":    "65 bytes",
		"," + seed + ",hotp,6":                           "no serial number",
		"A 1," + seed + ",hotp,6":                        "serial number is not",
		"\u202e1," + seed + ",hotp,6":                    "serial number is not",
		strings.Repeat("A", 65) + "," + seed + ",hotp,6": "serial number is not",
		`"A-1","` + seed + `","hotp","6"`:                "the type in column 3 is not",
		"A-1;" + seed + ";hotp;6":                        "names no type",
		"Z-9," + seed + ",hotp,8":                        "twice",
		"A-1,hotp," + seed:                               "the type in column 3 is not", // and the seed is not told
	} {
		o := read([]byte("Z-9,"+seed+",hotp,6\n"+line+"\nZ-8,"+seed+",hotp,6\n"), acme)
		if o.err != nil || len(o.keys) != 2 || len(o.rejected) != 1 {
			t.Errorf("%s: %v %+v %v", line, o.keys, o.rejected, o.err)
			continue
		}
		if r := o.rejected[0]; !strings.Contains(r.Reason, reason) || r.Index != 2 || r.Line != 2 || strings.ContainsAny(r.Serial, " \u202e") || strings.Contains(r.Reason, seed) {
			t.Errorf("%s: %+v", line, r)
		}
	}
}

func TestAttack12_FilesThatAreRefused(t *testing.T) {
	good := string(sample(t))
	for name, c := range map[string]struct {
		doc  string
		code seedfile.Code
	}{
		"empty":       {"", seedfile.CodeStructure},
		"comments":    {"# a\n\n# b\n", seedfile.CodeStructure},
		"UTF-16":      {"\xff\xfeA\x00", seedfile.CodeEncoding},
		"Latin-1":     {good + "\xe9,", seedfile.CodeEncoding},
		"NUL":         {good + "A\x00,", seedfile.CodeEncoding},
		"escape":      {good + "\x1b[2J,", seedfile.CodeEncoding},
		"ZIP":         {"PK\x03\x04" + good, seedfile.CodeArchive},
		"long line":   {good + strings.Repeat("a", 5000), seedfile.CodeLimit},
		"endless":     {strings.Repeat("a", 1<<20), seedfile.CodeLimit},
		"too large":   {good + strings.Repeat("\n", 100), seedfile.CodeLimit},
		"six records": {good + "A-6," + seed + ",hotp,6\n", seedfile.CodeLimit},
	} {
		opt := acme
		opt.MaxKeys, opt.MaxBytes = 5, 2<<20
		if name == "too large" {
			opt.MaxBytes = int64(len(good)) + 50
		}
		if o := read([]byte(c.doc), opt); o.code() != c.code || len(o.keys)+len(o.rejected) != 0 || o.sum != (seedfile.Summary{}) {
			t.Errorf("%s: %d keys, %d rejections, %v", name, len(o.keys), len(o.rejected), o.err)
		}
	}
}

// The seed is there during the call and gone after it; a caller who fails, and one
// who leaves, end the reading.
func TestSeedsAreClearedAndErrorsPassedOn(t *testing.T) {
	var kept [][]byte
	_, err := oathcsv.Read(t.Context(), bytes.NewReader(sample(t)), acme, func(k seedfile.Key) error {
		if !bytes.HasPrefix(k.Secret, seed20) {
			t.Errorf("%q", k.Secret)
		}
		kept = append(kept, k.Secret)
		return nil
	}, nil)
	if err != nil || len(kept) != 5 {
		t.Fatal(err)
	}
	for _, s := range kept {
		if !bytes.Equal(s, make([]byte, len(s))) {
			t.Errorf("%q is left", s)
		}
	}
	boom := errors.New("boom")
	sum, err := oathcsv.Read(t.Context(), bytes.NewReader(sample(t)), acme, func(k seedfile.Key) error {
		if k.Index == 3 {
			return boom
		}
		return nil
	}, nil)
	if !errors.Is(err, boom) || sum.Delivered != 2 {
		t.Errorf("%+v %v", sum, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = oathcsv.Read(ctx, bytes.NewReader(sample(t)), acme, func(seedfile.Key) error { cancel(); return nil }, nil)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestRecognises(t *testing.T) {
	for line, want := range map[string]bool{
		"serial, seed, type, otp length, time step": true, "A-1, " + seed + ", hotp, 6": true, "A," + seed + ",OCRA,x": true,
		"A-1," + seed: false, "A-1," + seed + ",hotp": false, "1,2": false, "": false, "<Tokens>": false, "LOGGING START,11.12.13": false,
		"508326,,0," + seed + ",,2013-12-12T08:41:07,": false, "serial,seed\n": false, "upn,serial number,secret key,time interval": false,
	} {
		if oathcsv.Recognises([]byte(line)) != want {
			t.Errorf("%q: %v", line, !want)
		}
	}
}

// FuzzRead: nothing panics, a refused file gives out nothing, every record is given
// out or rejected, and every key keeps to its bounds.
func FuzzRead(f *testing.F) {
	f.Add(sample(f))
	f.Add([]byte("A-1," + seed + ",hotp,6"))
	f.Add([]byte("\xef\xbb\xbfA-1," + seed + ",ocra,OCRA-1:HOTP-SHA512-10:C-QA64-T1M\r\n#\n,,,,\n"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		o := read(doc, acme)
		if o.err != nil && (len(o.keys)+len(o.rejected) != 0 || o.code() == "") {
			t.Fatalf("%d keys, %d rejections with %v", len(o.keys), len(o.rejected), o.err)
		}
		if o.err == nil && (o.sum.Keys == 0 || o.sum.Keys != len(o.keys)+len(o.rejected) || o.sum.Delivered != len(o.keys)) {
			t.Fatalf("%d keys, %d rejections, %+v", len(o.keys), len(o.rejected), o.sum)
		}
		seen := map[string]bool{}
		for _, k := range o.keys {
			id := fmt.Sprint(k.Serial, " ", k.KeyID)
			ok := !seen[id] && seedfile.Names(k.Serial, k.KeyID) == nil && len(k.Secret) >= 16 && len(k.Secret) <= 64 && k.Digits >= 6 && k.Digits <= 10 &&
				k.Hash >= hsm.SHA1 && k.Hash <= hsm.SHA512 && (k.Algorithm == seedfile.TOTP) == (k.Suite == "" && k.Step > 0)
			if !ok {
				t.Fatalf("out of bounds: %s, %d digits, step %s, suite %q", k, k.Digits, k.Step, k.Suite)
			}
			seen[id] = true
		}
		for _, r := range o.rejected {
			if r.Reason == "" || len(r.Reason) > 300 || len(r.Serial) > 70 {
				t.Fatalf("%+v", r)
			}
		}
	})
}
