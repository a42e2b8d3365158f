package pskc

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
)

const blanks = " \t\r\n" // XML white space

var errCharset = errors.New("pskc: encoding other than UTF-8")

// walker goes through the tokens of a file and lets through elements,
// attributes and text within bounds, and nothing else.
type walker struct {
	src   *source
	dec   *xml.Decoder
	depth int
	begun bool
	buf   []byte // text of the element at hand; never grows, so it leaves no copies
}

func newWalker(src *source) *walker {
	w := &walker{src: src, dec: xml.NewDecoder(src), buf: make([]byte, 0, maxText)}
	// A declared encoding other than UTF-8 would let two readers see two files.
	w.dec.CharsetReader = func(string, io.Reader) (io.Reader, error) { return nil, errCharset }
	return w
}

// fault refuses the file at the line reached.
func (w *walker) fault(code Code, detail string) error {
	line, _ := w.dec.InputPos()
	return &FileError{Code: code, Detail: detail, Line: line}
}

// next returns the next token, with comments left out. It returns io.EOF after
// the last one, outside every element.
func (w *walker) next() (xml.Token, error) {
	for {
		w.src.budget = maxToken
		tok, err := w.dec.Token()
		if err != nil {
			return nil, w.failed(err)
		}
		first := !w.begun
		w.begun = true
		switch t := tok.(type) {
		case xml.Comment:
			continue
		case xml.Directive:
			return nil, w.fault(CodeForbidden, "a document type declaration is not accepted")
		case xml.ProcInst:
			if first && t.Target == "xml" {
				continue
			}
			return nil, w.fault(CodeForbidden, "a processing instruction is not accepted")
		case xml.StartElement:
			if err := w.enter(t); err != nil {
				return nil, err
			}
		case xml.EndElement:
			w.depth--
		}
		return tok, nil
	}
}

// enter checks a start tag. The decoder takes attributes given twice and
// prefixes nobody declared, which other readers may understand differently.
func (w *walker) enter(e xml.StartElement) error {
	w.depth++
	if w.depth > maxDepth {
		return w.fault(CodeLimit, "elements are nested too deeply")
	}
	if len(e.Attr) > maxAttributes {
		return w.fault(CodeLimit, "an element has too many attributes")
	}
	if !declared(e.Name) {
		return w.fault(CodeXML, "a namespace prefix is not declared")
	}
	for i, a := range e.Attr {
		if a.Name.Space != "xmlns" && !declared(a.Name) {
			return w.fault(CodeXML, "a namespace prefix is not declared")
		}
		if slices.ContainsFunc(e.Attr[:i], func(b xml.Attr) bool { return a.Name == b.Name }) {
			return w.fault(CodeXML, "an attribute is given twice")
		}
	}
	return nil
}

// declared tells a namespace, which is an absolute URI, from the bare prefix
// that the decoder leaves where none was declared.
func declared(n xml.Name) bool { return n.Space == "" || strings.Contains(n.Space, ":") }

// failed turns an error of the decoder into what it means for the file.
func (w *walker) failed(err error) error {
	var refused *FileError
	var syntax *xml.SyntaxError
	switch {
	case errors.As(w.src.err, &refused):
		return w.fault(refused.Code, refused.Detail)
	case w.src.err != nil:
		return w.src.err // the disk or the network, not the file
	case err == io.EOF:
		return io.EOF
	case errors.Is(err, errCharset):
		return w.fault(CodeEncoding, "the file is not in UTF-8")
	case errors.As(err, &syntax) && syntax.Msg == "unexpected EOF":
		return w.fault(CodeXML, "the file ends too early")
	case errors.As(err, &syntax) && strings.HasPrefix(syntax.Msg, "invalid character entity"):
		return w.fault(CodeForbidden, "an entity is not accepted")
	case errors.As(err, &syntax):
		return w.fault(CodeXML, "not well-formed XML: "+clean(syntax.Msg, 80))
	}
	return w.fault(CodeXML, "not well-formed XML")
}

// elements calls f for each child of the element just entered, until its end.
// f reads its element to the end.
func (w *walker) elements(f func(xml.StartElement) error) error {
	for {
		tok, err := w.next()
		if err != nil {
			return err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if err := f(t); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		case xml.CharData:
			if len(bytes.Trim(t, blanks)) != 0 {
				return w.fault(CodeStructure, "there is text between elements")
			}
		}
	}
}

// skip reads the element just entered to its end. It clears what it passes: a
// seed may stand in a place where none belongs.
func (w *walker) skip() error {
	for end := w.depth - 1; w.depth > end; {
		tok, err := w.next()
		if err != nil {
			return err
		}
		if t, ok := tok.(xml.CharData); ok {
			clear(t)
		}
	}
	return nil
}

// attribute returns an attribute that has no namespace.
func attribute(e xml.StartElement, name string) (string, bool) {
	for _, a := range e.Attr {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value, true
		}
	}
	return "", false
}
