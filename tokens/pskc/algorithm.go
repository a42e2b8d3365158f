package pskc

import (
	"errors"
	"fmt"
	"strings"

	"mohur/hsm"
	"mohur/tokens/seedfile"
)

// The prefixes under which algorithms are known. The IANA registry for PSKC has
// hotp and pin only; totp and ocra were never registered and stand in the field
// in these spellings: as the registry would have them, and as the drafts had.
var prefixes = []string{
	nsPSKC + ":",
	nsPSKC + "#",
	nsPSKC + ":1.0#",
	"http://www.ietf.org/keyprov/pskc#",
}

// setAlgorithm recognises the algorithm by its URI and nothing else.
func (r *record) setAlgorithm(k *Key) error {
	if r.algorithm == "" {
		return errors.New("the key names no algorithm")
	}
	name := ""
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(r.algorithm, p); ok {
			name = rest
		}
	}
	switch lower := strings.ToLower(name); {
	case lower == "hotp":
		k.Algorithm = HOTP
	case lower == "totp":
		k.Algorithm = TOTP
	case lower == "ocra" || lower == "ocra-1":
		k.Algorithm = OCRA
	case strings.HasPrefix(name, "OCRA-1:"): // draft-hoyer-keyprov-pskc-algorithm-profiles
		k.Algorithm = OCRA
		if r.params.suite != "" && r.params.suite != name {
			return errors.New("the algorithm and <Suite> name different OCRA suites")
		}
		r.params.suite = name
	case lower == "pin":
		return errors.New("the record holds a PIN, which is not imported")
	default:
		return fmt.Errorf("the algorithm %q is not supported", seedfile.Clean(r.algorithm, 100))
	}
	return r.setHash(k)
}

// setHash reads <Suite>: the hash of HOTP and TOTP, or the whole OCRA suite.
func (r *record) setHash(k *Key) error {
	if k.Algorithm == OCRA {
		s, err := seedfile.ParseSuite(r.params.suite)
		r.params.ocra, k.Suite, k.Hash = s, r.params.suite, s.Hash
		return err
	}
	name := strings.ToUpper(r.params.suite)
	name = strings.TrimPrefix(name, "HMAC-")
	switch strings.Replace(name, "SHA-", "SHA", 1) {
	case "", "SHA1":
		k.Hash = hsm.SHA1
	case "SHA256":
		k.Hash = hsm.SHA256
	case "SHA512":
		k.Hash = hsm.SHA512
	default:
		return fmt.Errorf("the suite %q is not supported", seedfile.Clean(r.params.suite, 60))
	}
	return nil
}
