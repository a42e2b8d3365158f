package pskc

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
)

// Count counts the start tags named KeyPackage in one quick look, for a progress
// bar. It takes any input, judges nothing and is exact for well-formed files;
// nothing may depend on it but what a person sees.
func Count(r io.Reader) (int, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	keys := 0
	for {
		found, err := nextTag(b)
		if found {
			keys++
		}
		if err == io.EOF {
			return keys, nil
		}
		if err != nil {
			return keys, fmt.Errorf("pskc: %w", err)
		}
	}
}

// nextTag passes the next piece of markup and reports whether it opens a key package.
func nextTag(b *bufio.Reader) (bool, error) {
	if err := until(b, "<"); err != nil {
		return false, err
	}
	head, err := b.Peek(8)
	if err != nil && err != io.EOF {
		return false, err
	}
	switch {
	case bytes.HasPrefix(head, []byte("!--")):
		return false, until(b, "-->")
	case bytes.HasPrefix(head, []byte("![CDATA[")):
		return false, until(b, "]]>")
	}
	return tag(b)
}

// until reads past the next occurrence of end.
func until(b *bufio.Reader, end string) error {
	var window [3]byte
	for {
		c, err := b.ReadByte()
		if err != nil {
			return err
		}
		window[0], window[1], window[2] = window[1], window[2], c
		if string(window[len(window)-len(end):]) == end {
			return nil
		}
	}
}

// tag reads to the end of a tag and reports whether it is named KeyPackage, with
// any prefix. A ">" inside an attribute does not end it.
func tag(b *bufio.Reader) (bool, error) {
	var room [80]byte
	name, quote, inName := room[:0], byte(0), true
	for {
		c, err := b.ReadByte()
		if err != nil {
			return false, err
		}
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
			continue
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			local := name[bytes.IndexByte(name, ':')+1:]
			return string(local) == "KeyPackage" && name[0] != '/', nil
		}
		if c == '/' && len(name) > 0 || bytes.IndexByte([]byte(blanks), c) >= 0 {
			inName = false
		}
		if inName && len(name) < cap(room[:]) {
			name = append(name, c)
		}
	}
}
