package seedfile

import (
	"errors"
	"fmt"

	"mohur/tokens/ocra"
)

// ParseSuite reads an OCRA suite of a file; its errors are for whoever sent it.
func ParseSuite(text string) (ocra.Suite, error) {
	if text == "" {
		return ocra.Suite{}, errors.New("the key names no OCRA suite")
	}
	s, err := ocra.ParseSuite(text)
	if err != nil {
		return ocra.Suite{}, fmt.Errorf("the OCRA suite %q is not one of RFC 6287, or its codes have not %d to %d digits", Clean(text, 80), MinDigits, MaxDigits)
	}
	return s, nil
}
