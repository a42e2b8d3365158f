// Package yubicocsv reads the logs that the YubiKey Personalization Tool writes when
// it programs keys, in its two fixed formats:
//
//	traditional: event, time, slot, public id, private id, secret, access codes (2), flags (3), digits, moving factor, flags (5)
//	Yubico:      serial, public id, private id or moving factor, secret, access code, time,
//
// The secrets are in hexadecimal and in the clear. Only OATH-HOTP is taken: a Yubico
// OTP key is an AES key of another scheme, a static password no one-time password,
// and a challenge-response key can be used by the computer without its owner.
//
// The traditional format has no serial number; the public id, which the key types
// before its code, names it. The Yubico format does not say how many digits a code
// has; the device profile has to. It writes a challenge-response key exactly like an
// OATH-HOTP key without public id and moving factor, so such a line is rejected.
package yubicocsv

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

// Manufacturer is whose tokens these are.
const Manufacturer = "Yubico"

// How many columns the formats have. The time of the traditional one is in the words
// of the computer's locale, which may hold commas: it is counted from behind.
const (
	traditional = 18
	afterTime   = 16
	yubico      = 7
)

// events begin the lines of the traditional format.
const (
	start = "LOGGING START"
	hotp  = "OATH-HOTP"
)

var events = []string{"Yubico OTP", "Static Password", "Challenge-Response", "Configuration", "Unknown programming mode"}

// Recognises reports whether a line, the first that is no comment, is of one of the
// two formats.
func Recognises(line []byte) bool {
	c := bytes.Split(line, []byte(","))
	for i := range c {
		c[i] = bytes.Trim(c[i], seedfile.Blanks)
	}
	switch first := string(c[0]); {
	case first == start:
		return true
	case first == hotp, event(first):
		return len(c) >= traditional
	}
	return ofYubico(c)
}

func event(text string) bool {
	for _, e := range events {
		if strings.HasPrefix(text, e) {
			return true
		}
	}
	return false
}

// ofYubico reports whether the columns are those of the Yubico format, by serial and
// time.
func ofYubico(c [][]byte) bool {
	if len(c) != yubico || len(c[6]) != 0 {
		return false
	}
	_, err := seedfile.Number(c[0], "", 1<<32)
	_, when := time.Parse("2006-01-02T15:04:05", string(c[5]))
	return err == nil && when == nil
}

// Read gives out the keys of a file, as seedfile.Rows does.
func Read(ctx context.Context, r io.ReadSeeker, opt seedfile.Options, each func(seedfile.Key) error, reject func(seedfile.Rejection)) (seedfile.Summary, error) {
	f := seedfile.Rows{
		Skip:  func(c [][]byte) bool { return string(c[0]) == start },
		Parse: func(c [][]byte) (seedfile.Key, []byte, error) { return parse(c, opt) },
	}
	return f.Read(ctx, r, opt, each, reject)
}

func parse(c [][]byte, opt seedfile.Options) (seedfile.Key, []byte, error) {
	k := seedfile.Key{Manufacturer: Manufacturer, Model: "YubiKey", Algorithm: seedfile.HOTP, Hash: hsm.SHA1}
	switch first := string(c[0]); {
	case first == hotp || event(first):
		return traditionalLine(k, c)
	case ofYubico(c):
		return yubicoLine(k, c, opt)
	}
	return k, nil, errors.New("the line is neither of the traditional nor of the Yubico format")
}

func traditionalLine(k seedfile.Key, c [][]byte) (seedfile.Key, []byte, error) {
	if len(c) < traditional {
		return k, nil, fmt.Errorf("the line has %d columns; the traditional format has %d", len(c), traditional)
	}
	name := string(c[0])
	c = c[len(c)-afterTime:]
	slot, public, secret, digits, factor := c[0], c[1], c[3], c[9], c[10]
	k.Serial, k.KeyID = string(public), "slot"+string(slot)
	switch {
	case name != hotp:
		return k, nil, fmt.Errorf("the record is of the mode %q; only OATH-HOTP is imported", seedfile.Clean(name, 60))
	case string(slot) != "1" && string(slot) != "2":
		return k, nil, errors.New("the slot is neither 1 nor 2")
	case len(public) == 0:
		return k, nil, errors.New("there is no public id: nothing in the line names the device")
	case string(digits) != "6" && string(digits) != "8":
		return k, nil, errors.New("the number of digits is neither 6 nor 8")
	}
	k.Digits = int(digits[0] - '0')
	return finish(k, factor, secret)
}

func yubicoLine(k seedfile.Key, c [][]byte, opt seedfile.Options) (seedfile.Key, []byte, error) {
	public, factor := c[1], c[2]
	k.Serial, k.KeyID, k.Digits = string(c[0]), "hotp", opt.Digits
	switch {
	case len(factor) == 0:
		return k, nil, errors.New("the record is a static password; only OATH-HOTP is imported")
	case len(factor) > 7: // the moving factor has 7 digits at most, a private id 12 characters
		return k, nil, errors.New("the record is of Yubico OTP (AES); only OATH-HOTP is imported")
	case len(public) == 0 && string(factor) == "0":
		return k, nil, errors.New("the record may be a challenge-response key, which this format does not tell from OATH-HOTP: log in the traditional format")
	case opt.Digits == 0:
		return k, nil, errors.New("the format does not say how many digits a code has: name a device profile that does")
	}
	return finish(k, factor, c[3])
}

func finish(k seedfile.Key, factor, secret []byte) (seedfile.Key, []byte, error) {
	n, err := seedfile.Number(factor, "moving factor", 1<<20)
	if err != nil {
		return k, nil, err
	}
	k.Counter = n
	seed, err := seedfile.Hex(secret)
	return k, seed, err
}
