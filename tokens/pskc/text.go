package pskc

import "encoding/xml"

// maxText is the longest text of one element that is looked at: the base64 of
// an encrypted value with room for line breaks. What is longer is skipped and
// its record or file refused.
const maxText = 4096

// text returns the text of the element just entered, read to its end. One
// longer than maxText is long and comes out empty, never cut short: half a number
// is another number. Pieces parted by a comment are joined for the same reason.
// The bytes are good until the next call of text.
func (w *walker) text() (text []byte, long bool, err error) {
	w.wipe()
	for {
		tok, err := w.next()
		if err != nil {
			return nil, false, err
		}
		switch t := tok.(type) {
		case xml.CharData:
			if len(w.buf)+len(t) > maxText {
				long = true
			} else {
				w.buf = append(w.buf, t...)
			}
			clear(t) // this is the decoder's own buffer: it may have held a seed
		case xml.StartElement:
			return nil, false, w.fault(CodeStructure, "there is an element inside a value")
		case xml.EndElement:
			if long {
				w.wipe()
			}
			return w.buf, long, nil
		}
	}
}

// wipe clears the text buffer.
func (w *walker) wipe() {
	clear(w.buf)
	w.buf = w.buf[:0]
}
