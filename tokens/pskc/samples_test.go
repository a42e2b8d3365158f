package pskc_test

import (
	"reflect"
	"testing"
	"time"

	"mohur/hsm"
	"mohur/tokens/pskc"
	"mohur/tokens/pskc/pskctest"
	"mohur/tokens/seedfile"
)

// figureKey is the key of the figures 3, 5 and 6.
var figureKey = pskc.Key{
	Index: 1, Manufacturer: "Manufacturer", Serial: "987654321", KeyID: "12345678", Issuer: "Issuer",
	Algorithm: pskc.HOTP, Hash: hsm.SHA1, Digits: 8, Secret: seed20,
}

func TestFigures(t *testing.T) {
	figure3, figure5 := figureKey, figureKey
	figure3.UserID = "UID=jsmith,DC=example-bank,DC=net"
	figure5.PIN = seedfile.PINPolicy{Mode: seedfile.PINLocal, KeyID: "123456781", MinLength: 4, MaxLength: 4, Encoding: "DECIMAL"}
	for name, want := range map[string]pskc.Key{"rfc6030-figure3.xml": figure3, "rfc6030-figure5.xml": figure5} {
		o := read(sample(t, name), plain)
		if o.err != nil || len(o.keys) != 1 || !reflect.DeepEqual(o.keys[0], want) {
			t.Errorf("%s: %#v\n%v", name, fields(o.keys), o.err)
		}
	}
}

// fields shows keys as they are, which Key's own printing hides.
func fields(keys []pskc.Key) []any {
	type open pskc.Key
	var all []any
	for _, k := range keys {
		all = append(all, open(k))
	}
	return all
}

// Figure 6 is the RFC's example of a pre-shared key, which is given in its text.
func TestClause5_20_Figure6(t *testing.T) {
	key := pskctest.TransportKey(unhex("12345678901234567890123456789012"))
	o := read(sample(t, "rfc6030-figure6.xml"), pskc.Options{Decrypter: key})
	if o.err != nil || len(o.keys) != 1 || !reflect.DeepEqual(o.keys[0], figureKey) {
		t.Fatalf("%#v\n%v", fields(o.keys), o.err)
	}
	if !o.sum.Encrypted || o.sum.KeyName != "Pre-shared-key" || len(o.sum.Warnings()) != 0 {
		t.Errorf("summary %+v", o.sum)
	}
	wrong := pskctest.TransportKey(unhex("12345678901234567890123456789013"))
	refused(t, read(sample(t, "rfc6030-figure6.xml"), pskc.Options{Decrypter: wrong}), seedfile.CodeWrongKey)
	refused(t, read(sample(t, "rfc6030-figure6.xml"), plain), seedfile.CodeNoKey)
}

func TestFiguresThatBreakTheirOwnProfile(t *testing.T) {
	for name, reason := range map[string]string{
		"rfc6030-figure2.xml": "no serial number",
		"rfc6030-figure4.xml": "no seed",
	} {
		rejected(t, read(sample(t, name), plain), 0, reason)
	}
	// Figure 2 with a device is still no HOTP key: no length of its codes, no counter, 4 bytes.
	doc := sample(t, "rfc6030-figure2.xml")
	doc = with(t, doc, "<KeyPackage>", "<KeyPackage><DeviceInfo><Manufacturer>M</Manufacturer><SerialNo>1</SerialNo></DeviceInfo>")
	rejected(t, read(doc, plain), 0, "<ResponseFormat>")
	doc = with(t, doc, "<Data>", `<AlgorithmParameters><ResponseFormat Length="6" Encoding="DECIMAL"/></AlgorithmParameters><Data>`)
	rejected(t, read(doc, plain), 0, "<Counter>")
	doc = with(t, doc, "</Secret>", "</Secret><Counter><PlainValue>0</PlainValue></Counter>")
	rejected(t, read(doc, plain), 0, "the seed has 4 bytes")
}

