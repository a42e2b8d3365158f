package strictxml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"mohur/tokens/seedfile"
)

// kind is what a token is.
type kind int

const (
	startTag kind = iota + 1
	endTag
	text
)

// token is one tag or text. The bytes of a text are the lexer's own, good until the
// next token.
type token struct {
	kind  kind
	start xml.StartElement
	text  []byte
}

// lexer parts a document into tags and texts as encoding/xml does in its strict mode,
// or refuses it; a test holds the two against each other. It does less: what a seed
// file may not hold is refused where it begins. And it takes a token from one buffer
// that is bounded and can be cleared, and makes no copy of a text.
type lexer struct {
	in    *seedfile.Input
	buf   []byte
	start int // of the token at hand
	pos   int // what is read next
	end   int
	line  int
	err   error // why reading stopped; it stays
	begun bool
	empty bool // the element just begun was an empty one: its end comes next

	names  map[string]xml.Name
	open   []xml.Name        // as written
	spaces map[string]string // what a prefix stands for here; "" is the default's
	scope  []binding
}

// binding is what a prefix stood for before the element of that depth declared it.
type binding struct {
	prefix, was string
	bound       bool // it stood for something
	depth       int
}

// maxNames bounds the names that are remembered, so that each is made once.
const maxNames = 256

func newLexer(in *seedfile.Input) *lexer {
	return &lexer{in: in, buf: make([]byte, maxToken+32<<10), line: 1, names: map[string]xml.Name{}, spaces: map[string]string{}}
}

// close clears the buffer: seeds in the clear and ciphertexts passed through.
func (l *lexer) close() { clear(l.buf) }

func (l *lexer) fault(code seedfile.Code, detail string) error {
	return &seedfile.FileError{Code: code, Detail: detail, Line: l.line}
}

func (l *lexer) malformed(why string) error {
	return l.fault(seedfile.CodeXML, "not well-formed XML: "+seedfile.Clean(why, 80))
}

// next returns the next token; comments and the XML declaration are passed over. It
// returns io.EOF after the last one, outside every element.
func (l *lexer) next() (token, error) {
	for {
		l.start = l.pos
		t, err := l.token()
		if err == nil && l.pos-l.start > maxToken {
			err = l.tooLong()
		}
		if err != nil || t.kind != 0 {
			return t, err
		}
	}
}

func (l *lexer) tooLong() error {
	return l.fault(seedfile.CodeLimit, "a tag, text or comment is too long")
}

func (l *lexer) token() (token, error) {
	if l.empty {
		l.empty = false
		l.leave()
		return token{kind: endTag}, nil
	}
	if l.pos == l.end {
		if err := l.fill(); err == io.EOF && len(l.open) == 0 {
			return token{}, io.EOF
		} else if err != nil {
			return token{}, l.failed(err)
		}
	}
	first := !l.begun
	l.begun = true
	if l.buf[l.pos] != '<' {
		return l.text()
	}
	l.pos++
	b, err := l.read()
	if err != nil {
		return token{}, err
	}
	switch b {
	case '/':
		return l.endTag()
	case '?':
		return token{}, l.declaration(first)
	case '!':
		return l.marked()
	}
	l.pos--
	return l.startTag()
}

// fill reads on behind what is there, which it moves to the front from the beginning
// of the token at hand.
func (l *lexer) fill() error {
	switch {
	case l.err != nil:
		return l.err
	case l.end-l.start > maxToken:
		l.err = l.tooLong()
		return l.err
	}
	copy(l.buf, l.buf[l.start:l.end])
	l.pos, l.end, l.start = l.pos-l.start, l.end-l.start, 0
	for range 100 {
		n, err := l.in.Read(l.buf[l.end:])
		l.end += n
		switch {
		case n > 0:
			return nil // an error with it comes again with the next call
		case err != nil:
			l.err = err
			return err
		}
	}
	l.err = io.ErrNoProgress
	return l.err
}

// failed turns an error of fill within a token into what it means for the file.
func (l *lexer) failed(err error) error {
	if err == io.EOF {
		return l.fault(seedfile.CodeXML, "the file ends too early")
	}
	if refused, ok := errors.AsType[*seedfile.FileError](err); ok {
		return l.fault(refused.Code, refused.Detail)
	}
	return err // the disk or the network, not the file
}

