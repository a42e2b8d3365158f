package pskc

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"mohur/hsm"
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
		return fmt.Errorf("the algorithm %q is not supported", clean(r.algorithm, 100))
	}
	return r.setHash(k)
}

// setHash reads <Suite>: the hash of HOTP and TOTP, or the whole OCRA suite.
func (r *record) setHash(k *Key) error {
	if k.Algorithm == OCRA {
		s, err := parseSuite(r.params.suite)
		r.params.ocra, k.Suite, k.Hash = s, r.params.suite, s.hash
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
		return fmt.Errorf("the suite %q is not supported", clean(r.params.suite, 60))
	}
	return nil
}

// suite is what an import has to know of an OCRA suite.
type suite struct {
	hash     hsm.Hash
	digits   int
	counter  bool
	question byte // N, A or H
	length   int  // of the longest question
	pin      bool
	step     time.Duration // 0: no time
}

// suiteForm is the grammar of RFC 6287 section 6. Upper and lower case differ,
// since the text of the suite is itself an input of the computation.
var suiteForm = regexp.MustCompile(
	`^OCRA-1:HOTP-(SHA1|SHA256|SHA512)-(0|[4-9]|10):(C-)?Q([ANH])([0-9]{1,2})(-PSHA1|-PSHA256|-PSHA512)?(-S[0-9]{3})?(?:-T([0-9]{1,2})([SMH]))?$`)

func parseSuite(text string) (suite, error) {
	if text == "" {
		return suite{}, errors.New("the key names no OCRA suite")
	}
	bad := fmt.Errorf("the OCRA suite %q is not valid", clean(text, 80))
	m := suiteForm.FindStringSubmatch(text)
	if m == nil {
		return suite{}, bad
	}
	s := suite{
		hash:     map[string]hsm.Hash{"SHA1": hsm.SHA1, "SHA256": hsm.SHA256, "SHA512": hsm.SHA512}[m[1]],
		counter:  m[3] != "",
		question: m[4][0],
		pin:      m[6] != "",
	}
	s.digits, _ = strconv.Atoi(m[2])
	s.length, _ = strconv.Atoi(m[5])
	if s.length < 4 || s.length > 64 {
		return suite{}, bad
	}
	if s.digits < MinDigits {
		return suite{}, fmt.Errorf("an OCRA suite with %d digits is not supported; %d to %d are", s.digits, MinDigits, MaxDigits)
	}
	if m[8] == "" {
		return s, nil
	}
	n, _ := strconv.Atoi(m[8])
	unit := map[string]time.Duration{"S": time.Second, "M": time.Minute, "H": time.Hour}[m[9]]
	if n < 1 || n > 59 || unit == time.Hour && n > 48 {
		return suite{}, bad
	}
	s.step = time.Duration(n) * unit
	return s, nil
}
