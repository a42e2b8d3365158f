package strictxml

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"mohur/tokens/seedfile"
)

// events are the tags and texts of a document, and whether it was gone through.
func events(r io.Reader) (got []string, whole bool) {
	l := newLexer(seedfile.NewInput(r, 1<<30))
	defer l.close()
	for {
		t, err := l.next()
		if err != nil {
			return got, err == io.EOF
		}
		switch t.kind {
		case startTag:
			got = append(got, fmt.Sprintf("<%q>", t.start))
		case endTag:
			got = append(got, "</>")
		case text:
			got = append(got, fmt.Sprintf("%q", t.text))
		}
	}
}

// standard is the same as the standard library has it, but for what is refused here:
// document types, and processing instructions other than the declaration.
func standard(doc string) (got []string, whole bool) {
	d := xml.NewDecoder(strings.NewReader(strings.TrimPrefix(doc, "\xef\xbb\xbf")))
	d.CharsetReader = func(string, io.Reader) (io.Reader, error) { return nil, errCharset }
	for first := true; ; first = false {
		tok, err := d.Token()
		if err != nil {
			return got, err == io.EOF
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if len(t.Attr) > maxAttributes {
				return got, false
			}
			if len(t.Attr) == 0 {
				t.Attr = nil
			}
			got = append(got, fmt.Sprintf("<%q>", t))
		case xml.EndElement:
			got = append(got, "</>")
		case xml.CharData:
			got = append(got, fmt.Sprintf("%q", t))
		case xml.Directive:
			return got, false
		case xml.ProcInst:
			if !first || t.Target != "xml" {
				return got, false
			}
		}
	}
}

// asStandard holds the lexer against the standard library: the same documents, the
// same tags and texts, in whatever pieces the document comes.
func asStandard(t *testing.T, doc string) {
	t.Helper()
	if _, err := io.ReadAll(seedfile.NewInput(strings.NewReader(doc), 1<<30)); err != nil || len(doc) > maxToken/2 {
		return // it reaches neither, or a bound may be met
	}
	want, whole := standard(doc)
	for _, r := range []io.Reader{strings.NewReader(doc), iotest.OneByteReader(strings.NewReader(doc)), iotest.DataErrReader(iotest.HalfReader(strings.NewReader(doc)))} {
		got, ended := events(r)
		if ended != whole {
			t.Fatalf("%q: taken %v, by the standard library %v", doc, ended, whole)
		}
		if whole && fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%q:\n%q, the standard library has\n%q", doc, got, want)
		}
	}
}

// documents are whole, wrong, and at the edges of both.
var documents = []string{
	"", " ", "x", "<a/>", "<a></a>", "<a ></a >", "< a/>", "<a/ >", "</a>", "<a></b>", "<a><b></a></b>", "<a", "<a>", "<a></a", "<a/><b/>", "<a/>x", "<",
	"<a b='1'/>", "<a b='1'c=\"2\"/>", "<a b = '1' />", "<a b/>", "<a b=1/>", "<a b='<'/>", "<a b='>]]>'/>", "<a b='1", "<a b='1' b='1'/>", "<a b='&lt;&#10;\r\n\r'/>",
	"<a>&lt;&gt;&amp;&apos;&quot;&#65;&#x4a;&#x4A;</a>", "<a>&x;</a>", "<a>&lt</a>", "<a>&</a>", "<a>&#;</a>", "<a>&#x;</a>", "<a>&#X41;</a>", "<a>&#00065;</a>", "<a>&#1114111;&#1114112;</a>",
	"<a>&#xD800;</a>", "<a>&#0;</a>", "<a>&#x10FFFF;</a>", "<a>&#99999999999999999999;</a>", "<a>&#128;\r</a>", "<a>&#13;\n</a>", "<a b='&quot'/>", "<a>&amp;amp;</a>",
	"<a>]]></a>", "<a>]]&gt;</a>", "<a>&#93;]></a>", "<a>]]</a>", "<a><![CDATA[<&]]]></a>", "<a><![CDATA[]]></a>", "<a><![CDATA[\r\n&lt;]]>x</a>", "<a><![CDATA[", "<a><![CDAT[]]></a>", "<a><![CDATA[\x01]]></a>",
	"<!---->", "<!--->", "<!-- a -- b --><a/>", "<!--a--->", "<a><!-- <b> &x; --></a>", "<a><!-x--></a>", "<!-- <?xml?> --><?xml version='1.0'?><a/>",
	"<?xml version='1.0'?><a/>", "<?xml version='1.1'?><a/>", "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone='yes'?><a/>", "<?xml version='1.0' encoding='latin1'?><a/>", "<?xml?><a/>", "<?xml", "<?x?><a/>", "<??><a/>", "<a><?xml?></a>", "\n<?xml version='1.0'?><a/>",
	"<!DOCTYPE a><a/>", "<a><!ENTITY x ''></a>", "<!>",
	"<x:a xmlns:x='u:1'><x:b xmlns:x='u:2' x:c='1' c='2'/><x:b/></x:a>", "<a xmlns='u:1' b='1'><b xmlns=''><c/></b><c/></a>", "<x:a/>", "<x:a></y:a>", "<a x:b='1'/>", "<xml:a xml:b='1'/>", "<xmlns:a/>", "<xmlns/>", "<a xmlns:xml='u:1' xml:b='1'/>",
	"<:a/>", "<a:/>", "<a:b:c/>", "<a :b='1'/>", "<a xmlns:='1'/>", "<-a/>", "<1a/>", "<a.-1_/>", "<é/>", "<a é='1'/>", "<\xff/>", "<a\xff/>", "<a·/>", "<·a/>", "<世:界 xmlns:世='u:1'/>",
	"<a>é\t\n\r\r\n\x7f</a>", "<a>\x00</a>", "<a>\xff</a>", "<a>\xed\xa0\x80</a>", "<a>\ufffe</a>", "<a>\U0010ffff</a>", "<a b='\x01'/>", "\xef\xbb\xbf<a/>", "<a><b><c>1</c>2</b>3</a>",
}

