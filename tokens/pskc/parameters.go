package pskc

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strings"

	"mohur/tokens/ocra"
	"mohur/tokens/seedfile"
)

// parameters is <AlgorithmParameters> (section 4.2, erratum 2759).
type parameters struct {
	suite     string
	challenge *format
	response  *format
	ocra      ocra.Suite // filled when the key is built
}

// format is <ChallengeFormat> or <ResponseFormat>.
type format struct {
	encoding         string
	min, max, length int64
	check            bool
}

// parameters reads <AlgorithmParameters>. An extension there may change how a
// code is computed, and a code computed otherwise never fits: the record is
// rejected now rather than puzzled over at the customer's first log-in.
func (p *pass) parameters(rec *record) error {
	return p.fields(rec, func(e xml.StartElement) error {
		switch local(e) {
		case "Suite":
			return p.label(rec, e, &rec.params.suite)
		case "ChallengeFormat":
			rec.params.challenge = readFormat(rec, e)
			return p.Skip()
		case "ResponseFormat":
			rec.params.response = readFormat(rec, e)
			return p.Skip()
		}
		rec.fail("the algorithm has parameters that are not known")
		return p.Skip()
	})
}

// readFormat reads the attributes of a format; one it does not know fails the record.
func readFormat(rec *record, e xml.StartElement) *format {
	f := &format{}
	for _, a := range e.Attr {
		var err error
		switch {
		case a.Name.Space == "xmlns" || a.Name == xml.Name{Local: "xmlns"}:
		case a.Name == xml.Name{Local: "Encoding"}:
			f.encoding = a.Value
		case a.Name == xml.Name{Local: "Length"}:
			f.length, err = parseInt(a.Value, 0, 1<<16)
		case a.Name == xml.Name{Local: "Min"}:
			f.min, err = parseInt(a.Value, 0, 1<<16)
		case a.Name == xml.Name{Local: "Max"}:
			f.max, err = parseInt(a.Value, 0, 1<<16)
		case a.Name == xml.Name{Local: "CheckDigits"}:
			f.check, err = parseBool(a.Value)
		default:
			err = errors.New("not known")
		}
		if err != nil {
			rec.fail("<%s> %s: %v", e.Name.Local, seedfile.Clean(a.Name.Local, 40), err)
		}
	}
	return f
}

// setDigits takes the length of a code from <ResponseFormat>, which HOTP and
// TOTP need (section 10.1) and OCRA may repeat.
func (r *record) setDigits(k *Key) error {
	f := r.params.response
	if k.Algorithm == OCRA {
		k.Digits = r.params.ocra.Digits
	}
	if f == nil {
		if k.Algorithm == OCRA {
			return r.challengeAgrees()
		}
		return errors.New("there is no <ResponseFormat>: the number of digits is not known")
	}
	if f.encoding != "DECIMAL" {
		return errors.New("codes that are not decimal are not supported")
	}
	if f.check {
		return errors.New("codes with a check digit are not supported")
	}
	if k.Algorithm == OCRA {
		if f.length != int64(k.Digits) {
			return errors.New("<ResponseFormat> and the OCRA suite differ")
		}
		return r.challengeAgrees()
	}
	most := int64(seedfile.MaxDigits)
	if k.Algorithm == HOTP {
		most = 9
	}
	if f.length < seedfile.MinDigits || f.length > most {
		return fmt.Errorf("codes of %d digits are not supported; %d to %d are", f.length, seedfile.MinDigits, most)
	}
	k.Digits = int(f.length)
	return nil
}

// challengeAgrees holds <ChallengeFormat> against the suite: a device that takes
// other challenges than its suite says cannot be asked anything.
func (r *record) challengeAgrees() error {
	f, s := r.params.challenge, r.params.ocra
	if f == nil {
		return nil
	}
	if f.check {
		return errors.New("challenges with a check digit are not supported")
	}
	want := map[byte]string{'N': "DECIMAL", 'A': "ALPHANUMERIC", 'H': "HEXADECIMAL"}[s.QuestionFormat]
	if !strings.EqualFold(f.encoding, want) || f.min > f.max || f.max > int64(s.QuestionLength) {
		return errors.New("<ChallengeFormat> and the OCRA suite differ")
	}
	return nil
}
