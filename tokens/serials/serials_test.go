package serials_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"mohur/tokens/seedfile"
	"mohur/tokens/serials"
)

var unnamed = seedfile.Options{Manufacturer: "unknown"}

// outcome is everything that came out of one reading.
type outcome struct {
	keys     []seedfile.Key
	rejected []seedfile.Rejection
	sum      seedfile.Summary
	err      error
}

func read(doc []byte, opt seedfile.Options) (o outcome) {
	o.sum, o.err = serials.Read(context.Background(), bytes.NewReader(doc), opt,
		func(k seedfile.Key) error { o.keys = append(o.keys, k); return nil },
		func(r seedfile.Rejection) { o.rejected = append(o.rejected, r) })
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
	doc, err := os.ReadFile("testdata/serials.csv")
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestClause5_20_Serials(t *testing.T) {
	key := func(index int, serial, maker, model string) seedfile.Key {
		return seedfile.Key{Index: index, Serial: serial, Manufacturer: maker, Model: model}
	}
	want := []seedfile.Key{
		key(1, "0A0B0C01", "Acme", "Acme Key 5"), key(2, "0A0B0C02", "Acme", "Acme Key 5"), key(3, "0A0B0C02", "Other Maker", ""),
		key(4, "0A0B0C03", "unknown", ""), key(5, "0a0b0c01", "unknown", "Acme Key 5"),
	}
	doc := sample(t)
	for name, doc := range map[string][]byte{
		"as it is": doc, "CRLF": bytes.ReplaceAll(doc, []byte("\n"), []byte("\r\n")), "marked": append([]byte("\xef\xbb\xbf"), doc...),
		"no end": bytes.TrimSpace(doc), "no names": bytes.Replace(doc, []byte("serial, manufacturer, model\n"), nil, 1),
	} {
		o := read(doc, unnamed)
		if o.err != nil || len(o.rejected) != 0 || o.sum.Keys != 5 || o.sum.Delivered != 5 || !reflect.DeepEqual(o.keys, want) {
			t.Errorf("%s: %v %+v %+v %v", name, o.keys, o.sum, o.rejected, o.err)
		}
		if w := o.sum.Warnings(); len(w) != 0 {
			t.Errorf("%s: warned of seeds that are not there: %q", name, w)
		}
	}
}

// What a line does not say is not made up, and its fault is told; the rest goes in.
func TestLinesThatAreRejected(t *testing.T) {
	const seed = "3132333435363738393031323334353637383930"
	for line, reason := range map[string]string{
		",Acme,Key":                           "no serial number",
		",,":                                  "no serial number",
		"A 1,Acme":                            "serial number is not",
		`"A-1","Acme"`:                        "serial number is not",
		"A-1;Acme;Key":                        "serial number is not",
		"\u202e1,Acme":                        "serial number is not",
		strings.Repeat("A", 65) + ",Acme":     "serial number is not",
		"A-1,Acme,Key,2026":                   "4 columns",
		"A-1," + seed + ",hotp,6":             "4 columns",
		"A-1," + seed + ",hotp":               "no seeds",
		"A-1,Acme,GEZDGNBVGY3TQOJQGEZDGNBVGY": "no seeds",
		"A-1,Acme,MTIzNDU2Nzg5MDEyMzQ1Ng":     "no seeds",
		"A-1,Ac\u202eme":                      "cannot be shown",
		"A-1," + strings.Repeat("Acme ", 60):  "longer than",
		"Serial,Model,Manufacturer":           "in this order",
		"serial,":                             "in this order",
		"Z-9,Acme":                            "twice",
	} {
		o := read([]byte("Z-9,Acme\n"+line+"\nZ-8,Acme\n"), unnamed)
		if o.err != nil || len(o.keys) != 2 || len(o.rejected) != 1 {
			t.Errorf("%s: %v %+v %v", line, o.keys, o.rejected, o.err)
			continue
		}
		if r := o.rejected[0]; !strings.Contains(r.Reason, reason) || r.Index != 2 || r.Line != 2 || strings.ContainsAny(r.Serial, " \u202e") || strings.Contains(r.Reason, seed) {
			t.Errorf("%s: %+v", line, r)
		}
	}
}

func TestAttack12_ListsThatAreRefused(t *testing.T) {
	good := string(sample(t))
	for name, c := range map[string]struct {
		doc  string
		code seedfile.Code
	}{
		"empty":       {"", seedfile.CodeStructure},
		"names only":  {"# a\nserial,manufacturer\n", seedfile.CodeStructure},
		"UTF-16":      {"\xff\xfeA\x00", seedfile.CodeEncoding},
		"Latin-1":     {good + "\xe9,", seedfile.CodeEncoding},
		"escape":      {good + "\x1b[2J,", seedfile.CodeEncoding},
		"spreadsheet": {"PK\x03\x04" + good, seedfile.CodeArchive},
		"long line":   {good + strings.Repeat("a", 5000), seedfile.CodeLimit},
		"six records": {good + "A-6\n", seedfile.CodeLimit},
	} {
		opt := unnamed
		opt.MaxKeys, opt.MaxBytes = 5, 1<<20
		if o := read([]byte(c.doc), opt); o.code() != c.code || len(o.keys)+len(o.rejected) != 0 || o.sum != (seedfile.Summary{}) {
			t.Errorf("%s: %d devices, %d rejections, %v", name, len(o.keys), len(o.rejected), o.err)
		}
	}
}

// A list is taken for one only when it says so.
func TestRecognises(t *testing.T) {
	for line, want := range map[string]bool{
		"serial": true, "Serial , MANUFACTURER": true, "serial,manufacturer,model": true,
		"": false, "0A0B": false, "0A0B,Acme,Key": false, "serial,": false, "serial,model": false, "serial,manufacturer,model,": false,
		"serial, seed, type, otp length, time step": false, "<Tokens>": false,
	} {
		if serials.Recognises([]byte(line)) != want {
			t.Errorf("%q: %v", line, !want)
		}
	}
}

// FuzzRead: nothing panics, a refused list gives out nothing, every record is given
// out or rejected, and every device keeps to its bounds and bears no secret.
func FuzzRead(f *testing.F) {
	f.Add(sample(f))
	f.Add([]byte("A-1"))
	f.Add([]byte("\xef\xbb\xbfserial\r\nA-1,Acme, Key 5 \r\n#\n,,,,\nA-1,\xc3\xa9"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		o := read(doc, unnamed)
		if o.err != nil && (len(o.keys)+len(o.rejected) != 0 || o.code() == "") {
			t.Fatalf("%d devices, %d rejections with %v", len(o.keys), len(o.rejected), o.err)
		}
		if o.err == nil && (o.sum.Keys == 0 || o.sum.Keys != len(o.keys)+len(o.rejected) || o.sum.Delivered != len(o.keys)) {
			t.Fatalf("%d devices, %d rejections, %+v", len(o.keys), len(o.rejected), o.sum)
		}
		seen := map[[2]string]bool{}
		for _, k := range o.keys {
			id := [2]string{k.Manufacturer, k.Serial}
			if seen[id] || !seedfile.Identifier(k.Serial) || k.Manufacturer == "" || len(k.Manufacturer) > 256 || len(k.Model) > 256 || k.Secret != nil || k.KeyID != "" || k.Algorithm != "" {
				t.Fatalf("out of bounds: %s", k)
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
