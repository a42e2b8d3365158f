package strictxml

import (
	"bytes"
	"encoding/xml"
	"unicode"
	"unicode/utf8"

	"mohur/tokens/seedfile"
)

// plainByte are the bytes of a text that stand for themselves.
var plainByte = func() (plain [256]bool) {
	for b := ' '; b < unicode.MaxASCII; b++ {
		plain[b] = b != '&'
	}
	plain['\t'], plain['\n'] = true, true
	return plain
}()

// characters returns a text as it is meant: references and line ends are put in
// their place, within raw, which never grows by it. What is no character of XML is
// refused. The lines of raw have been counted.
func (l *lexer) characters(raw []byte, references bool) ([]byte, error) {
	i := 0
	for i < len(raw) && plainByte[raw[i]] {
		i++
	}
	if i == len(raw) {
		return raw, nil
	}
	out := raw[:i]
	for i < len(raw) {
		switch b := raw[i]; {
		case b == '&' && references:
			r, n := reference(raw[i:])
			if n == 0 {
				l.line -= bytes.Count(raw[i:], []byte("\n"))
				return nil, l.fault(seedfile.CodeForbidden, "an entity is not accepted")
			}
			out = utf8.AppendRune(out, r) // within raw: no reference is shorter than its rune
			i += n
		case b == '\r':
			out = append(out, '\n')
			if i++; i < len(raw) && raw[i] == '\n' {
				i++
			}
		default:
			out = append(out, b)
			i++
		}
	}
	clear(raw[len(out):])
	for rest := out; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		why := ""
		if r == utf8.RuneError && n == 1 {
			why = "invalid UTF-8"
		} else if !character(r) {
			why = "a character that XML does not have"
		}
		if why != "" {
			l.line -= bytes.Count(rest, []byte("\n"))
			return nil, l.malformed(why)
		}
		rest = rest[n:]
	}
	return out, nil
}

// character says whether XML 1.0 has it (section 2.2).
func character(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= unicode.MaxRune
}

// entities are those that XML itself declares (section 4.6).
var entities = map[string]rune{"lt": '<', "gt": '>', "amp": '&', "apos": '\'', "quot": '"'}

// reference reads a reference to a character or to one of the entities; n is its
// length, 0 if b does not begin with one.
func reference(b []byte) (r rune, n int) {
	end := bytes.IndexByte(b, ';')
	if end < 0 {
		return 0, 0
	}
	name := b[1:end]
	digits, decimal := bytes.CutPrefix(name, []byte("#"))
	if !decimal {
		if r, known := entities[string(name)]; known {
			return r, end + 1
		}
		return 0, 0
	}
	base := rune(10)
	if hex, ok := bytes.CutPrefix(digits, []byte("x")); ok {
		digits, base = hex, 16
	}
	if len(digits) == 0 {
		return 0, 0
	}
	for _, d := range digits {
		v := digit(d)
		if v >= base {
			return 0, 0
		}
		if r = r*base + v; r > unicode.MaxRune {
			return 0, 0
		}
	}
	return r, end + 1
}

// digit is the value of a hexadecimal digit, 16 of anything else.
func digit(d byte) rune {
	switch {
	case '0' <= d && d <= '9':
		return rune(d - '0')
	case 'a' <= d && d <= 'f':
		return rune(d-'a') + 10
	case 'A' <= d && d <= 'F':
		return rune(d-'A') + 10
	}
	return 16
}

// nameByte says whether a byte may be one of a name.
func nameByte(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '_' || b == ':' || b == '-' || b == '.' || b >= utf8.RuneSelf
}

// validName says whether the bytes of a name are one. Those beyond ASCII are left to
// the standard library, which has the tables.
func validName(s []byte) bool {
	if len(s) == 0 || s[0] == '-' || s[0] == '.' || '0' <= s[0] && s[0] <= '9' {
		return false
	}
	if bytes.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) {
		t, err := xml.NewDecoder(bytes.NewReader(append(append([]byte("<"), s...), "/>"...))).RawToken()
		_, ok := t.(xml.StartElement)
		return ok && err == nil
	}
	return true
}