// read returns the next byte of the token at hand.
func (l *lexer) read() (byte, error) {
	if l.pos == l.end {
		if err := l.fill(); err != nil {
			return 0, l.failed(err)
		}
	}
	b := l.buf[l.pos]
	l.pos++
	return b, nil
}

// expect reads one byte, which has to be b.
func (l *lexer) expect(b byte, why string) error {
	got, err := l.read()
	if err == nil && got != b {
		err = l.malformed(why)
	}
	return err
}

// until reads up to a mark and past it, and returns what stands before it.
func (l *lexer) until(mark string) ([]byte, error) {
	from := l.pos - l.start
	for looked := from; ; {
		if i := bytes.Index(l.buf[l.start+looked:l.end], []byte(mark)); i >= 0 {
			body := l.buf[l.start+from : l.start+looked+i]
			l.pos = l.start + looked + i + len(mark)
			l.line += bytes.Count(body, []byte("\n"))
			return body, nil
		}
		looked = max(from, l.end-l.start-len(mark)+1)
		if err := l.fill(); err != nil {
			return nil, l.failed(err)
		}
	}
}

// space passes over white space. What ends the file is told by what comes after.
func (l *lexer) space() {
	for l.pos < l.end || l.fill() == nil {
		switch l.buf[l.pos] {
		case '\n':
			l.line++
		case ' ', '\t', '\r':
		default:
			return
		}
		l.pos++
	}
}

// name reads a name and parts it at its colon.
func (l *lexer) name(of string) (xml.Name, error) {
	from := l.pos - l.start
	for l.pos < l.end || l.fill() == nil {
		if !nameByte(l.buf[l.pos]) {
			break
		}
		l.pos++
	}
	s := l.buf[l.start+from : l.pos]
	if l.pos == l.end { // no document ends within a name
		return xml.Name{}, l.failed(l.err)
	}
	if n, known := l.names[string(s)]; known {
		return n, nil
	}
	if !validName(s) || bytes.Count(s, []byte(":")) > 1 {
		return xml.Name{}, l.malformed("expected " + of)
	}
	n := xml.Name{Local: string(s)}
	if prefix, local, ok := strings.Cut(n.Local, ":"); ok && prefix != "" && local != "" {
		n = xml.Name{Space: prefix, Local: local}
	}
	if len(l.names) < maxNames {
		l.names[string(s)] = n
	}
	return n, nil
}

func (l *lexer) startTag() (token, error) {
	name, err := l.name("an element's name after <")
	if err != nil {
		return token{}, err
	}
	e := xml.StartElement{Name: name}
	for {
		l.space()
		b, err := l.read()
		if err != nil {
			return token{}, err
		}
		if b == '/' {
			if err := l.expect('>', "expected /> in a tag"); err != nil {
				return token{}, err
			}
			l.empty = true
			break
		}
		if b == '>' {
			break
		}
		l.pos--
		a, err := l.attribute()
		if err != nil {
			return token{}, err
		}
		if len(e.Attr) == maxAttributes {
			return token{}, l.fault(seedfile.CodeLimit, "an element has too many attributes")
		}
		e.Attr = append(e.Attr, a)
	}
	l.enter(&e)
	return token{kind: startTag, start: e}, nil
}

func (l *lexer) attribute() (a xml.Attr, err error) {
	if a.Name, err = l.name("an attribute's name in a tag"); err != nil {
		return a, err
	}
	l.space()
	if err := l.expect('=', "an attribute without ="); err != nil {
		return a, err
	}
	l.space()
	quote, err := l.read()
	if err != nil {
		return a, err
	}
	if quote != '"' && quote != '\'' {
		return a, l.malformed("an attribute's value without quotes")
	}
	raw, err := l.until(string(quote))
	if err != nil {
		return a, err
	}
	if bytes.IndexByte(raw, '<') >= 0 {
		return a, l.malformed("unescaped < in a quoted string")
	}
	value, err := l.characters(raw, true)
	a.Value = string(value)
	return a, err
}

// enter opens an element: the namespaces it declares hold for its own name as well.
func (l *lexer) enter(e *xml.StartElement) {
	l.open = append(l.open, e.Name)
	for _, a := range e.Attr {
		switch {
		case a.Name.Space == "xmlns":
			l.declare(a.Name.Local, a.Value)
		case a.Name == xml.Name{Local: "xmlns"}:
			l.declare("", a.Value)
		}
	}
	if e.Name.Space != "xmlns" && (e.Name != xml.Name{Local: "xmlns"}) {
		e.Name.Space = l.namespace(e.Name.Space)
	}
	for i := range e.Attr {
		if n := &e.Attr[i].Name; n.Space != "xmlns" && n.Space != "" {
			n.Space = l.namespace(n.Space)
		}
	}
}

