// Package oathcsv reads the OATH CSV files of token makers, one token a line:
//
//	serial, seed, hotp, digits
//	serial, seed, totp, digits, time step
//	serial, seed, ocra, suite
//
// The seed is in hexadecimal and in the clear. There is no standard; this is the
// form that LinOTP and privacyIDEA document. Where these fill in what a line leaves
// out, or take the hash from the length of a seed, this package takes the word of
// the line alone: the hash of HOTP and TOTP is SHA-1, counters begin at 0, and a
// line that leaves out type, digits or time step is rejected.
package oathcsv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"mohur/hsm"
	"mohur/tokens/seedfile"
)

// The columns.
const (
	serial = iota
	seed
	kind
	length // or the OCRA suite
	step
	columns
)

// Recognises reports whether a line, the first that is no comment, is of this
// format.
func Recognises(line []byte) bool {
	c := split(line)
	if len(c) <= length {
		return false
	}
	return header(c) || algorithms[strings.ToLower(string(c[kind]))] != "" && isHex(c[seed])
}

var algorithms = map[string]seedfile.Algorithm{"hotp": seedfile.HOTP, "totp": seedfile.TOTP, "ocra": seedfile.OCRA}

func split(line []byte) [][]byte {
	c := bytes.Split(line, []byte(","))
	for i := range c {
		c[i] = bytes.Trim(c[i], seedfile.Blanks)
	}
	return c
}

func isHex(text []byte) bool {
	seed, err := seedfile.Hex(text)
	clear(seed)
	return err == nil
}

// header reports whether the line names the columns.
func header(c [][]byte) bool {
	return len(c) > kind && bytes.EqualFold(c[serial], []byte("serial")) && bytes.EqualFold(c[kind], []byte("type"))
}

// Read gives out the keys of a file, as seedfile.Rows does. The manufacturer is the
// one of the options, the key id of a key is its type.
func Read(ctx context.Context, r io.ReadSeeker, opt seedfile.Options, each func(seedfile.Key) error, reject func(seedfile.Rejection)) (seedfile.Summary, error) {
	f := seedfile.Rows{Skip: header, Parse: func(c [][]byte) (seedfile.Key, []byte, error) { return parse(c, opt) }}
	return f.Read(ctx, r, opt, each, reject)
}

func parse(c [][]byte, opt seedfile.Options) (k seedfile.Key, secret []byte, err error) {
	k = seedfile.Key{Manufacturer: opt.Manufacturer, Serial: string(c[serial]), Hash: hsm.SHA1}
	if len(c) <= kind || len(c[kind]) == 0 {
		return k, nil, errors.New("the line names no type: hotp, totp or ocra in column 3")
	}
	k.Algorithm = algorithms[strings.ToLower(string(c[kind]))]
	k.KeyID = string(k.Algorithm)
	if k.Algorithm == "" {
		return k, nil, errors.New("the type in column 3 is not hotp, totp or ocra") // not quoted: with columns mixed up it is the seed
	}
	if len(c) > columns {
		return k, nil, fmt.Errorf("the line has %d columns; the format has %d", len(c), columns)
	}
	c = append(c, make([][]byte, columns-len(c))...)
	if err := parameters(&k, c); err != nil {
		return k, nil, err
	}
	secret, err = seedfile.Hex(c[seed])
	return k, secret, err
}

// parameters reads what follows the type.
func parameters(k *seedfile.Key, c [][]byte) error {
	switch k.Algorithm {
	case seedfile.OCRA:
		s, err := seedfile.ParseSuite(string(c[length]))
		if err != nil {
			return err
		}
		if len(c[step]) > 0 {
			return errors.New("column 5 of an ocra line is not empty")
		}
		k.Suite, k.Hash, k.Digits, k.Step = string(c[length]), s.Hash, s.Digits, time.Duration(s.TimeStep)*time.Second
		return nil
	case seedfile.HOTP:
		// A counter to some readers, a time step that is not looked at to others.
		if s := string(c[step]); s != "" && s != "0" {
			return errors.New("column 5 of a hotp line is neither empty nor 0: readers differ in whether it is a counter")
		}
		return digits(k, c[length], seedfile.MaxHOTPDigits)
	}
	n, err := seedfile.Number(c[step], "time step in column 5", 3600)
	if err != nil {
		return err
	}
	k.Step = time.Duration(n) * time.Second
	if k.Step < seedfile.MinStep || k.Step > seedfile.MaxStep {
		return errors.New("the time step is outside 10 to 300 seconds")
	}
	return digits(k, c[length], seedfile.MaxDigits)
}

func digits(k *seedfile.Key, text []byte, most uint64) error {
	n, err := seedfile.Number(text, "number of digits in column 4", 99)
	if err != nil {
		return err
	}
	if n < seedfile.MinDigits || n > most {
		return fmt.Errorf("codes of %d digits are not supported; %d to %d are", n, seedfile.MinDigits, most)
	}
	k.Digits = int(n)
	return nil
}
