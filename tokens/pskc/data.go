package pskc

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"math"

	"mohur/tokens/seedfile"
)

// value is one of the values of <Data> (section 4.2): in the clear or
// encrypted, with its MAC.
type value struct {
	name   string
	stated bool   // there is a <PlainValue>
	plain  []byte // the seed itself, or the text of a number
	enc    encryptedData
	mac    []byte
}

func (v *value) present() bool { return v.stated || v.enc.present }

// data reads <Data>. Elements of other namespaces may stand there; they do not
// change what the known ones mean.
func (p *pass) data(rec *record) error {
	return p.fields(rec, func(e xml.StartElement) error {
		switch local(e) {
		case "Secret":
			return p.value(rec, e, &rec.secret)
		case "Counter":
			return p.value(rec, e, &rec.counter)
		case "Time":
			return p.value(rec, e, &rec.time)
		case "TimeInterval":
			return p.value(rec, e, &rec.interval)
		case "TimeDrift":
			return p.value(rec, e, &rec.drift)
		case "":
			return p.extension()
		}
		return p.unknown(rec, e)
	})
}

func (p *pass) value(rec *record, e xml.StartElement, v *value) error {
	v.name = e.Name.Local
	return p.fields(rec, func(e xml.StartElement) error {
		switch local(e) {
		case "PlainValue":
			return p.plainValue(rec, v)
		case "EncryptedValue":
			return p.encryptedData(&v.enc)
		case "ValueMAC":
			return p.valueMAC(v)
		}
		return p.unknown(rec, e)
	})
}

func (p *pass) plainValue(rec *record, v *value) error {
	text, long, err := p.Text()
	if err != nil {
		return err
	}
	v.stated = true
	switch {
	case long:
		rec.fail("<%s> is too long", v.name)
	case v == &rec.secret:
		if v.plain, err = decodeBase64(text); err != nil {
			rec.fail("the seed is %v", err)
		}
	default:
		v.plain = bytes.Clone(text)
	}
	return nil
}

// valueMAC reads <ValueMAC>. One that cannot be read does not fit, whatever
// became of it.
func (p *pass) valueMAC(v *value) error {
	text, long, err := p.Text()
	if err != nil {
		return err
	}
	if v.mac, err = decodeBase64(text); err != nil || long {
		return p.Fault(seedfile.CodeWrongKey, wrongKey)
	}
	return nil
}

// number reads a value that is not the seed. RFC 6030 does not say how a number
// is written before it is encrypted, so an encrypted one is not guessed at.
func (v *value) number(max int64) (int64, error) { return v.between(0, max) }

func (v *value) between(min, max int64) (int64, error) {
	if v.enc.present {
		return 0, fmt.Errorf("an encrypted <%s> is not supported", v.name)
	}
	n, err := parseInt(string(v.plain), min, max)
	if err != nil {
		return 0, fmt.Errorf("<%s> is %w", v.name, err)
	}
	return n, nil
}

// moving sets the moving factors of the key (section 4.2): a counter or a step.
func (r *record) moving(k *Key) error {
	for _, set := range []func(*Key) error{r.setCounter, r.setStep, r.setTime} {
		if err := set(k); err != nil {
			return err
		}
	}
	return nil
}

func (r *record) setCounter(k *Key) error {
	if k.Algorithm == TOTP || k.Algorithm == OCRA && !r.params.ocra.Counter {
		return nil
	}
	if !r.counter.present() {
		return errors.New("there is no <Counter>")
	}
	n, err := r.counter.number(math.MaxInt64)
	k.Counter = uint64(n)
	return err
}
