package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// maxKeyText is more than the longest key in hexadecimal, in groups.
const maxKeyText = 256

var errKeyLength = errors.New("the key needs to be 32 or 64 hexadecimal digits (16 or 32 bytes)")

// transportKey reads the key, or a half of one, from where it is.
func (p *program) transportKey(ctx context.Context, name string, half bool, f transportFlags) ([]byte, error) {
	in := p.in
	switch typed, ok := p.in.(*os.File); {
	case f.text != "":
		in = bytes.NewReader([]byte(f.text))
	case f.file != "":
		opened, err := os.Open(f.file)
		if err != nil {
			return nil, err
		}
		defer opened.Close()
		in = opened
	case ok && isTerminal(typed):
		what := "The key"
		if half {
			what = "Your half of the key"
		}
		fmt.Fprintf(p.err, "%s transport-%s, in hexadecimal (it is not shown): ", what, name)
		line, err := p.readLine(ctx, typed, true)
		defer clear(line)
		if err != nil {
			return nil, err
		}
		return decodeKey(line)
	}
	read, err := io.ReadAll(io.LimitReader(in, maxKeyText))
	defer clear(read)
	if err != nil {
		return nil, err
	}
	return decodeKey(read)
}

// decodeKey reads hexadecimal digits, which may stand in groups as in a letter.
func decodeKey(text []byte) ([]byte, error) {
	digits := make([]byte, 0, len(text))
	defer func() { clear(digits) }()
	for _, c := range text {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			digits = append(digits, c)
		}
	}
	key := make([]byte, hex.DecodedLen(len(digits)))
	if _, err := hex.Decode(key, digits); err != nil || len(key) != 16 && len(key) != 32 {
		clear(key)
		return nil, errKeyLength
	}
	return key, nil
}

// readLine reads a line from a terminal, with secret without showing it. Where the
// command is broken off meanwhile, the terminal shows again what is typed.
func (p *program) readLine(ctx context.Context, f *os.File, secret bool) ([]byte, error) {
	fd := int(f.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	type typed struct {
		line []byte
		err  error
	}
	done := make(chan typed, 1)
	go func() {
		if secret {
			line, err := term.ReadPassword(fd)
			done <- typed{line, err}
			return
		}
		var t typed
		one := make([]byte, 1) // no byte more than the line: what follows is not ours
		for t.err == nil && len(t.line) < maxKeyText {
			var n int
			if n, t.err = f.Read(one); n == 0 || one[0] == '\n' {
				break
			}
			t.line = append(t.line, one[0])
		}
		done <- t
	}()
	select {
	case t := <-done:
		if secret {
			fmt.Fprintln(p.err)
		}
		return t.line, t.err
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), term.Restore(fd, before))
	}
}
