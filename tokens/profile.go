package tokens

// Profile is what a model of device can do, as data: whether its PIN is asked
// on the device, and how far its counter or clock may run ahead.
type Profile struct {
	Name        string
	Title       string
	PINOnDevice bool // the device answers only after its own PIN: two factors
	LookAhead   int  // counters tried ahead of the stored one (RFC 4226 section 7.4)
	StepsEither int  // time steps tried before and after (RFC 6238 section 5.2)
	MaxDrift    int  // most steps of learnt drift
}

// DefaultProfile is used when an import names none: a device without a PIN.
const DefaultProfile = "oath"

var profiles = map[string]Profile{
	DefaultProfile: {Name: DefaultProfile, Title: "OATH token without a PIN of its own", LookAhead: 10, StepsEither: 1, MaxDrift: 3},
	"oath-pin":     {Name: "oath-pin", Title: "OATH token that asks its PIN on its own keys", PINOnDevice: true, LookAhead: 10, StepsEither: 1, MaxDrift: 3},
}

// ProfileOf returns the profile with that name.
func ProfileOf(name string) (Profile, bool) {
	p, ok := profiles[name]
	return p, ok
}
