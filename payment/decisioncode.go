package payment

import (
	"encoding/binary"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"time"
	"unicode/utf8"

	"mohur/risk"
)

// A decision as it is stored: a few hundred bytes, since there is one for every
// payment. Numbers are varints, and what recurs is a number in one of the lists below.
// The lists are on disk: they only grow at their ends.
var (
	factNames = []string{
		"service", "channel", "device_known", "network_changed", "country_changed", "payer_country", "payee_country", "payee_new", "payees",
		"day_sum", "day_count", "hour_sum", "hour_count", "payee_day_sum", "payee_day_count", "failed_attempts", "session_age", "token_age",
		"contacts_age", "credential_age", "mds_status", "compromised", "malware", "payee_trusted", "own_account", "recurring", "company", "country",
	}
	recurring = []string{
		"", "approved", "step_up", "held", "rejected", "single", "strong", "linked", "none", "agent", "device", "low_value", "trusted_payee",
		"recurring", "own_account", "tra", "AZN", "USD", "EUR", "RUB", "TRY", "GBP", "AZ", "transactional", "information", "pc", "internet", "mobile",
		"ok", "warned", "unknown", "proof-needed", "signal-missing", "currency-without-rate", "amount-held", "rule-failed", "budget-spent", "engine-failed",
	}
)

const decisionFormat = 1

// The flags of a stored decision.
const (
	withIP = 1 << iota
	withUserAgent
	withDevice
	withCountry
	mayExempt
	tooLate
	withShadow
	withRate
)

// The kinds of a fact's value, above the number of its name.
const (
	factNumber = iota << 6
	factFalse
	factTrue
	factWord
	factName = 1<<6 - 1
)

// Encode returns the decision as it is stored, without its id.
func (d Decision) Encode() []byte {
	in := d.In
	rate, rated := in.Rates[in.Currency]
	flags := byte(0)
	_, fault := netip.ParseAddr(in.Signals.IP)
	for bit, set := range map[byte]bool{
		withIP: fault == nil, withUserAgent: in.Signals.UserAgent != "", withDevice: in.Signals.DeviceID != "", withCountry: in.Signals.Country != "",
		mayExempt: in.Exempt, tooLate: d.Late, withShadow: d.Shadow != nil, withRate: rated,
	} {
		if set {
			flags |= bit
		}
	}
	w := packer{decisionFormat, flags}
	_, offset := in.At.Zone()
	w.numbers(in.At.Unix(), int64(in.At.Nanosecond()), int64(offset), in.Minor)
	w.word(in.Currency)
	if rated {
		w.numbers(rate.Qepik, rate.Per)
	}
	w.numbers(in.LowValueCount, in.LowValueSum, int64(len(in.FraudRates)))
	for _, f := range in.FraudRates {
		w.numbers(f.UpTo, f.Fraud, f.Total)
		w = append(w, truth(f.Stopped))
	}
	w.facts(in.Facts)
	w.outcome(d.Was)
	w.numbers(int64(d.Score), int64(len(d.Codes)))
	for _, code := range d.Codes {
		w.word(code)
	}
	if d.Shadow != nil {
		w.outcome(*d.Shadow)
	}
	return w
}

type packer []byte

