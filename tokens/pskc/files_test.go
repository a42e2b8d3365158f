package pskc_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"mohur/tokens/pskc"
	"mohur/tokens/pskc/pskctest"
	"mohur/tokens/seedfile"
)

// A file cut off anywhere gives nothing, not even the keys before the cut.
func TestTruncated(t *testing.T) {
	for name, opt := range map[string]pskc.Options{"plain": plain, "encrypted": encrypted} {
		doc := batch(6).Plain()
		if name == "encrypted" {
			doc = batch(6).Encrypted(transport)
		}
		doc = bytes.TrimSpace(doc)
		for n := 0; n < len(doc); n += 100 {
			refused(t, read(doc[:n], opt), seedfile.CodeXML)
		}
		for n := len(doc) - 99; n < len(doc); n++ {
			refused(t, read(doc[:n], opt), seedfile.CodeXML)
		}
	}
}

func TestNotPSKC(t *testing.T) {
	good := string(batch(2).Plain())
	replace := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for name, c := range map[string]struct {
		doc  string
		code seedfile.Code
	}{
		"empty":                {"", seedfile.CodeXML},
		"blank":                {" \n", seedfile.CodeXML},
		"one byte":             {"<", seedfile.CodeXML},
		"CSV":                  {"serial,seed\n1,2\n", seedfile.CodeXML},
		"ZIP":                  {"PK\x03\x04" + strings.Repeat("\x07", 100), seedfile.CodeArchive},
		"gzip":                 {"\x1f\x8b\x08\x00\x00\x00", seedfile.CodeArchive},
		"HTML":                 {"<html><body>504</body></html>", seedfile.CodeStructure},
		"no namespace":         {replace(` xmlns="urn:ietf:params:xml:ns:keyprov:pskc"`, ""), seedfile.CodeStructure},
		"draft namespace":      {replace(`keyprov:pskc"`, `keyprov:pskc:1.0"`), seedfile.CodeStructure},
		"other root":           {strings.ReplaceAll(good, "KeyContainer", "Container"), seedfile.CodeStructure},
		"no version":           {replace(` Version="1.0"`, ""), seedfile.CodeStructure},
		"version 2":            {replace(`Version="1.0"`, `Version="2.0"`), seedfile.CodeStructure},
		"no keys":              {string(pskctest.File{}.Plain()), seedfile.CodeStructure},
		"unknown element":      {replace("<KeyPackage>", "<Colour/><KeyPackage>"), seedfile.CodeStructure},
		"foreign element":      {replace("<KeyPackage>", "<x:y xmlns:x='urn:x'/><KeyPackage>"), seedfile.CodeStructure},
		"text between":         {replace("<KeyPackage>", "keys: <KeyPackage>"), seedfile.CodeStructure},
		"element in a value":   {replace("S-000000", "<b>S-000000</b>"), seedfile.CodeStructure},
		"two roots":            {good + strings.TrimPrefix(good, xmlDeclaration), seedfile.CodeXML},
		"second file appended": {good + good, seedfile.CodeForbidden},
		"garbage appended":     {good + "garbage", seedfile.CodeXML},
		"NUL appended":         {good + "\x00", seedfile.CodeXML},
		"garbage before":       {"x" + good, seedfile.CodeXML},
		"blank before":         {" " + good, seedfile.CodeForbidden},
		"wrong end tag":        {replace("</KeyPackage>", "</keyPackage>"), seedfile.CodeXML},
		"attribute unquoted":   {replace(`Version="1.0"`, "Version=1.0"), seedfile.CodeXML},
		"XML 1.1":              {replace(`version="1.0"`, `version="1.1"`), seedfile.CodeXML},
		"late encryption key":  {replace("</KeyContainer>", "<EncryptionKey/></KeyContainer>"), seedfile.CodeStructure},
		"late MAC method":      {replace("</KeyContainer>", "<MACMethod/></KeyContainer>"), seedfile.CodeStructure},
	} {
		t.Run(name, func(t *testing.T) { refused(t, read([]byte(c.doc), plain), c.code) })
	}
}

func TestErrorNamesTheLine(t *testing.T) {
	doc := with(t, batch(1).Plain(), "<Data>", "<Data>&oops;")
	err := read(doc, plain).err
	var fault *seedfile.FileError
	line := 1 + bytes.Count(doc[:bytes.Index(doc, []byte("&oops;"))], []byte("\n"))
	if !errors.As(err, &fault) || fault.Line != line || !strings.HasPrefix(err.Error(), "line ") {
		t.Errorf("%v, want line %d", err, line)
	}
}

