package safenetxml_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"mohur/hsm"
	"mohur/tokens/safenetxml"
	"mohur/tokens/seedfile"
)

const seed = "3132333435363738393031323334353637383930"

// outcome is everything that came out of one reading.
type outcome struct {
	keys     []seedfile.Key
	rejected []seedfile.Rejection
	sum      seedfile.Summary
	err      error
}

func read(doc []byte, opt seedfile.Options) (o outcome) {
	o.sum, o.err = safenetxml.Read(context.Background(), bytes.NewReader(doc), opt, func(k seedfile.Key) error {
		k.Secret = bytes.Clone(k.Secret)
		o.keys = append(o.keys, k)
		return nil
	}, func(r seedfile.Rejection) { o.rejected = append(o.rejected, r) })
	return o
}

var six = seedfile.Options{Digits: 6}

func sample(t testing.TB) []byte {
	t.Helper()
	doc, err := os.ReadFile("testdata/etoken-pass.xml")
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestClause5_20_SafeNet(t *testing.T) {
	o := read(sample(t), six)
	if o.err != nil || len(o.keys) != 2 || len(o.rejected) != 1 || o.sum.Keys != 3 {
		t.Fatalf("%v %+v %+v %v", o.keys, o.rejected, o.sum, o.err)
	}
	k := o.keys[0]
	if k.Index != 1 || k.Serial != "00040008CFA5" || k.Manufacturer != "SafeNet" || k.Model != "eToken PASS" || k.KeyID != "ab1397d2-ddb6-4705-b66e-9f83f322deb9" ||
		k.Algorithm != seedfile.HOTP || k.Hash != hsm.SHA1 || k.Digits != 6 || k.Counter != 1 || string(k.Secret) != "12345678901234567890" {
		t.Errorf("%s: %d digits, counter %d", k, k.Digits, k.Counter)
	}
	if r := o.rejected[0]; r.Index != 2 || r.Serial != "00040008CFA6" || !strings.Contains(r.Reason, "no seed") {
		t.Errorf("%+v", r)
	}
	o = read(sample(t), seedfile.Options{})
	if o.err != nil || len(o.keys) != 0 || !strings.Contains(o.rejected[0].Reason, "how many digits") {
		t.Errorf("without a profile: %v %+v", o.keys, o.rejected)
	}
}

func TestTokensThatAreRejected(t *testing.T) {
	good := string(sample(t))
	for name, c := range map[string]struct{ old, new, reason string }{
		"no serial":           {` serial="00040008CFA5"`, ``, "no serial number"},
		"bad serial":          {"00040008CFA5", "0004 0008", "serial number is not"},
		"bad connector":       {"{ab1397d2-ddb6", "{ab 97d2-ddb6", "key id is not"},
		"seed not hex":        {"<Seed>31", "<Seed>3z", "not hexadecimal"},
		"seed in small words": {"<Seed>" + seed + "</Seed>", "<seed>" + seed + "</seed>", "second element <seed>"},
		"short seed":          {"<Seed>" + seed, "<Seed>" + seed[:20], "10 bytes"},
		"endless seed":        {"<Seed>" + seed, "<Seed>" + strings.Repeat("31", 2100), "too long"},
		"two seeds":           {"<Seed>", "<Seed>" + seed + "</Seed><Seed>", "second element <Seed>"},
		"a blank seed first":  {"<Seed>", "<Seed> </Seed><Seed>", "second element <Seed>"},
		"no factor":           {"<MovingFactor>1</MovingFactor>", "", "no <MovingFactor>"},
		"negative factor":     {"<MovingFactor>1<", "<MovingFactor>-1<", "<MovingFactor> is not"},
		"no applications":     {"<Applications>", "<Applications/><Nothing>", "second"},
		"unknown element":     {"<CaseModel>", "<TimeStep>30</TimeStep><CaseModel>", "unknown element <TimeStep>"},
		"foreign element":     {"<CaseModel>", "<x:Model xmlns:x='urn:x'/><CaseModel>", "unknown element <Model>"},
		"model twice":         {"<CaseModel>", "<CaseModel/><CaseModel>", "given twice"},
		"unknown application": {"<Application ", "<Plugin/><Application ", "unknown element <Plugin>"},
		"serial twice":        {"00040008CFA5", "00040008CFA7", ""},
		"two keys":            {"</Application>", `</Application><Application><Seed>` + seed + `</Seed><MovingFactor>1</MovingFactor></Application>`, "two"},
	} {
		t.Run(name, func(t *testing.T) {
			doc := strings.Replace(good, c.old, c.new, 1)
			if name == "no applications" {
				doc = strings.Replace(strings.Replace(good, "<Applications>", "<Nothing>", 1), "</Applications>", "</Nothing>", 1)
				c.reason = "unknown element <Nothing>"
			}
			o := read([]byte(doc), six)
			switch {
			case o.err != nil:
				t.Fatal(o.err)
			case c.reason == "two":
				if len(o.keys) != 3 || o.keys[1].KeyID != "hotp" || o.keys[1].Serial != o.keys[0].Serial {
					t.Errorf("%v %+v", o.keys, o.rejected)
				}
			case c.reason == "":
				if len(o.keys) != 1 || o.rejected[1].Index != 3 || !strings.Contains(o.rejected[1].Reason, "twice") {
					t.Errorf("%v %+v", o.keys, o.rejected)
				}
			case len(o.keys) != 1 || len(o.rejected) != 2 || !strings.Contains(o.rejected[0].Reason, c.reason):
				t.Errorf("%v %+v", o.keys, o.rejected)
			}
		})
	}
}

func TestAttack12_FilesThatAreRefused(t *testing.T) {
	good := string(sample(t))
	replace := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	laughs := `<!DOCTYPE l [<!ENTITY a "` + strings.Repeat("a", 1000) + `"><!ENTITY b "&a;&a;&a;&a;">]>`
	for name, c := range map[string]struct {
		doc  string
		code seedfile.Code
	}{
		"empty":          {"", seedfile.CodeXML},
		"no tokens":      {"<Tokens/>", seedfile.CodeStructure},
		"another root":   {"<Token/>", seedfile.CodeStructure},
		"PSKC":           {`<KeyContainer xmlns="urn:ietf:params:xml:ns:keyprov:pskc"/>`, seedfile.CodeStructure},
		"namespace":      {replace("<Tokens>", "<Tokens xmlns='urn:x'>"), seedfile.CodeStructure},
		"other child":    {replace("<Tokens>", "<Tokens><Key/>"), seedfile.CodeStructure},
		"text between":   {replace("<Tokens>", "<Tokens>tokens"), seedfile.CodeStructure},
		"billion laughs": {replace("<Tokens>", laughs+"<Tokens>"), seedfile.CodeForbidden},
		"XXE":            {replace("<Tokens>", `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Tokens>`), seedfile.CodeForbidden},
		"entity":         {replace(seed, "&x;"), seedfile.CodeForbidden},
		"stylesheet":     {replace("<Tokens>", `<?xml-stylesheet href="http://x/"?><Tokens>`), seedfile.CodeForbidden},
		"deep":           {replace("<Seed>", strings.Repeat("<a>", 100000)), seedfile.CodeLimit},
		"endless tag":    {replace("<Seed>", "<Seed a='"+strings.Repeat("a", 1<<20)), seedfile.CodeLimit},
		"many keys":      {replace("<Application ", strings.Repeat("<Application/>", 9)+"<Application "), seedfile.CodeLimit},
		"truncated":      {good[:len(good)/2], seedfile.CodeXML},
		"trailing":       {good + "<Tokens/>", seedfile.CodeXML},
		"UTF-16":         {"\xff\xfe<\x00", seedfile.CodeEncoding},
		"Latin-1":        {replace("utf-8", "iso-8859-1"), seedfile.CodeEncoding},
		"ZIP":            {"PK\x03\x04", seedfile.CodeArchive},
	} {
		o := read([]byte(c.doc), six)
		var refused *seedfile.FileError
		if !errors.As(o.err, &refused) || refused.Code != c.code || len(o.keys)+len(o.rejected) != 0 || o.sum != (seedfile.Summary{}) {
			t.Errorf("%s: %d keys, %v", name, len(o.keys), o.err)
		}
	}
	opt := six
	opt.MaxKeys = 2
	if o := read(sample(t), opt); o.err == nil || len(o.keys) != 0 {
		t.Errorf("more keys than allowed: %v", o.err)
	}
}

func TestSeedsAreCleared(t *testing.T) {
	var kept [][]byte
	_, err := safenetxml.Read(t.Context(), bytes.NewReader(sample(t)), six, func(k seedfile.Key) error { kept = append(kept, k.Secret); return nil }, nil)
	if err != nil || len(kept) != 2 {
		t.Fatal(err)
	}
	for _, s := range kept {
		if !bytes.Equal(s, make([]byte, len(s))) {
			t.Errorf("%q is left", s)
		}
	}
}

// FuzzRead: nothing panics, a refused file gives out nothing, every record is given
// out or rejected, and every key keeps to its bounds.
func FuzzRead(f *testing.F) {
	f.Add(sample(f))
	f.Add([]byte("<Tokens><Token serial='1'><Applications><Application/></Applications></Token></Tokens>"))
	f.Add([]byte("<!DOCTYPE a [<!ENTITY x 'y'>]><Tokens>&x;</Tokens>"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		o := read(doc, six)
		var refused *seedfile.FileError
		if o.err != nil && (len(o.keys)+len(o.rejected) != 0 || !errors.As(o.err, &refused)) {
			t.Fatalf("%d keys, %d rejections with %v", len(o.keys), len(o.rejected), o.err)
		}
		if o.err == nil && (o.sum.Keys == 0 || o.sum.Keys != len(o.keys)+len(o.rejected)) {
			t.Fatalf("%d keys, %d rejections, %+v", len(o.keys), len(o.rejected), o.sum)
		}
		for _, k := range o.keys {
			if seedfile.Names(k.Serial, k.KeyID) != nil || len(k.Secret) < 16 || len(k.Secret) > 64 || k.Digits != 6 || k.Counter >= 1<<63 {
				t.Fatalf("out of bounds: %s, counter %d", k, k.Counter)
			}
		}
	})
}
