package pskc_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf16"

	"mohur/tokens/pskc"
	"mohur/tokens/seedfile"
)

// xmlDeclaration is what stands before the root in the files of pskctest.
const xmlDeclaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

// Bombs, references and everything else that makes an XML reader work for its
// sender: refused, nothing fetched, nothing given out.
func TestAttack12_HostileXML(t *testing.T) {
	var fetched atomic.Int32
	web := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { fetched.Add(1) }))
	defer web.Close()
	target := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(target, []byte("9"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := string(batch(2).Plain())
	after := func(insert string) string { return strings.Replace(good, xmlDeclaration, xmlDeclaration+insert, 1) }
	serial := func(text string) string { return strings.Replace(good, "S-000000", text, 1) }
	for name, c := range map[string]struct {
		doc  string
		code seedfile.Code
	}{
		"billion laughs":           {strings.Replace(after(laughs()), "S-000000", "&lol9;", 1), seedfile.CodeForbidden},
		"quadratic blow-up":        {after(`<!DOCTYPE x [<!ENTITY a "` + strings.Repeat("a", 50000) + `">]>`), seedfile.CodeForbidden},
		"XXE, file":                {strings.Replace(after(`<!DOCTYPE x [<!ENTITY e SYSTEM "file://`+target+`">]>`), "S-000000", "&e;", 1), seedfile.CodeForbidden},
		"XXE, web":                 {strings.Replace(after(`<!DOCTYPE x [<!ENTITY e SYSTEM "`+web.URL+`">]>`), "S-000000", "&e;", 1), seedfile.CodeForbidden},
		"parameter entity":         {after(`<!DOCTYPE x [<!ENTITY % e SYSTEM "` + web.URL + `"> %e;]>`), seedfile.CodeForbidden},
		"external DTD":             {after(`<!DOCTYPE KeyContainer SYSTEM "` + web.URL + `/x.dtd">`), seedfile.CodeForbidden},
		"public DTD":               {after(`<!DOCTYPE KeyContainer PUBLIC "-//x" "` + web.URL + `">`), seedfile.CodeForbidden},
		"harmless DTD":             {after(`<!DOCTYPE KeyContainer>`), seedfile.CodeForbidden},
		"giant DTD":                {after(`<!DOCTYPE x [` + strings.Repeat(`<!ENTITY a "b">`, 10000) + `]>`), seedfile.CodeForbidden},
		"entity without DTD":       {serial("&nbsp;"), seedfile.CodeForbidden},
		"stylesheet":               {after(`<?xml-stylesheet href="` + web.URL + `"?>`), seedfile.CodeForbidden},
		"processing instruction":   {serial("<?php echo 1 ?>"), seedfile.CodeForbidden},
		"second declaration":       {after(xmlDeclaration), seedfile.CodeForbidden},
		"schema location":          {strings.Replace(good, "<KeyContainer ", `<KeyContainer xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a `+web.URL+`" `, 1), ""},
		"XInclude":                 {serial(`<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="` + web.URL + `"/>`), seedfile.CodeStructure},
		"100,000 deep":             {after(strings.Repeat("<a>", 100000) + strings.Repeat("</a>", 100000)), seedfile.CodeStructure},
		"100,000 deep in a key":    {serial(strings.Repeat("<a>", 100000) + strings.Repeat("</a>", 100000)), seedfile.CodeStructure},
		"100,000 deep, passed":     {strings.Replace(good, "<Data>", "<Data><x:a xmlns:x='urn:x'>"+strings.Repeat("<a>", 100000), 1), seedfile.CodeLimit},
		"giant attribute":          {strings.Replace(good, `Version="1.0"`, `Version="1.0" Id="`+strings.Repeat("A", 1<<20)+`"`, 1), seedfile.CodeLimit},
		"giant name":               {strings.Replace(good, "<Data>", "<"+strings.Repeat("a", 1<<20)+"/><Data>", 1), seedfile.CodeLimit},
		"giant text":               {serial(strings.Repeat("9", 1<<20)), seedfile.CodeLimit},
		"giant comment":            {serial("<!--" + strings.Repeat("-a", 1<<20) + "-->"), seedfile.CodeLimit},
		"giant CDATA":              {serial("<![CDATA[" + strings.Repeat("9", 1<<20) + "]]>"), seedfile.CodeLimit},
		"giant space":              {strings.Replace(good, "<KeyPackage>", strings.Repeat(" ", 1<<20)+"<KeyPackage>", 1), seedfile.CodeLimit},
		"many attributes":          {strings.Replace(good, "<KeyPackage>", "<KeyPackage"+attributes(33)+">", 1), seedfile.CodeLimit},
		"attribute twice":          {strings.Replace(good, `Version="1.0"`, `Version="1.0" Version="1.0"`, 1), seedfile.CodeXML},
		"attribute twice, hidden":  {strings.Replace(good, "<Data>", `<Data xmlns:a="urn:x" xmlns:b="urn:x" a:n="1" b:n="2">`, 1), seedfile.CodeXML},
		"undeclared prefix":        {strings.Replace(good, "<Data>", "<x:y/><Data>", 1), seedfile.CodeXML},
		"undeclared prefix inside": {strings.Replace(good, "<Data>", `<Data x:y="1">`, 1), seedfile.CodeXML},
	} {
		t.Run(name, func(t *testing.T) {
			o := read([]byte(c.doc), plain)
			if c.code == "" {
				if len(o.keys) != 2 {
					t.Error(o.err)
				}
				return
			}
			refused(t, o, c.code)
			if len(fmt.Sprint(o.err)) > 250 {
				t.Errorf("the message has %d bytes", len(fmt.Sprint(o.err)))
			}
		})
	}
	if n := fetched.Load(); n != 0 {
		t.Errorf("%d requests went out", n)
	}
}

func laughs() string {
	var b strings.Builder
	b.WriteString(`<!DOCTYPE lolz [<!ENTITY lol0 "lol">`)
	for i := 1; i < 10; i++ {
		fmt.Fprintf(&b, `<!ENTITY lol%d "%s">`, i, strings.Repeat(fmt.Sprintf("&lol%d;", i-1), 10))
	}
	return b.String() + "]>"
}

func attributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " a%d=''", i)
	}
	return b.String()
}

