// Package serials reads lists of devices that come without seeds, such as FIDO2
// keys, whose keys are made when they are enrolled. One device a line:
//
//	serial
//	serial, manufacturer
//	serial, manufacturer, model
//
// There is no standard; makers write a list beside the delivery note.
package serials

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"mohur/tokens/seedfile"
)

var columns = []string{"serial", "manufacturer", "model"}

// Recognises reports whether a line, the first that is no comment, names the
// columns. A list without such a line looks like many other things and is not
// recognised.
func Recognises(line []byte) bool {
	c := bytes.Split(line, []byte(","))
	for i := range c {
		c[i] = bytes.Trim(c[i], seedfile.Blanks)
	}
	return header(c)
}

// header reports whether the line names the columns, in their order.
func header(c [][]byte) bool {
	if len(c) > len(columns) {
		return false
	}
	for i, name := range c {
		if !bytes.EqualFold(name, []byte(columns[i])) {
			return false
		}
	}
	return true
}

// Read gives out the devices of a list, as seedfile.Rows does: keys without
// algorithm, key id and secret. The manufacturer is the one of the options where a
// line names none.
func Read(ctx context.Context, r io.ReadSeeker, opt seedfile.Options, each func(seedfile.Key) error, reject func(seedfile.Rejection)) (seedfile.Summary, error) {
	f := seedfile.Rows{Bare: true, Skip: header, Parse: func(c [][]byte) (seedfile.Key, []byte, error) {
		k, err := parse(c, opt)
		return k, nil, err
	}}
	return f.Read(ctx, r, opt, each, reject)
}

func parse(c [][]byte, opt seedfile.Options) (k seedfile.Key, err error) {
	k.Manufacturer, k.Serial = opt.Manufacturer, string(c[0])
	switch {
	case len(c) > len(columns):
		return k, fmt.Errorf("the line has %d columns; the format has %d: serial, manufacturer, model", len(c), len(columns))
	case bytes.EqualFold(c[0], []byte(columns[0])):
		return k, errors.New("the columns are serial, manufacturer, model, in this order")
	}
	c = append(c, make([][]byte, len(columns)-len(c))...)
	maker, err := name(c[1], "manufacturer in column 2")
	if err != nil {
		return k, err
	}
	if maker != "" {
		k.Manufacturer = maker
	}
	k.Model, err = name(c[2], "model in column 3")
	return k, err
}

// longestWord of a name. A seed in the wrong column is longer in every encoding, and
// must not be stored as a name: 16 bytes are 22 characters of base64.
const longestWord = 21

func name(text []byte, what string) (string, error) {
	label, err := seedfile.Label(text)
	if err != nil {
		return "", fmt.Errorf("the %s: %w", what, err)
	}
	for _, word := range bytes.Fields([]byte(label)) {
		if utf8.RuneCount(word) > longestWord {
			return "", fmt.Errorf("the %s has a word of more than %d characters: this format holds names, no seeds", what, longestWord)
		}
	}
	return label, nil
}
