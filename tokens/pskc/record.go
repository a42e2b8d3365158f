package pskc

import (
	"context"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"time"

	"mohur/tokens/seedfile"
	"mohur/tokens/strictxml"
)

// record is one <KeyPackage> as it stands in the file, before it is judged. One
// is held at a time.
type record struct {
	index, line int
	why         string // the first fault found; the record is rejected for it

	manufacturer, serial, model, issueNo string
	issuer, friendlyName                 string
	keyID, algorithm                     string
	deviceUser, keyUser                  string
	deviceStart, deviceExpiry            time.Time
	hasKey                               bool

	params                                 parameters
	secret, counter, time, interval, drift value
	policy                                 policy
}

// fail keeps the first fault. The rest of the package is still read, for its
// MACs are part of what the file is judged by.
func (r *record) fail(format string, args ...any) {
	if r.why == "" {
		r.why = fmt.Sprintf(format, args...)
	}
}

func (r *record) values() []*value {
	return []*value{&r.secret, &r.counter, &r.time, &r.interval, &r.drift}
}

func (r *record) clear() {
	for _, v := range r.values() {
		clear(v.plain)
	}
}

// keyPackage reads one <KeyPackage> (section 4.1) and settles it. An element that
// is not known fails the record. An attribute that is not known is passed over,
// except where it could change what a key means: in parameters and policy.
func (p *pass) keyPackage(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.sum.Keys++
	if p.sum.Keys > p.opt.MaxKeys {
		return p.Fault(seedfile.CodeLimit, fmt.Sprintf("the file holds more than %d keys", p.opt.MaxKeys))
	}
	rec := &p.rec
	*rec = record{index: p.sum.Keys, line: p.Line()}
	defer rec.clear()
	err := p.fields(rec, func(e xml.StartElement) error {
		switch local(e) {
		case "DeviceInfo":
			return p.deviceInfo(rec)
		case "CryptoModuleInfo":
			return p.Skip()
		case "Key":
			return p.key(rec, e)
		case "Extensions":
			return p.extension()
		}
		return p.unknown(rec, e)
	})
	if err != nil {
		return err
	}
	return p.settle(ctx, rec)
}

// deviceInfo reads <DeviceInfo> (section 4.3.1).
func (p *pass) deviceInfo(rec *record) error {
	return p.fields(rec, func(e xml.StartElement) error {
		switch local(e) {
		case "Manufacturer":
			return p.label(rec, e, &rec.manufacturer)
		case "SerialNo":
			return p.serialNo(&rec.serial)
		case "Model":
			return p.label(rec, e, &rec.model)
		case "IssueNo":
			return p.label(rec, e, &rec.issueNo)
		case "UserId":
			return p.label(rec, e, &rec.deviceUser)
		case "StartDate":
			return p.date(rec, e, &rec.deviceStart)
		case "ExpiryDate":
			return p.date(rec, e, &rec.deviceExpiry)
		case "DeviceBinding":
			return p.Skip() // for a server that loads keys into devices
		case "Extensions":
			return p.extension()
		}
		return p.unknown(rec, e)
	})
}

// key reads <Key> (section 4.2).
func (p *pass) key(rec *record, e xml.StartElement) error {
	rec.hasKey = true
	rec.keyID, _ = strictxml.Attribute(e, "Id")
	rec.algorithm, _ = strictxml.Attribute(e, "Algorithm")
	return p.fields(rec, func(e xml.StartElement) error {
		switch local(e) {
		case "Issuer":
			return p.label(rec, e, &rec.issuer)
		case "AlgorithmParameters":
			return p.parameters(rec)
		case "FriendlyName":
			return p.label(rec, e, &rec.friendlyName)
		case "UserId":
			return p.label(rec, e, &rec.keyUser)
		case "Data":
			return p.data(rec)
		case "Policy":
			return p.keyPolicy(rec, e)
		case "KeyProfileId", "KeyReference":
			return p.Skip() // sections 4.4: a key without a seed is rejected for that
		case "Extensions":
			return p.extension()
		}
		return p.unknown(rec, e)
	})
}

// fields calls f for each child, and fails the record for one given twice:
// readers differ in which of the two they take.
func (p *pass) fields(rec *record, f func(xml.StartElement) error) error {
	var room [12]string
	seen := room[:0]
	return p.Elements(func(e xml.StartElement) error {
		name := local(e)
		if slices.Contains(seen, name) {
			rec.fail("<%s> is given twice", name)
			return p.Skip()
		}
		if name != "" && name != "KeyUsage" && name != "Extensions" {
			seen = append(seen, name)
		}
		return f(e)
	})
}

// local is the name of an element of PSKC, empty for one of another namespace.
func local(e xml.StartElement) string {
	if e.Name.Space != nsPSKC {
		return ""
	}
	return e.Name.Local
}

// unknown fails the record for an element that RFC 6030 does not have there.
func (p *pass) unknown(rec *record, e xml.StartElement) error {
	rec.fail("unknown element <%s>", seedfile.Clean(e.Name.Local, 40))
	return p.Skip()
}

func (p *pass) label(rec *record, e xml.StartElement, to *string) error {
	text, long, err := p.Text()
	if err != nil {
		return err
	}
	s, fault := seedfile.Label(text)
	if long {
		fault = seedfile.ErrLabel
	}
	if fault != nil {
		rec.fail("<%s>: %v", e.Name.Local, fault)
	}
	*to = s
	return nil
}

// serialNo takes a serial as it stands; it is judged later.
func (p *pass) serialNo(to *string) error {
	text, long, err := p.Text()
	*to = strings.Trim(string(text), seedfile.Blanks)
	if long {
		*to = strings.Repeat("?", strictxml.MaxText)
	}
	return err
}

func (p *pass) date(rec *record, e xml.StartElement, to *time.Time) error {
	text, _, err := p.Text()
	if err != nil {
		return err
	}
	t, fault := parseTime(string(text))
	if fault != nil {
		rec.fail("<%s>: %v", e.Name.Local, fault)
	}
	*to = t
	return nil
}
