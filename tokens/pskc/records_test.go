package pskc_test

import (
	"strings"
	"testing"

	"mohur/tokens/pskc"
	"mohur/tokens/pskc/pskctest"
)

var (
	hotp = pskctest.Key{Serial: "A-1", Secret: seed20}
	totp = pskctest.Key{Serial: "A-1", Algorithm: pskc.TOTP, Secret: seed20}
	ocra = pskctest.Key{Serial: "A-1", Algorithm: pskc.OCRA, Suite: "OCRA-1:HOTP-SHA256-8:C-QN08", Secret: seed32}
	next = pskctest.Key{Serial: "Z-9", Secret: seed20}
)

const (
	params = "      <AlgorithmParameters>\n"
	usage  = "<KeyUsage>OTP</KeyUsage>"
	secret = "<Secret><PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</PlainValue></Secret>"
	count  = "<Counter><PlainValue>0</PlainValue></Counter>"
)

// One faulty record is rejected with its reason, and the one after it goes in.
func TestRejectedRecords(t *testing.T) {
	for _, c := range []struct {
		name     string
		key      pskctest.Key
		old, new string
		reason   string
	}{
		{"no serial", hotp, "<SerialNo>A-1</SerialNo>", "", "no serial number"},
		{"serial with a space", hotp, "<SerialNo>A-1<", "<SerialNo>A 1<", "serial number is not"},
		{"serial with a newline", hotp, "<SerialNo>A-1<", "<SerialNo>A&#10;1<", "serial number is not"},
		{"serial outside ASCII", hotp, "<SerialNo>A-1<", "<SerialNo>Ä1<", "serial number is not"},
		{"long serial", hotp, "<SerialNo>A-1<", "<SerialNo>" + strings.Repeat("9", 65) + "<", "serial number is not"},
		{"very long serial", hotp, "<SerialNo>A-1<", "<SerialNo>" + strings.Repeat("9", 9000) + "<", "serial number is not"},
		{"serial twice", hotp, "<SerialNo>A-1</SerialNo>", "<SerialNo>A-1</SerialNo><SerialNo>A-2</SerialNo>", "<SerialNo> is given twice"},
		{"no key id", hotp, `Id="A-1" `, "", "key id is not"},
		{"empty key id", hotp, `Id="A-1"`, `Id=""`, "key id is not"},
		{"long key id", hotp, `Id="A-1"`, `Id="` + strings.Repeat("k", 65) + `"`, "key id is not"},
		{"no manufacturer", hotp, "<Manufacturer>Example</Manufacturer>", "", "no manufacturer"},
		{"manufacturer with a control", hotp, ">Example<", ">Exam&#x202e;ple<", "cannot be shown"},
		{"long manufacturer", hotp, ">Example<", ">" + strings.Repeat("m", 257) + "<", "longer than 256"},
		{"extension of the package", hotp, "<Key ", "<Extensions><x:Key xmlns:x='urn:x'/></Extensions><Key ", ""}, // sound
		{"no key", hotp, "  </KeyPackage>", "  </KeyPackage><KeyPackage><DeviceInfo><SerialNo>1</SerialNo></DeviceInfo></KeyPackage>", "holds no key"},
		{"two keys", hotp, "    </Key>\n", "    </Key><Key Id='2'><Data>" + secret + "</Data></Key>\n", "<Key> is given twice"},
		{"unknown element", hotp, params, params + "<Colour/>", "parameters that are not known"},
		{"unknown element in key", hotp, params, "<Colour/>" + params, "unknown element <Colour>"},
		{"element of another namespace", hotp, params, "<x:Data xmlns:x='urn:x'/>" + params, "unknown element <Data>"},
		{"extension of the algorithm", hotp, params, params + "<Extensions><x:y xmlns:x='urn:x'/></Extensions>", "parameters that are not known"},

		{"no algorithm", hotp, ` Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp"`, "", "names no algorithm"},
		{"unknown algorithm", hotp, "pskc:hotp", "pskc:SecurID-AES", "not supported"},
		{"algorithm by guess", hotp, "urn:ietf:params:xml:ns:keyprov:pskc:hotp", "hotp", "not supported"},
		{"PIN", hotp, "pskc:hotp", "pskc:pin", "a PIN"},
		{"unknown hash", hotp, params, params + "<Suite>HMAC-MD5</Suite>", `suite "HMAC-MD5" is not supported`},
		{"no format", hotp, `<ResponseFormat Length="6" Encoding="DECIMAL"/>`, "", "no <ResponseFormat>"},
		{"no length", hotp, `Length="6" `, "", "codes of 0 digits"},
		{"5 digits", hotp, `Length="6"`, `Length="5"`, "codes of 5 digits"},
		{"10 digits of HOTP", hotp, `Length="6"`, `Length="10"`, "codes of 10 digits"},
		{"11 digits of TOTP", totp, `Length="6"`, `Length="11"`, "codes of 11 digits"},
		{"digits in words", hotp, `Length="6"`, `Length="six"`, "Length: not a whole number"},
		{"hexadecimal", hotp, `"DECIMAL"`, `"HEXADECIMAL"`, "not decimal"},
		{"check digit", hotp, `Encoding="DECIMAL"`, `Encoding="DECIMAL" CheckDigits="true"`, "check digit"},
		{"check digit unclear", hotp, `Encoding="DECIMAL"`, `Encoding="DECIMAL" CheckDigits="maybe"`, "neither true nor false"},
		{"unknown attribute of the format", hotp, `Encoding="DECIMAL"`, `Encoding="DECIMAL" Reversed="true"`, "Reversed: not known"},

		{"no seed", hotp, secret, "", "no seed"},
		{"empty seed", hotp, secret, "<Secret/>", "no seed"},
		{"seed of 15 bytes", hotp, "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", "MTIzNDU2Nzg5MDEyMzQ1", "the seed has 15 bytes"},
		{"seed of 65 bytes", hotp, "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", strings.Repeat("AAAA", 21) + "AAA=", "the seed has 65 bytes"},
		{"seed not base64", hotp, "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA", "not base64"},
		{"seed in base64url", hotp, "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", "MTIzNDU2Nzg5MDEyMzQ1Njc4_-A=", "not base64"},
		{"seed with unused bits", hotp, "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTB=", "not base64"},
		{"seed and more", hotp, "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=AAAA", "not base64"},
		{"very long seed", hotp, "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", strings.Repeat("AAAA", 1025), "<Secret> is too long"},
		{"seed twice", hotp, secret, secret + secret, "<Secret> is given twice"},
		{"MAC without encryption", hotp, "</PlainValue></Secret>", "</PlainValue><ValueMAC>AAAA</ValueMAC></Secret>", "is not encrypted"},

		{"no counter", hotp, count, "", "no <Counter>"},
		{"empty counter", hotp, count, "<Counter/>", "no <Counter>"},
		{"negative counter", hotp, count, "<Counter><PlainValue>-1</PlainValue></Counter>", "<Counter> is outside"},
		{"counter beyond 63 bits", hotp, count, "<Counter><PlainValue>9223372036854775808</PlainValue></Counter>", "<Counter> is not a whole number"},
		{"counter in full-width digits", hotp, count, "<Counter><PlainValue>１</PlainValue></Counter>", "<Counter> is not a whole number"},
		{"no interval", totp, "<TimeInterval><PlainValue>30</PlainValue></TimeInterval>", "", "no <TimeInterval>"},
		{"interval of 0", totp, "<PlainValue>30<", "<PlainValue>0<", "10 to 300 seconds"},
		{"interval of an hour", totp, "<PlainValue>30<", "<PlainValue>3600<", "10 to 300 seconds"},
		{"negative time", totp, "<Time><PlainValue>0<", "<Time><PlainValue>-1<", "<Time> is outside"},
		{"drift of an hour and more", totp, "<TimeInterval>", "<TimeDrift><PlainValue>121</PlainValue></TimeDrift><TimeInterval>", "<TimeDrift> is outside"},

		{"no suite", ocra, "<Suite>OCRA-1:HOTP-SHA256-8:C-QN08</Suite>", "", "no OCRA suite"},
		{"no OCRA counter", ocra, count, "", "no <Counter>"},
		{"suite and format differ", ocra, "<Suite>", `<ResponseFormat Length="6" Encoding="DECIMAL"/><Suite>`, "<ResponseFormat> and the OCRA suite differ"},
		{"suite and challenge differ", ocra, "<Suite>", `<ChallengeFormat Encoding="DECIMAL" Min="1" Max="9"/><Suite>`, "<ChallengeFormat> and the OCRA suite differ"},
		{"challenge with a check digit", ocra, "<Suite>", `<ChallengeFormat Encoding="DECIMAL" Min="1" Max="8" CheckDigits="1"/><Suite>`, "check digit"},
		{"suite in two places", ocra, "pskc:ocra", "pskc#OCRA-1:HOTP-SHA512-8:C-QN08", "different OCRA suites"},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc := pskctest.File{Keys: []pskctest.Key{c.key, next}}.Plain()
			o := read(with(t, doc, c.old, c.new), plain)
			if c.reason == "" {
				if len(o.keys) != 2 || o.sum.Extensions != 1 {
					t.Fatalf("%+v %v", o.rejected, o.err)
				}
				return
			}
			if c.name == "no key" {
				rejected(t, o, 2, c.reason)
				return
			}
			rejected(t, o, 1, c.reason)
			if o.keys[0].Serial != "Z-9" || o.rejected[0].Index != 1 {
				t.Errorf("the wrong one was rejected: %+v", o.rejected)
			}
		})
	}
}

