package tokens

import (
	"fmt"
	"slices"
	"strings"

	"mohur/tokens/ocra"
)

// Profile is what a model of device can do, as data: which keys it may carry,
// whether its PIN is asked on the device, what it can bind and show, and how far
// its counter or clock may run ahead.
type Profile struct {
	Name        string   `json:"name"`
	Title       string   `json:"title"`
	Kinds       []Kind   `json:"kinds"`
	Hashes      []string `json:"hashes"`           // SHA1, SHA256, SHA512
	Digits      []int    `json:"digits"`           // of a code, 6–10
	Steps       []int    `json:"steps,omitempty"`  // seconds, TOTP: 30, 60
	Suites      []string `json:"suites,omitempty"` // OCRA; none: any that takes no PIN
	PINOnDevice bool     `json:"pin_on_device"`    // the device answers only after its own PIN: two factors
	Software    bool     `json:"software"`         // a program on a device that does other things too
	Binds       bool     `json:"binds"`            // it can bind an answer to a payment (OCRA)
	Shown       string   `json:"shown"`            // ShownNone or ShownDevice
	Issuer      string   `json:"issuer,omitempty"` // of cards: the only issuer profile whose certificates they carry; "": any
	Windows     `json:"windows"`
	Sources     []string `json:"sources,omitempty"` // where the facts are from: [v] a public source, [m] memory
}

// What a device shows of what its answer is bound to.
const (
	ShownNone   = "none"
	ShownAgent  = "agent"  // the bank's card agent displayed the text before the PIN
	ShownDevice = "device" // amount and payee are typed on its keys, and stand in its display
)

var shownRank = map[string]int{ShownNone: 1, ShownAgent: 2, ShownDevice: 3}

// ShowsEnough reports whether what was shown is as much as is asked for; "" asks for
// nothing, and what is not known shows nothing.
func ShowsEnough(shown, asked string) bool {
	return asked == "" || asked == ShownNone || shownRank[asked] != 0 && shownRank[shown] >= shownRank[asked]
}

// DefaultProfile is used when an import names none: a device without a PIN.
const DefaultProfile = "oath"

// Bare reports whether such devices come into stock without seeds: their keys are
// made when they are enrolled.
func (p Profile) Bare() bool {
	return !slices.ContainsFunc(p.Kinds, func(k Kind) bool { return k == HOTP || k == TOTP || k == OCRA })
}

// Fault says why a credential cannot be one of such a device, for whoever imports
// it; "" when it can. It looks at the kind and the parameters of the computation.
func (p Profile) Fault(c Credential) string {
	if !slices.Contains(p.Kinds, c.Kind) {
		return p.takes("keys of the kind", p.Kinds, c.Kind)
	}
	if c.Kind == OCRA {
		if why := p.suiteFault(c); why != "" {
			return why
		}
	}
	switch {
	case !slices.Contains(p.Digits, c.Digits):
		return p.takes("codes with this number of digits:", p.Digits, c.Digits)
	case !slices.Contains(p.Hashes, c.Hash.String()):
		return p.takes("the hash", p.Hashes, c.Hash)
	case c.Kind == TOTP && !slices.Contains(p.Steps, c.Step):
		return p.takes("time steps of this many seconds:", p.Steps, c.Step)
	case c.Kind == TOTP && (c.T0 < -lastT0 || c.T0 > lastT0):
		return "the start of the time (T0) is beyond the year 9999"
	case c.Kind != TOTP && c.T0 != 0:
		return "a start of the time (T0) is for TOTP only"
	}
	return ""
}

// lastT0 bounds T0 in both directions, Unix seconds: the end of the year 9999.
const lastT0 = 253402300799

// takes is the fault of a parameter that is none of those allowed.
func (p Profile) takes(what string, allowed, found any) string {
	list := strings.Trim(strings.ReplaceAll(fmt.Sprint(allowed), " ", ", "), "[]")
	return fmt.Sprintf("the profile %s takes %s %s; this key has %v", p.Name, what, list, found)
}

func (p Profile) suiteFault(c Credential) string {
	s, err := ocra.ParseSuite(c.Suite)
	if err != nil {
		return "the OCRA suite cannot be read, or its answers have fewer than 6 digits"
	}
	if why := s.Fault(); why != "" {
		return why
	}
	switch listed := slices.Contains(p.Suites, c.Suite); {
	case s.Digits != c.Digits || s.Hash != c.Hash:
		return "the key's digits or hash are not those of its OCRA suite"
	case len(p.Suites) > 0 && !listed:
		return p.takes("the OCRA suite", p.Suites, c.Suite)
	case s.SessionLength > 0:
		return "the OCRA suite takes data of a session, which a device that a person types at does not know"
	case s.PINHash != 0 && !listed:
		return "the OCRA suite takes a PIN, which the server would have to know: a profile has to name such a suite"
	}
	return ""
}
