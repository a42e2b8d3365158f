package cardtest

import (
	"bytes"
	"crypto/subtle"
)

const (
	refPIN = 0x80
	refPUK = 0x81
)

func newSecret(digits string, tries int) secret {
	s := secret{tries: tries, most: tries}
	if len(digits) > len(s.value) {
		panic("cardtest: a PIN has at most eight characters")
	}
	for i := range s.value {
		s.value[i] = 0xff
	}
	copy(s.value[:], digits)
	return s
}

// try compares, and counts.
func (s *secret) try(value []byte) status {
	switch {
	case s.tries == 0:
		return swBlocked
	case subtle.ConstantTimeCompare(s.value[:], value) == 1:
		s.tries = s.most
		return swOK
	}
	s.tries--
	if s.tries == 0 {
		return swBlocked
	}
	return swTries | status(s.tries)
}

// isPIN reports whether eight bytes are a PIN: six to eight digits, then FF.
func isPIN(b []byte) bool {
	n := 0
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	return len(b) == 8 && n >= 6 && bytes.Count(b[n:], []byte{0xff}) == 8-n
}

// verify is VERIFY: with a PIN, without one to ask for the tries, with P1 FF to
// end what was verified.
func (c *Card) verify(cmd command) ([]byte, status) {
	switch {
	case cmd.p2 != refPIN:
		return nil, swNoReference
	case cmd.p1 == 0xff && len(cmd.data) == 0:
		c.verified, c.fresh = false, false
		return nil, swOK
	case cmd.p1 != 0:
		return nil, swWrongP1P2
	case len(cmd.data) == 0 && c.verified:
		return nil, swOK
	case len(cmd.data) == 0 && c.pin.tries == 0:
		return nil, swBlocked
	case len(cmd.data) == 0:
		return nil, swTries | status(c.pin.tries)
	case !isPIN(cmd.data):
		return nil, swWrongData
	}
	sw := c.pin.try(cmd.data)
	c.verified = sw == swOK
	c.fresh = c.verified
	return nil, sw
}

// changeReference is CHANGE REFERENCE DATA: the old one, then the new one.
func (c *Card) changeReference(cmd command) ([]byte, status) {
	which := &c.pin
	switch {
	case cmd.p1 != 0:
		return nil, swWrongP1P2
	case cmd.p2 == refPUK:
		which = &c.puk
	case cmd.p2 != refPIN:
		return nil, swNoReference
	}
	if len(cmd.data) != 16 || cmd.p2 == refPIN && !isPIN(cmd.data[8:]) {
		return nil, swWrongData
	}
	sw := which.try(cmd.data[:8])
	if sw == swOK {
		copy(which.value[:], cmd.data[8:])
	} else if cmd.p2 == refPIN {
		c.verified, c.fresh = false, false
	}
	return nil, sw
}

// resetRetries is RESET RETRY COUNTER: the PUK, then a new PIN.
func (c *Card) resetRetries(cmd command) ([]byte, status) {
	switch {
	case cmd.p1 != 0:
		return nil, swWrongP1P2
	case cmd.p2 != refPIN:
		return nil, swNoReference
	case len(cmd.data) != 16 || !isPIN(cmd.data[8:]):
		return nil, swWrongData
	}
	sw := c.puk.try(cmd.data[:8])
	if sw == swOK {
		copy(c.pin.value[:], cmd.data[8:])
		c.pin.tries = c.pin.most
	}
	return nil, sw
}