// What is taken is what the standard library takes, and means the same.
func TestAttack12_AsTheStandardLibrary(t *testing.T) {
	for _, doc := range documents {
		asStandard(t, doc)
	}
	files, err := filepath.Glob("../*/testdata/*.xml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	for _, file := range files {
		doc, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		asStandard(t, string(doc))
	}
}

// FuzzAsTheStandardLibrary: no document is taken that the standard library refuses,
// none is refused that it takes, and both find the same in it.
func FuzzAsTheStandardLibrary(f *testing.F) {
	for _, doc := range documents {
		f.Add(doc)
	}
	f.Fuzz(asStandard)
}

// A name or text that lies across the end of the buffer, wherever it lies, is read as
// a whole, and a tag that is too long is refused wherever it begins.
func TestTokensAcrossTheBuffer(t *testing.T) {
	const size = maxToken + 32<<10
	for shift := range 64 {
		before := "<a>" + strings.Repeat("<b>"+strings.Repeat("x", 30_000)+"</b>", 3)
		doc := before + "<b>" + strings.Repeat("x", size-len(before)-len("<b></b>")-shift) + "</b>" + "<cdef g='hi&lt;'>jk\r\nlm</cdef><!-- n --></a>"
		l := newLexer(seedfile.NewInput(strings.NewReader(doc), 1<<30))
		var last []string
		for {
			tok, err := l.next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			last = append(last, fmt.Sprintf("%v %s %s", tok.start.Name.Local, tok.start.Attr, tok.text))
		}
		if n := len(last); last[n-4] != "cdef [{{ g} hi<}] " || last[n-3] != " [] jk\nlm" {
			t.Fatalf("%q", last[n-4:])
		}
	}
	for _, before := range []int{0, 1000, maxToken, maxToken + 20<<10, 3 * maxToken} {
		for _, size := range []int{maxToken - 100, maxToken + 100, 2 * maxToken} {
			_, err := walkAll(strings.Repeat("<b>"+strings.Repeat("x", 993)+"</b>", before/1000) + "<c d='" + strings.Repeat("e", size) + "'/>")
			var refused *seedfile.FileError
			if long := size > maxToken; long != (errors.As(err, &refused) && refused.Code == seedfile.CodeLimit) || !long && err != nil {
				t.Errorf("a tag of %d bytes after %d: %v", size, before, err)
			}
		}
	}
}

func walkAll(inner string) (n int, err error) {
	l := newLexer(seedfile.NewInput(strings.NewReader("<a>"+inner+"</a>"), 1<<30))
	for {
		if _, err = l.next(); err != nil {
			if err == io.EOF {
				err = nil
			}
			return n, err
		}
		n++
	}
}

// Nothing of a text is left behind: not when it is cleared by its reader, nor in the
// buffer after the end.
func TestNothingIsLeftInTheBuffer(t *testing.T) {
	l := newLexer(seedfile.NewInput(strings.NewReader("<a>"+strings.Repeat("secret&amp;", 1000)+"</a>"), 1<<30))
	for {
		if _, err := l.next(); err != nil {
			break
		}
	}
	l.close()
	for i, b := range l.buf {
		if b != 0 {
			t.Fatalf("byte %d is %q", i, b)
		}
	}
}

// A disk that fails within a name is told as that, not as a bad document: an import
// that was cut off is gone on with.
func TestAFailureWithinAName(t *testing.T) {
	disk := errors.New("the disk fails")
	for _, doc := range []string{"<a><\xd0", "<a><b", "<a b", "</", "<a><"} {
		l := newLexer(seedfile.NewInput(io.MultiReader(strings.NewReader(doc), iotest.ErrReader(disk)), 1<<30))
		var err error
		for err == nil {
			_, err = l.next()
		}
		if !errors.Is(err, disk) {
			t.Errorf("%q: %v", doc, err)
		}
		l.close()
	}
}

// A prefix means what it did when the element that declared it anew has ended.
func TestPrefixesComeBack(t *testing.T) {
	doc := `<a xmlns="u:1" xmlns:p="u:2"><b xmlns="" xmlns:p="u:3" xmlns:q="u:4"><p:c/><q:c/><c/></b><p:c/><q:c/><c/></a>`
	got, whole := events(strings.NewReader(doc))
	want, _ := standard(doc)
	if !whole || strings.Join(got, "") != strings.Join(want, "") {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
