package pskctest

import (
	"time"

	"mohur/hsm"
	"mohur/tokens/pskc"
	"mohur/tokens/seedfile"
)

const (
	nsPSKC = "urn:ietf:params:xml:ns:keyprov:pskc"
	nsDSig = "http://www.w3.org/2000/09/xmldsig#"
	nsXEnc = "http://www.w3.org/2001/04/xmlenc#"
)

// Key is what a file says of one key: the same type as comes out of it again.
// Serial and Secret have to be set, Suite for OCRA; what else is left out
// becomes manufacturer "Example", the serial as key id, HOTP, SHA-1, 6 digits
// and a step of 30 s. Index is not written.
type Key = pskc.Key

// filled returns k with the defaults put in.
func filled(k Key) Key {
	if k.Manufacturer == "" {
		k.Manufacturer = "Example"
	}
	if k.KeyID == "" {
		k.KeyID = k.Serial
	}
	if k.Algorithm == "" {
		k.Algorithm = pskc.HOTP
	}
	if k.Hash == 0 {
		k.Hash = hsm.SHA1
	}
	if k.Digits == 0 && k.Algorithm != pskc.OCRA {
		k.Digits = 6
	}
	if k.Step == 0 && k.Algorithm == pskc.TOTP {
		k.Step = 30 * time.Second
	}
	return k
}

// Add writes one key package.
func (pw *Writer) Add(k Key) {
	k = filled(k)
	pw.printf("  <KeyPackage>\n    <DeviceInfo>\n")
	pw.element("      ", "Manufacturer", k.Manufacturer)
	pw.element("      ", "SerialNo", k.Serial)
	pw.element("      ", "Model", k.Model)
	pw.element("      ", "IssueNo", k.IssueNo)
	pw.printf("    </DeviceInfo>\n    <Key Id=\"%s\" Algorithm=\"%s:%s\">\n", text(k.KeyID), nsPSKC, text(string(k.Algorithm)))
	pw.element("      ", "Issuer", k.Issuer)
	pw.parameters(k)
	pw.element("      ", "FriendlyName", k.FriendlyName)
	pw.printf("      <Data>\n")
	pw.secret(k.Secret)
	pw.moving(k)
	pw.printf("      </Data>\n")
	pw.element("      ", "UserId", k.UserID)
	pw.policy(k)
	pw.printf("    </Key>\n  </KeyPackage>\n")
}

// parameters writes the suite where it says something and the length of a code.
func (pw *Writer) parameters(k Key) {
	pw.printf("      <AlgorithmParameters>\n")
	if k.Suite == "" && k.Hash != hsm.SHA1 {
		k.Suite = "HMAC-" + k.Hash.String()
	}
	pw.element("        ", "Suite", k.Suite)
	if k.Digits != 0 {
		pw.printf("        <ResponseFormat Length=\"%d\" Encoding=\"DECIMAL\"/>\n", k.Digits)
	}
	pw.printf("      </AlgorithmParameters>\n")
}

// moving writes the counter of HOTP and OCRA or the times of TOTP.
func (pw *Writer) moving(k Key) {
	number := func(name string, n int64) {
		pw.printf("        <%s><PlainValue>%d</PlainValue></%s>\n", name, n, name)
	}
	if k.Algorithm != pskc.TOTP {
		number("Counter", int64(k.Counter))
		return
	}
	number("Time", int64(k.Time))
	number("TimeInterval", int64(k.Step/time.Second))
	if k.Drift != 0 {
		number("TimeDrift", int64(k.Drift))
	}
}

// policy writes what the key may be used for, and its limits where it has any.
func (pw *Writer) policy(k Key) {
	pw.printf("      <Policy>\n")
	if !k.Start.IsZero() {
		pw.element("        ", "StartDate", k.Start.UTC().Format(time.RFC3339))
	}
	if !k.Expiry.IsZero() {
		pw.element("        ", "ExpiryDate", k.Expiry.UTC().Format(time.RFC3339))
	}
	if k.PIN.Mode != seedfile.PINNone {
		pw.printf("        <PINPolicy PINUsageMode=\"%s\" MinLength=\"%d\" MaxLength=\"%d\"/>\n", text(string(k.PIN.Mode)), k.PIN.MinLength, k.PIN.MaxLength)
	}
	usage := "OTP"
	if k.Algorithm == pskc.OCRA {
		usage = "CR"
	}
	pw.element("        ", "KeyUsage", usage)
	if k.Uses != 0 {
		pw.printf("        <NumberOfTransactions>%d</NumberOfTransactions>\n", k.Uses)
	}
	pw.printf("      </Policy>\n")
}

// element writes an element with text, nothing if the text is empty.
func (pw *Writer) element(indent, name, value string) {
	if value != "" {
		pw.printf("%s<%s>%s</%s>\n", indent, name, text(value), name)
	}
}
