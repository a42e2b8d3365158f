package stoplist

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"

	"mohur/ident"
	"mohur/seal"
)

// entry is a report as it lies in the file.
type entry struct {
	Report
	Key    string `json:"key"`    // Person of the key the words are sealed under
	Sealed []byte `json:"sealed"` // Words, at the report's place
}

// line is one line of the file: a key or a report.
type line struct {
	Key   *seal.Key `json:"seal,omitempty"`
	Entry *entry    `json:"report,omitempty"`
}

// sumSize is how much of a line's SHA-256 stands before it, in bytes: against a
// line that was half written, not against a thief.
const sumSize = 8

// encode returns the line with its sum and its end. It has exactly one newline:
// JSON escapes those in texts.
func (n line) encode() ([]byte, error) {
	text, err := json.Marshal(n)
	if err != nil {
		return nil, err
	}
	return append(append(sumOf(text), text...), '\n'), nil
}

func sumOf(text []byte) []byte {
	sum := sha256.Sum256(text)
	return append(hex.AppendEncode(nil, sum[:sumSize]), ' ')
}

var errLine = errors.New("stoplist: the line is not one that was written")

// decodeLine reads a line without its end.
func decodeLine(b []byte) (line, error) {
	head := 2*sumSize + 1
	if len(b) < head || !bytes.Equal(b[:head], sumOf(b[head:])) {
		return line{}, errLine
	}
	var n line
	if err := json.Unmarshal(b[head:], &n); err != nil {
		return line{}, errors.Join(errLine, err)
	}
	if (n.Key == nil) == (n.Entry == nil) || n.Entry != nil && !ident.Valid("ak", n.Entry.Ack) {
		return line{}, errLine
	}
	return n, nil
}

// content is what a file holds.
type content struct {
	keys    map[string]seal.Key
	entries []entry // oldest first, each acknowledgement once
	damaged int     // whole lines that cannot be read
	torn    bool    // the last line has no end: nobody was given its acknowledgement
}

// parse reads a file. It takes whatever can be read: a damaged line is no reason
// to forget the others. What is reserved and not written yet is zeros.
func parse(b []byte) content {
	c := content{keys: map[string]seal.Key{}}
	seen := map[string]bool{}
	for len(b) > 0 {
		text, rest, ended := bytes.Cut(b, []byte{'\n'})
		b = rest
		text = bytes.Trim(text, "\x00")
		if len(text) == 0 {
			continue
		}
		if !ended {
			c.torn = true
			break
		}
		n, err := decodeLine(text)
		switch {
		case err != nil:
			c.damaged++
		case n.Key != nil:
			c.keys[n.Key.Person] = *n.Key
		case !seen[n.Entry.Ack]:
			seen[n.Entry.Ack] = true
			c.entries = append(c.entries, *n.Entry)
		}
	}
	return c
}