func TestFigure5KeepsPINOut(t *testing.T) {
	o := read(sample(t, "rfc6030-figure5.xml"), plain)
	rejected(t, o, 1, "PIN")
	if got := o.rejected[0]; got.Index != 2 || got.Serial != "987654321" || got.KeyID != "123456781" || got.Line != 36 {
		t.Errorf("%+v", got)
	}
}

func TestFigure9SaysThatItIsSigned(t *testing.T) {
	o := read(sample(t, "rfc6030-figure9.xml"), plain)
	if o.err != nil || len(o.keys) != 1 || !o.sum.Signed || len(o.sum.Warnings()) != 2 {
		t.Errorf("%+v %v", o.sum, o.err)
	}
	doc := with(t, sample(t, "rfc6030-figure9.xml"), "</KeyContainer>", "<Signature/></KeyContainer>")
	refused(t, read(doc, plain), seedfile.CodeStructure)
}

// Figure 10 is a batch of 2006, of which each key has its own month.
func TestFigure10Expires(t *testing.T) {
	if o := read(sample(t, "rfc6030-figure10.xml"), plain); o.err != nil || len(o.keys) != 0 || len(o.rejected) != 4 {
		t.Errorf("today: %d keys, %+v, %v", len(o.keys), o.rejected, o.err)
	}
	at := func(month time.Month, day, second int) outcome {
		opt := plain
		opt.Now = time.Date(2006, month, day, 0, 0, second, 0, time.UTC)
		return read(sample(t, "rfc6030-figure10.xml"), opt)
	}
	if o := at(time.January, 1, 0); len(o.keys) != 4 || o.keys[0].Start != time.Date(2006, 5, 1, 0, 0, 0, 0, time.UTC) {
		t.Errorf("in January: %v %v", o.keys, o.err)
	}
	rejected(t, at(time.March, 31, 0), 3, "expired on 2006-03-31")
	if o := at(time.March, 31, -1); len(o.keys) != 4 {
		t.Errorf("a second before the end: %v", o.rejected)
	}
}

// The files of another maker, in the clear and encrypted, hold the same keys.
func TestPythonPSKC(t *testing.T) {
	want := []pskc.Key{
		{Index: 1, Manufacturer: "Example", Serial: "PY-0001", Model: "M1", KeyID: "00000001", Algorithm: pskc.HOTP,
			Hash: hsm.SHA1, Digits: 6, Counter: 7, Secret: seed20},
		{Index: 2, Manufacturer: "Example", Serial: "PY-0002", KeyID: "00000002", Algorithm: pskc.TOTP,
			Hash: hsm.SHA256, Digits: 8, Step: time.Minute, Drift: -4, Secret: seed32},
		{Index: 3, Manufacturer: "Example", Serial: "PY-0002", KeyID: "00000003", Algorithm: pskc.OCRA,
			Suite: "OCRA-1:HOTP-SHA512-8:C-QN08", Hash: hsm.SHA512, Digits: 8, Secret: seed64},
	}
	key := unhex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
	for name, opt := range map[string]pskc.Options{
		"python3-pskc-plain.xml":  plain,
		"python3-pskc-aes128.xml": {Decrypter: pskctest.TransportKey(key[:16])},
		"python3-pskc-aes256.xml": {Decrypter: pskctest.TransportKey(key)},
	} {
		o := read(sample(t, name), opt)
		if o.err != nil || !reflect.DeepEqual(o.keys, want) {
			t.Errorf("%s: %#v\n%+v %v", name, fields(o.keys), o.rejected, o.err)
		}
	}
}

func TestPskctoolSigned(t *testing.T) {
	o := read(sample(t, "pskctool-signed.xml"), plain)
	rejected(t, o, 2, "<TimeDrift> is outside -120 to 120")
	if !o.sum.Signed {
		t.Error("the signature is not reported")
	}
}