// What a Rejection shows can be put into a log, a report and a terminal.
func TestRejectionShowsNothingHarmful(t *testing.T) {
	k := hotp
	k.Serial, k.KeyID = "\u202e<script>\tÄ 1", strings.Repeat("x", 500)
	o := read(pskctest.File{Keys: []pskctest.Key{k, next}}.Plain(), plain)
	rejected(t, o, 1, "serial number")
	if got := o.rejected[0]; got.Serial != "??script????1" || len(got.KeyID) > 70 {
		t.Errorf("%q %q", got.Serial, got.KeyID)
	}
}

func TestDuplicates(t *testing.T) {
	second, other, elsewhere := hotp, hotp, hotp
	other.KeyID, elsewhere.Manufacturer = "A-1/2", "Elsewhere"
	second.Counter = 99
	o := read(pskctest.File{Keys: []pskctest.Key{hotp, other, elsewhere, second}}.Plain(), plain)
	rejected(t, o, 3, "twice")
	if o.keys[0].Counter != 0 || o.rejected[0].Index != 4 {
		t.Errorf("the first does not stand: %v %+v", o.keys, o.rejected)
	}
	// A record that did not go in takes nobody's place.
	short := hotp
	short.Secret = seed20[:8]
	o = read(pskctest.File{Keys: []pskctest.Key{short, hotp}}.Plain(), plain)
	rejected(t, o, 1, "8 bytes")
}