func (l *lexer) declare(prefix, space string) {
	was, bound := l.spaces[prefix]
	l.scope = append(l.scope, binding{prefix, was, bound, len(l.open)})
	l.spaces[prefix] = space
}

// namespace is what a prefix stands for, the prefix itself where nobody declared it.
func (l *lexer) namespace(prefix string) string {
	if prefix == "xml" {
		return "http://www.w3.org/XML/1998/namespace"
	}
	if space, bound := l.spaces[prefix]; bound {
		return space
	}
	return prefix
}

func (l *lexer) endTag() (token, error) {
	name, err := l.name("an element's name after </")
	if err != nil {
		return token{}, err
	}
	l.space()
	if err := l.expect('>', "expected > after the name of an end tag"); err != nil {
		return token{}, err
	}
	if len(l.open) == 0 || l.open[len(l.open)-1] != name {
		return token{}, l.malformed("an end tag </" + name.Local + "> that ends no element")
	}
	l.leave()
	return token{kind: endTag}, nil
}

func (l *lexer) leave() {
	for len(l.scope) > 0 && l.scope[len(l.scope)-1].depth == len(l.open) {
		last := l.scope[len(l.scope)-1]
		if last.bound {
			l.spaces[last.prefix] = last.was
		} else {
			delete(l.spaces, last.prefix)
		}
		l.scope = l.scope[:len(l.scope)-1]
	}
	l.open = l.open[:len(l.open)-1]
}

// text reads up to the next tag.
func (l *lexer) text() (token, error) {
	for {
		i := bytes.IndexByte(l.buf[l.pos:l.end], '<')
		if i >= 0 {
			l.pos += i
			break
		}
		l.pos = l.end
		if err := l.fill(); err == io.EOF {
			break
		} else if err != nil {
			return token{}, l.failed(err)
		}
	}
	raw := l.buf[l.start:l.pos]
	l.line += bytes.Count(raw, []byte("\n"))
	if bytes.Contains(raw, []byte("]]>")) {
		return token{}, l.malformed("unescaped ]]> outside a CDATA section")
	}
	b, err := l.characters(raw, true)
	return token{kind: text, text: b}, err
}

// marked reads what begins with <!: a comment, which is passed over, or a CDATA
// section. A document type is refused.
func (l *lexer) marked() (token, error) {
	b, err := l.read()
	if err != nil {
		return token{}, err
	}
	switch b {
	case '-':
		if err := l.expect('-', "invalid sequence <!- not part of <!--"); err != nil {
			return token{}, err
		}
		if _, err := l.until("--"); err != nil {
			return token{}, err
		}
		return token{}, l.expect('>', `invalid sequence "--" in a comment`)
	case '[':
		for _, c := range []byte("CDATA[") {
			if err := l.expect(c, "invalid <![ sequence"); err != nil {
				return token{}, err
			}
		}
		raw, err := l.until("]]>")
		if err != nil {
			return token{}, err
		}
		b, err := l.characters(raw, false)
		return token{kind: text, text: b}, err
	}
	return token{}, l.fault(seedfile.CodeForbidden, "a document type declaration is not accepted")
}

var errCharset = errors.New("strictxml: encoding other than UTF-8")

// declaration reads an XML declaration, with the decoder of the standard library. Any
// other processing instruction is refused.
func (l *lexer) declaration(first bool) error {
	forbidden := l.fault(seedfile.CodeForbidden, "a processing instruction is not accepted")
	if !first {
		return forbidden
	}
	if _, err := l.until("?>"); err != nil {
		return err
	}
	d := xml.NewDecoder(bytes.NewReader(l.buf[l.start:l.pos]))
	// A declared encoding other than UTF-8 would let two readers see two files.
	d.CharsetReader = func(string, io.Reader) (io.Reader, error) { return nil, errCharset }
	t, err := d.RawToken()
	if errors.Is(err, errCharset) {
		return l.fault(seedfile.CodeEncoding, "the file is not in UTF-8: save it in UTF-8")
	}
	if err != nil {
		return l.malformed("its declaration")
	}
	if p, ok := t.(xml.ProcInst); !ok || p.Target != "xml" {
		return forbidden
	}
	return nil
}