func truth(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func (w *packer) numbers(list ...int64) {
	for _, n := range list {
		*w = binary.AppendVarint(*w, n)
	}
}

func (w *packer) text(s string) {
	*w = append(binary.AppendUvarint(*w, uint64(len(s))), s...)
}

// word is a number in the list, or zero and the text.
func (w *packer) word(s string) {
	at := slices.Index(recurring, s)
	*w = append(*w, byte(at+1))
	if at < 0 {
		w.text(s)
	}
}

func (w *packer) outcome(o risk.Outcome) {
	w.numbers(int64(o.Policy))
	for _, s := range []string{string(o.Decision), o.ACR, o.Shown, o.Exemption} {
		w.word(s)
	}
}

func (w *packer) facts(facts risk.Facts) {
	w.numbers(int64(len(facts)))
	for _, name := range slices.Sorted(maps.Keys(facts)) {
		at := slices.Index(factNames, name)
		kind := factNumber
		switch v := facts[name].(type) {
		case bool:
			kind = factFalse + int(truth(v))<<6
		case string:
			kind = factWord
		}
		*w = append(*w, byte(at+1|kind))
		if at < 0 {
			w.text(name)
		}
		switch v := facts[name].(type) {
		case int64:
			w.numbers(v)
		case string:
			w.word(v)
		}
	}
}

// The seconds of a decision's time are those of the years 1 to 9000: a time outside of
// them cannot be written.
const firstSecond, lastSecond = -62_135_596_800, 221_876_927_999

// errDecision says that bytes are no decision as Encode writes one.
var errDecision = errors.New("payment: it is not a decision")

// DecodeDecision reads what Encode wrote. Of the signals it knows which were there.
func DecodeDecision(id string, b []byte) (Decision, error) {
	r := unpacker{rest: b}
	format, flags := r.byte(), r.byte()
	d := Decision{Past: risk.Past{ID: id, Late: flags&tooLate != 0}}
	in := &d.In
	seconds, nanos, offset := r.number(), r.number(), r.number()
	in.At = time.Unix(seconds, nanos).In(time.FixedZone("", int(offset)))
	in.Minor, in.Currency, in.Exempt = r.number(), r.word(), flags&mayExempt != 0
	if flags&withRate != 0 {
		in.Rates = risk.Rates{in.Currency: {Qepik: r.number(), Per: r.number()}}
	}
	in.LowValueCount, in.LowValueSum = r.number(), r.number()
	for range r.count() {
		in.FraudRates = append(in.FraudRates, risk.FraudRate{UpTo: r.number(), Fraud: r.number(), Total: r.number(), Stopped: r.byte() != 0})
	}
	in.Facts = r.facts()
	d.Was = r.outcome()
	d.Score = int(r.number())
	for range r.count() {
		d.Codes = append(d.Codes, r.word())
	}
	if flags&withShadow != 0 {
		o := r.outcome()
		d.Shadow = &o
	}
	if r.short || len(r.rest) > 0 || !utf8.ValidString(id) || seconds < firstSecond || seconds > lastSecond || format != decisionFormat || nanos < 0 || nanos >= 1e9 || max(offset, -offset) > 24*3600 {
		return Decision{}, errDecision
	}
	restore(in, flags)
	return d, nil
}

// unpacker takes fields off the front; short says that there were too few.
type unpacker struct {
	rest  []byte
	short bool
}

func (r *unpacker) fail() { r.short, r.rest = true, nil }

func (r *unpacker) byte() byte {
	if len(r.rest) == 0 {
		r.fail()
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *unpacker) number() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// count is how many follow: never more than there are bytes.
func (r *unpacker) count() int {
	n := r.number()
	if n < 0 || n > int64(len(r.rest)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *unpacker) text() string {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || n > uint64(len(r.rest)-size) {
		r.fail()
		return ""
	}
	text := string(r.rest[size : size+int(n)])
	r.rest = r.rest[size+int(n):]
	if !utf8.ValidString(text) {
		r.fail()
	}
	return text
}

func (r *unpacker) word() string { return r.listed(recurring, int(r.byte())) }

func (r *unpacker) listed(list []string, at int) string {
	switch {
	case at == 0:
		return r.text()
	case at > len(list):
		r.fail()
		return ""
	}
	return list[at-1]
}

func (r *unpacker) outcome() risk.Outcome {
	return risk.Outcome{Policy: int(r.number()), Decision: risk.Decision(r.word()), ACR: r.word(), Shown: r.word(), Exemption: r.word()}
}

func (r *unpacker) facts() risk.Facts {
	facts := risk.Facts{}
	for range r.count() {
		tag := int(r.byte())
		name := r.listed(factNames, tag&factName)
		switch tag &^ factName {
		case factNumber:
			facts[name] = r.number()
		case factWord:
			facts[name] = r.word()
		default:
			facts[name] = tag&^factName == factTrue
		}
	}
	return facts
}

// restore fills in the signals that were there, of which the country alone is known.
func restore(in *risk.Payment, flags byte) {
	s := &in.Signals
	for bit, to := range map[byte]*string{withIP: &s.IP, withUserAgent: &s.UserAgent, withDevice: &s.DeviceID, withCountry: &s.Country} {
		if flags&bit != 0 {
			*to = there
		}
	}
	if s.IP != "" {
		s.IP = netip.IPv4Unspecified().String() // it was one
	}
	if country, known := in.Facts["country"].(string); known && s.Country != "" {
		s.Country = country
	}
}
