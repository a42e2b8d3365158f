// Package strictxml walks through the XML of a seed file within bounds: elements,
// attributes and text, and nothing else.
//
// Against whom: whoever wrote the file. Document type declarations, entities,
// processing instructions and encodings other than UTF-8 are refused; depth,
// attributes and the length of every tag, text and comment are bounded; nothing is
// fetched and nothing expanded. What is taken, the decoder of the standard library
// takes as well and reads alike. Every fault is a *seedfile.FileError and holds nothing that was read
// between two tags. The buffers that text passes through are cleared.
package strictxml

import (
	"bytes"
	"encoding/xml"
	"io"
	"slices"
	"strings"

	"mohur/tokens/seedfile"
)

// Bounds on the shape of the XML. A real key package is 8 deep and no token of
// it is longer than a certificate.
const (
	maxToken      = 64 << 10 // bytes of one tag, text, comment or attribute list
	maxDepth      = 24
	maxAttributes = 32
)

// MaxText is the longest text of one element that is looked at, in bytes: the
// base64 of an encrypted value with room for line breaks.
const MaxText = 4096

// Walker goes through one document.
type Walker struct {
	lex   *lexer
	depth int
	buf   []byte // text of the element at hand; never grows, so it leaves no copies
}

// New walks through in.
func New(in *seedfile.Input) *Walker {
	return &Walker{lex: newLexer(in), buf: make([]byte, 0, MaxText)}
}

// Close clears the buffers: seeds in the clear passed through them.
func (w *Walker) Close() {
	w.wipe()
	w.lex.close()
}

// Line is the line reached, from 1.
func (w *Walker) Line() int { return w.lex.line }

// Fault refuses the file at the line reached.
func (w *Walker) Fault(code seedfile.Code, detail string) error {
	return w.lex.fault(code, detail)
}

// Root returns the next element on the top level, nil at the end.
func (w *Walker) Root() (*xml.StartElement, error) {
	for {
		tok, err := w.next()
		if err == io.EOF {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		switch tok.kind {
		case startTag:
			return &tok.start, nil
		case text:
			if len(bytes.Trim(tok.text, seedfile.Blanks)) != 0 {
				return nil, w.Fault(seedfile.CodeXML, "there is text outside the document")
			}
		}
	}
}

// Elements calls f for each child of the element just entered, until its end.
// f reads its element to the end.
func (w *Walker) Elements(f func(xml.StartElement) error) error {
	for {
		tok, err := w.next()
		if err != nil {
			return err
		}
		switch tok.kind {
		case startTag:
			if err := f(tok.start); err != nil {
				return err
			}
		case endTag:
			return nil
		case text:
			if len(bytes.Trim(tok.text, seedfile.Blanks)) != 0 {
				return w.Fault(seedfile.CodeStructure, "there is text between elements")
			}
		}
	}
}

// Skip reads the element just entered to its end. It clears what it passes: a
// seed may stand in a place where none belongs.
func (w *Walker) Skip() error {
	for end := w.depth - 1; w.depth > end; {
		tok, err := w.next()
		if err != nil {
			return err
		}
		clear(tok.text)
	}
	return nil
}

// Text returns the text of the element just entered, read to its end. One longer
// than MaxText is long and comes out empty, never cut short: half a number is
// another number. Pieces parted by a comment are joined for the same reason. The
// bytes are good until the next call of Text.
func (w *Walker) Text() (value []byte, long bool, err error) {
	w.wipe()
	for {
		tok, err := w.next()
		if err != nil {
			return nil, false, err
		}
		switch tok.kind {
		case text:
			if len(w.buf)+len(tok.text) > MaxText {
				long = true
			} else {
				w.buf = append(w.buf, tok.text...)
			}
			clear(tok.text) // this is the lexer's own buffer: it may have held a seed
		case startTag:
			return nil, false, w.Fault(seedfile.CodeStructure, "there is an element inside a value")
		case endTag:
			if long {
				w.wipe()
			}
			return w.buf, long, nil
		}
	}
}

// wipe clears the text buffer.
func (w *Walker) wipe() {
	clear(w.buf)
	w.buf = w.buf[:0]
}

// Attribute returns an attribute that has no namespace.
func Attribute(e xml.StartElement, name string) (string, bool) {
	for _, a := range e.Attr {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value, true
		}
	}
	return "", false
}

// next returns the next token. It returns io.EOF after the last one, outside every
// element.
func (w *Walker) next() (token, error) {
	t, err := w.lex.next()
	if err != nil {
		return token{}, err
	}
	switch t.kind {
	case startTag:
		return t, w.enter(t.start)
	case endTag:
		w.depth--
	}
	return t, nil
}

// enter checks a start tag. The lexer takes attributes given twice and prefixes
// nobody declared, which other readers may understand differently.
func (w *Walker) enter(e xml.StartElement) error {
	w.depth++
	if w.depth > maxDepth {
		return w.Fault(seedfile.CodeLimit, "elements are nested too deeply")
	}
	if len(e.Attr) > maxAttributes {
		return w.Fault(seedfile.CodeLimit, "an element has too many attributes")
	}
	if !declared(e.Name) {
		return w.Fault(seedfile.CodeXML, "a namespace prefix is not declared")
	}
	for i, a := range e.Attr {
		if a.Name.Space != "xmlns" && !declared(a.Name) {
			return w.Fault(seedfile.CodeXML, "a namespace prefix is not declared")
		}
		if slices.ContainsFunc(e.Attr[:i], func(b xml.Attr) bool { return a.Name == b.Name }) {
			return w.Fault(seedfile.CodeXML, "an attribute is given twice")
		}
	}
	return nil
}

// declared tells a namespace, which is an absolute URI, from the bare prefix
// that the decoder leaves where none was declared.
func declared(n xml.Name) bool { return n.Space == "" || strings.Contains(n.Space, ":") }
