package pskc

import (
	"encoding/xml"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"mohur/tokens/seedfile"
	"mohur/tokens/strictxml"
)

// policy is <Policy> (section 5).
type policy struct {
	start, expiry time.Time
	usage         []string
	limited       bool
	uses          uint64
	pin           seedfile.PINPolicy
}

// usages are the values of <KeyUsage> in the IANA registry.
var usages = []string{"OTP", "CR", "Encrypt", "Integrity", "Verify", "Unlock", "Decrypt", "KeyWrap", "Unwrap", "Derive", "Generate"}

// keyPolicy reads <Policy>. Section 5: who does not understand all of it must
// take it that the key may not be used. That holds for elements and attributes
// of any namespace, and so nothing is passed over here.
func (p *pass) keyPolicy(rec *record, e xml.StartElement) error {
	rec.onlyKnown(e)
	return p.fields(rec, func(e xml.StartElement) error {
		rec.policyAttributes(e)
		switch local(e) {
		case "StartDate":
			return p.date(rec, e, &rec.policy.start)
		case "ExpiryDate":
			return p.date(rec, e, &rec.policy.expiry)
		case "PINPolicy":
			rec.pinPolicy(e)
			return p.nothingIn(rec)
		case "KeyUsage":
			return p.keyUsage(rec)
		case "NumberOfTransactions":
			return p.transactions(rec)
		}
		rec.fail("the key is under a policy that is not understood: <%s>", seedfile.Clean(e.Name.Local, 40))
		return p.Skip()
	})
}

func (r *record) policyAttributes(e xml.StartElement) {
	if local(e) != "PINPolicy" {
		r.onlyKnown(e)
	}
}

// onlyKnown fails the record for an attribute that is not among those named.
func (r *record) onlyKnown(e xml.StartElement, known ...string) {
	for _, a := range e.Attr {
		declaration := a.Name.Space == "xmlns" || a.Name == xml.Name{Local: "xmlns"}
		if !declaration && (a.Name.Space != "" || !slices.Contains(known, a.Name.Local)) {
			r.fail("the key is under a policy that is not understood: %s", seedfile.Clean(a.Name.Local, 40))
		}
	}
}

// nothingIn fails the record for whatever stands in the element just entered.
func (p *pass) nothingIn(rec *record) error {
	return p.Elements(func(e xml.StartElement) error {
		rec.fail("the key is under a policy that is not understood: <%s>", seedfile.Clean(e.Name.Local, 40))
		return p.Skip()
	})
}

func (p *pass) keyUsage(rec *record) error {
	text, _, err := p.Text()
	if err != nil {
		return err
	}
	usage := strings.Trim(string(text), seedfile.Blanks)
	if !slices.Contains(usages, usage) {
		rec.fail("the key is under a policy that is not understood: usage %q", seedfile.Clean(usage, 40))
		return nil
	}
	if !slices.Contains(rec.policy.usage, usage) { // so that it cannot grow
		rec.policy.usage = append(rec.policy.usage, usage)
	}
	return nil
}

func (p *pass) transactions(rec *record) error {
	text, _, err := p.Text()
	if err != nil {
		return err
	}
	n, fault := parseInt(string(text), 0, math.MaxInt64)
	if fault != nil {
		rec.fail("<NumberOfTransactions> is %v", fault)
	}
	rec.policy.limited, rec.policy.uses = true, uint64(n)
	return nil
}

// pinPolicy reads the attributes of <PINPolicy>.
func (r *record) pinPolicy(e xml.StartElement) {
	r.onlyKnown(e, "PINKeyId", "PINUsageMode", "MaxFailedAttempts", "MinLength", "MaxLength", "PINEncoding")
	pin := &r.policy.pin
	mode, _ := strictxml.Attribute(e, "PINUsageMode")
	switch mode {
	case string(seedfile.PINLocal), string(seedfile.PINAlgorithmic):
		pin.Mode = seedfile.PINMode(mode)
	default:
		r.fail("the key needs a PIN in a way that is not supported: PINUsageMode %q", seedfile.Clean(mode, 40))
	}
	pin.KeyID, _ = strictxml.Attribute(e, "PINKeyId")
	if pin.KeyID != "" && !seedfile.Identifier(pin.KeyID) {
		r.fail("PINKeyId is not a valid key id")
	}
	pin.Encoding, _ = strictxml.Attribute(e, "PINEncoding")
	if pin.Encoding != "" && !slices.Contains([]string{"DECIMAL", "HEXADECIMAL", "ALPHANUMERIC", "BASE64", "BINARY"}, pin.Encoding) {
		r.fail("the key is under a policy that is not understood: PINEncoding %q", seedfile.Clean(pin.Encoding, 40))
	}
	for name, to := range map[string]*int{"MinLength": &pin.MinLength, "MaxLength": &pin.MaxLength, "MaxFailedAttempts": &pin.MaxAttempts} {
		if text, ok := strictxml.Attribute(e, name); ok {
			n, err := parseInt(text, 0, math.MaxInt32)
			if err != nil {
				r.fail("%s is %v", name, err)
			}
			*to = int(n)
		}
	}
}

// setPolicy puts the policy on the key, or refuses the key for it. The times of
// the device bind the key as well: the later start and the earlier end count.
func (r *record) setPolicy(k *Key, now time.Time) error {
	pol := r.policy
	k.Start, k.Expiry = pol.start, pol.expiry
	if r.deviceStart.After(k.Start) {
		k.Start = r.deviceStart
	}
	if !r.deviceExpiry.IsZero() && (k.Expiry.IsZero() || r.deviceExpiry.Before(k.Expiry)) {
		k.Expiry = r.deviceExpiry
	}
	k.Uses, k.PIN = pol.uses, pol.pin
	use := "OTP"
	if k.Algorithm == OCRA {
		use = "CR"
	}
	switch {
	case !k.Expiry.IsZero() && !k.Expiry.After(k.Start):
		return errors.New("the key expires before it starts")
	case !k.Expiry.IsZero() && !now.Before(k.Expiry):
		return fmt.Errorf("the key expired on %s", k.Expiry.Format(time.DateOnly))
	case pol.limited && pol.uses == 0:
		return errors.New("the key has no uses left")
	case len(pol.usage) > 0 && !slices.Contains(pol.usage, use):
		return fmt.Errorf("the key may not be used for %s", use)
	case k.PIN.Mode == seedfile.PINAlgorithmic && r.params.ocra.PINHash == 0:
		return errors.New("the key needs a PIN that its algorithm does not take")
	}
	return nil
}
