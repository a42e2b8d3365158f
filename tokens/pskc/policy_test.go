package pskc_test

import (
	"testing"
	"time"

	"mohur/tokens/pskc/pskctest"
	"mohur/tokens/seedfile"
)

// RFC 6030 section 5: a key is not used under a policy that is not understood.
func TestPolicies(t *testing.T) {
	const pin = `<PINPolicy PINUsageMode="Local"/>`
	for name, c := range map[string]struct{ old, new, reason string }{
		"unknown element":            {usage, usage + "<OnWeekdaysOnly/>", "policy that is not understood: <OnWeekdaysOnly>"},
		"element of others":          {usage, usage + "<x:y xmlns:x='urn:x'/>", "policy that is not understood: <y>"},
		"attribute":                  {"<Policy>", "<Policy strict='1'>", "policy that is not understood: strict"},
		"attribute of others":        {"<Policy>", "<Policy x:strict='1' xmlns:x='urn:x'>", "policy that is not understood: strict"},
		"attribute of the usage":     {"<KeyUsage>", "<KeyUsage when='never'>", "policy that is not understood: when"},
		"unknown usage":              {usage, "<KeyUsage>OTP</KeyUsage><KeyUsage>Anything</KeyUsage>", "policy that is not understood: usage"},
		"no OTP":                     {usage, "<KeyUsage>CR</KeyUsage><KeyUsage>Verify</KeyUsage>", "may not be used for OTP"},
		"expired":                    {usage, "<ExpiryDate>2020-01-01T00:00:00Z</ExpiryDate>" + usage, "expired on 2020-01-01"},
		"expired with an offset":     {usage, "<ExpiryDate>2026-01-01T01:00:00+02:00</ExpiryDate>" + usage, "expired on 2025-12-31"},
		"ends before it starts":      {usage, "<StartDate>2031-01-01T00:00:00Z</StartDate><ExpiryDate>2030-01-01T00:00:00Z</ExpiryDate>" + usage, "before it starts"},
		"not a date":                 {usage, "<ExpiryDate>2020-13-01T00:00:00Z</ExpiryDate>" + usage, "<ExpiryDate>: not a date"},
		"a day without time":         {usage, "<StartDate>2020-01-01</StartDate>" + usage, "<StartDate>: not a date"},
		"a date like none at all":    {usage, "<ExpiryDate>0001-01-01T00:00:00Z</ExpiryDate>" + usage, "<ExpiryDate>: not a date from 1970"},
		"a date beyond all years":    {usage, "<ExpiryDate>9999-12-31T23:59:59-01:00</ExpiryDate>" + usage, "<ExpiryDate>: not a date from 1970"},
		"no uses left":               {usage, usage + "<NumberOfTransactions>0</NumberOfTransactions>", "no uses left"},
		"uses negative":              {usage, usage + "<NumberOfTransactions>-5</NumberOfTransactions>", "<NumberOfTransactions> is outside"},
		"uses without bound":         {usage, usage + "<NumberOfTransactions>INF</NumberOfTransactions>", "<NumberOfTransactions> is not"},
		"PIN sent with the code":     {usage, `<PINPolicy PINUsageMode="Append"/>` + usage, `PINUsageMode "Append"`},
		"PIN without mode":           {usage, `<PINPolicy MinLength="4"/>` + usage, `PINUsageMode ""`},
		"PIN in HOTP":                {usage, `<PINPolicy PINUsageMode="Algorithmic"/>` + usage, "PIN that its algorithm does not take"},
		"PIN rule unknown":           {usage, `<PINPolicy PINUsageMode="Local" OnWeekdays="1"/>` + usage, "policy that is not understood: OnWeekdays"},
		"PIN rule of others":         {usage, `<PINPolicy PINUsageMode="Local" x:a="1" xmlns:x="urn:x"/>` + usage, "policy that is not understood: a"},
		"PIN rule inside":            {usage, `<PINPolicy PINUsageMode="Local"><Foo/></PINPolicy>` + usage, "policy that is not understood: <Foo>"},
		"PIN length in words":        {usage, `<PINPolicy PINUsageMode="Local" MinLength="four"/>` + usage, "MinLength is not a whole number"},
		"PIN encoding unknown":       {usage, `<PINPolicy PINUsageMode="Local" PINEncoding="EMOJI"/>` + usage, "PINEncoding"},
		"PIN key id bad":             {usage, `<PINPolicy PINUsageMode="Local" PINKeyId="a b"/>` + usage, "PINKeyId"},
		"two PIN policies":           {usage, pin + pin + usage, "<PINPolicy> is given twice"},
		"device expired, key is not": {"</DeviceInfo>", "<ExpiryDate>2020-01-01T00:00:00</ExpiryDate></DeviceInfo>", "expired on 2020-01-01"},
	} {
		t.Run(name, func(t *testing.T) {
			doc := pskctest.File{Keys: []pskctest.Key{hotp, next}}.Plain()
			opt := plain
			opt.Now = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
			rejected(t, read(with(t, doc, c.old, c.new), opt), 1, c.reason)
		})
	}
}

func TestPolicyIsHandedOn(t *testing.T) {
	doc := pskctest.File{Keys: []pskctest.Key{hotp}}.Plain()
	doc = with(t, doc, usage, `<StartDate>2030-01-01T00:00:00</StartDate><ExpiryDate>2040-01-01T00:00:00.5Z</ExpiryDate>
		<PINPolicy PINUsageMode="Local" MinLength="4" MaxLength="8" MaxFailedAttempts="5" PINEncoding="DECIMAL" PINKeyId="p"/>
		<KeyUsage>Integrity</KeyUsage><KeyUsage> OTP </KeyUsage><NumberOfTransactions>1000</NumberOfTransactions>`)
	doc = with(t, doc, "</DeviceInfo>", "<StartDate>2031-01-01T00:00:00Z</StartDate><ExpiryDate>2039-01-01T00:00:00Z</ExpiryDate></DeviceInfo>")
	o := read(doc, plain)
	if len(o.keys) != 1 {
		t.Fatal(o.rejected, o.err)
	}
	k := o.keys[0]
	if k.Start.Year() != 2031 || k.Expiry.Year() != 2039 {
		t.Errorf("%s to %s: the device's times do not bind the key", k.Start, k.Expiry)
	}
	if want := (seedfile.PINPolicy{Mode: seedfile.PINLocal, KeyID: "p", MinLength: 4, MaxLength: 8, MaxAttempts: 5, Encoding: "DECIMAL"}); k.PIN != want || k.Uses != 1000 {
		t.Errorf("%+v, %d uses", k.PIN, k.Uses)
	}
}

func TestOCRANeedsCR(t *testing.T) {
	doc := pskctest.File{Keys: []pskctest.Key{ocra}}.Plain()
	rejected(t, read(with(t, doc, "<KeyUsage>CR<", "<KeyUsage>OTP<"), plain), 0, "may not be used for CR")
	rejected(t, read(with(t, doc, "<KeyUsage>", `<PINPolicy PINUsageMode="Algorithmic"/><KeyUsage>`), plain), 0, "PIN that its algorithm")
	doc = with(t, doc, "<KeyUsage>CR</KeyUsage>", "")
	if o := read(doc, plain); len(o.keys) != 1 {
		t.Error("a key without a stated usage may be used", o.rejected)
	}
}