// Errors of the disk, of the caller and of the HSM are passed on and never
// called a fault of the file.
func TestErrorsOfOthers(t *testing.T) {
	boom := errors.New("boom")
	doc := batch(5).Encrypted(transport)
	is := func(what string, err error) {
		t.Helper()
		var refused *seedfile.FileError
		if !errors.Is(err, boom) || errors.As(err, &refused) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := pskc.Validate(t.Context(), io.MultiReader(bytes.NewReader(doc[:300]), iotest.ErrReader(boom)), encrypted)
	is("disk", err)
	_, err = pskc.Validate(t.Context(), iotest.ErrReader(boom), encrypted)
	is("disk at once", err)
	_, err = pskc.Read(t.Context(), failSeek{bytes.NewReader(doc), boom}, encrypted, nil, nil)
	is("seek", err)

	n := 0
	sum, err := pskc.Read(t.Context(), bytes.NewReader(doc), encrypted, func(pskc.Key) error {
		if n++; n == 3 {
			return boom
		}
		return nil
	}, nil)
	is("caller", err)
	if sum.Delivered != 2 || sum.Keys != 3 {
		t.Errorf("%+v", sum)
	}

	for calls := range 3 {
		_, err = pskc.Read(t.Context(), bytes.NewReader(doc), pskc.Options{Decrypter: &failing{after: calls, err: boom}}, func(pskc.Key) error { return nil }, nil)
		is("HSM", err)
	}
	_, err = pskc.Read(t.Context(), bytes.NewReader(doc), pskc.Options{Decrypter: short{}}, func(pskc.Key) error { return nil }, nil)
	if err == nil || (outcome{err: err}).code() == seedfile.CodeWrongKey {
		t.Errorf("an HSM that answers with too little: %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	n = 0
	_, err = pskc.Read(ctx, bytes.NewReader(doc), encrypted, func(pskc.Key) error { n++; cancel(); return nil }, nil)
	if !errors.Is(err, context.Canceled) || n != 1 {
		t.Errorf("cancelled after %d keys: %v", n, err)
	}
}

type failSeek struct {
	io.Reader
	err error
}

func (f failSeek) Seek(int64, int) (int64, error) { return 0, f.err }

// failing is an HSM that answers a few times and then no more.
type failing struct {
	pskctest.TransportKey
	after int
	err   error
}

func (f *failing) DecryptCBC(ctx context.Context, iv, ciphertext []byte) ([]byte, error) {
	if f.after == 0 {
		return nil, f.err
	}
	f.after--
	return transport.DecryptCBC(ctx, iv, ciphertext)
}

type short struct{ pskctest.TransportKey }

func (short) DecryptCBC(context.Context, []byte, []byte) ([]byte, error) {
	return make([]byte, 16), nil
}

// A file written to between the passes is noticed, at the latest at its end.
func TestChangedWhileRead(t *testing.T) {
	doc := batch(3).Plain()
	opt := plain
	opt.Checked = func(s seedfile.Summary) {
		if s.Keys != 3 {
			t.Errorf("%+v", s)
		}
		copy(doc[bytes.Index(doc, []byte("S-000002")):], "S-999999")
	}
	if o := read(doc, opt); o.code() != seedfile.CodeChanged {
		t.Errorf("%v", o.err)
	}
}

// Read begins where the reader stands, and names the file by its SHA-256.
func TestReadFromWithin(t *testing.T) {
	doc := batch(2).Plain()
	r := bytes.NewReader(append([]byte("part of an upload\r\n\r\n"), doc...))
	r.Seek(21, io.SeekStart)
	n := 0
	sum, err := pskc.Read(t.Context(), r, plain, func(pskc.Key) error { n++; return nil }, nil)
	alone := read(doc, plain).sum
	if err != nil || n != 2 || sum != alone || sum.Bytes != int64(len(doc)) {
		t.Errorf("%d keys, %+v, %v", n, sum, err)
	}
}

// Any way in which the bytes arrive gives the same.
func TestSlowReader(t *testing.T) {
	doc := batch(3).Encrypted(transport)
	want, _ := pskc.Validate(t.Context(), bytes.NewReader(doc), encrypted)
	for name, r := range map[string]io.Reader{
		"one byte": iotest.OneByteReader(bytes.NewReader(doc)),
		"half":     iotest.HalfReader(bytes.NewReader(doc)),
		"with EOF": iotest.DataErrReader(bytes.NewReader(doc)),
	} {
		if got, err := pskc.Validate(t.Context(), r, encrypted); err != nil || got != want || got.Keys != 3 {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
}