// A reader that takes another encoding sees another file than the one a filter
// in front of it saw.
func TestAttack12_Encodings(t *testing.T) {
	good := batch(1).Plain()
	wide := func(order binary.ByteOrder, mark bool) []byte {
		var out []byte
		if mark {
			out = append(out, 0, 0)
			order.PutUint16(out, 0xfeff)
		}
		for _, u := range utf16.Encode([]rune(string(good))) {
			out = append(out, 0, 0)
			order.PutUint16(out[len(out)-2:], u)
		}
		return out
	}
	for name, doc := range map[string][]byte{
		"UTF-16BE":               wide(binary.BigEndian, true),
		"UTF-16LE":               wide(binary.LittleEndian, true),
		"UTF-16BE, no mark":      wide(binary.BigEndian, false),
		"UTF-16LE, no mark":      wide(binary.LittleEndian, false),
		"UTF-32LE":               append([]byte{0xff, 0xfe, 0, 0}, good...),
		"declared UTF-16":        with(t, good, "UTF-8", "UTF-16"),
		"declared ISO-8859-1":    with(t, good, "UTF-8", "ISO-8859-1"),
		"declared UTF-7":         with(t, good, "UTF-8", "UTF-7"),
		"declared, then unknown": with(t, good, "UTF-8", "x"),
	} {
		t.Run(name, func(t *testing.T) { refused(t, read(doc, plain), seedfile.CodeEncoding) })
	}
	for name, doc := range map[string][]byte{
		"marked UTF-8":       append([]byte("\xef\xbb\xbf"), good...),
		"lower-case utf-8":   with(t, good, "UTF-8", "utf-8"),
		"without prolog":     bytes.TrimPrefix(good, []byte(xmlDeclaration)),
		"comment in a value": with(t, good, "S-000000", "S-<!-- one -->0000<!-- serial -->00"),
		"CDATA in a value":   with(t, good, "S-000000", "<![CDATA[S-000000]]>"),
		"xml:lang":           with(t, good, "<Data>", `<Data xml:lang="en">`),
		"references":         with(t, good, "S-000000", "&#83;-00&#x30;000"),
	} {
		if o := read(doc, plain); len(o.keys) != 1 || o.keys[0].Serial != "S-000000" {
			t.Errorf("%s: %v %v", name, o.keys, o.err)
		}
	}
	refused(t, read(with(t, good, "S-000000", "S-\xff"), plain), seedfile.CodeXML)
}

// Reading a hostile file takes no more memory than a good one.
func TestAttack12_MemoryIsBounded(t *testing.T) {
	for name, fill := range map[string]string{"text": "9", "attribute": `="`, "comment": "<!--", "DTD": "<!DOCTYPE "} {
		head := xmlDeclaration + `<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc"><KeyPackage`
		if fill == "9" {
			head += "><DeviceInfo><SerialNo>"
		} else {
			head += map[string]string{"attribute": " a" + fill, "comment": ">" + fill, "DTD": ">" + fill}[name]
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := pskc.Validate(t.Context(), io.MultiReader(strings.NewReader(head), endless('x')), plain)
		runtime.ReadMemStats(&after)
		want := seedfile.CodeLimit
		if name == "DTD" {
			want = seedfile.CodeForbidden // where it begins
		}
		if (outcome{err: err}).code() != want {
			t.Errorf("%s: %v", name, err)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 2<<20 {
			t.Errorf("%s: %d bytes allocated", name, grown)
		}
	}
}

type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

// A large file is refused as soon as its bound is reached, however it goes on.
func TestAttack12_LimitsOfTheFile(t *testing.T) {
	doc := batch(10).Plain()
	for name, opt := range map[string]pskc.Options{
		"bytes": {AllowPlain: true, MaxBytes: int64(len(doc)) - 1},
		"keys":  {AllowPlain: true, MaxKeys: 9},
	} {
		t.Run(name, func(t *testing.T) { refused(t, read(doc, opt), seedfile.CodeLimit) })
	}
	if o := read(doc, pskc.Options{AllowPlain: true, MaxBytes: int64(len(doc)), MaxKeys: 10}); len(o.keys) != 10 {
		t.Error(o.err)
	}
	begun := time.Now()
	_, err := pskc.Validate(t.Context(), io.MultiReader(bytes.NewReader(doc), endless(' ')), plain)
	if (outcome{err: err}).code() != seedfile.CodeLimit || time.Since(begun) > time.Minute {
		t.Errorf("%v after %s", err, time.Since(begun))
	}
}
