package tokens

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"mohur/tokens/ocra"
)

//go:embed profiles.json
var ownProfiles []byte

// profiles are all that can be named: the house's own, and those of the bank.
var profiles atomic.Pointer[[]Profile]

// own are the profiles of the house; that its file is right is a test.
func own() []Profile {
	list, err := LoadProfiles(bytes.NewReader(ownProfiles))
	if err != nil {
		panic(err)
	}
	return list
}

// Profiles lists all device profiles: the house's own, DefaultProfile first, then
// the bank's. The caller must not change them.
func Profiles() []Profile {
	if p := profiles.Load(); p != nil {
		return *p
	}
	list := own()
	profiles.CompareAndSwap(nil, &list)
	return *profiles.Load()
}

// ProfileOf returns the profile with that name.
func ProfileOf(name string) (Profile, bool) {
	list := Profiles()
	i := slices.IndexFunc(list, func(p Profile) bool { return p.Name == name })
	if i < 0 {
		return Profile{}, false
	}
	return list[i], true
}

// UseProfiles puts the bank's own profiles beside those of the house, in place of
// what an earlier call put there. It is called before the first request. A name that the house
// has already is an error, and nothing changes: a file must not quietly turn a
// token with one factor into one with two.
func UseProfiles(added []Profile) error {
	list := own()
	for _, p := range added {
		if slices.ContainsFunc(list, func(other Profile) bool { return other.Name == p.Name }) {
			return fmt.Errorf("profile %s: name is taken; choose another", p.Name)
		}
		list = append(list, p)
	}
	profiles.Store(&list)
	return nil
}

// Bounds of a file of profiles.
const (
	profilesSize = 1 << 20 // bytes
	mostProfiles = 200
)

// LoadProfiles reads device profiles from JSON of the form of profiles.json:
// {"about": text, "profiles": [{…}]}. It is strict: an unknown, repeated or missing
// member, a value out of bounds and a window beyond Ceiling are errors, and every
// fault is told with its profile and its field. Members of windows that are left
// out are those of DefaultWindows.
func LoadProfiles(r io.Reader) ([]Profile, error) {
	text, err := io.ReadAll(io.LimitReader(r, profilesSize+1))
	if err != nil {
		return nil, err
	}
	if len(text) > profilesSize {
		return nil, errors.New("the file has more than 1 MiB")
	}
	var file struct {
		About    string           `json:"about"`
		Profiles []jsontext.Value `json:"profiles"`
	}
	if err := json.Unmarshal(text, &file, json.RejectUnknownMembers(true)); err != nil {
		return nil, errors.New(jsonFault(err))
	}
	if len(file.Profiles) == 0 || len(file.Profiles) > mostProfiles {
		return nil, fmt.Errorf("profiles needs to hold 1 to %d profiles", mostProfiles)
	}
	var list []Profile
	var faults []string
	for i, text := range file.Profiles {
		p, found := loadProfile(text)
		if slices.ContainsFunc(list, func(other Profile) bool { return other.Name == p.Name }) {
			found = append(found, "name stands there twice")
		}
		for _, f := range found {
			faults = append(faults, fmt.Sprintf("profile %d %q: %s", i+1, shorten(p.Name), f))
		}
		list = append(list, p)
	}
	if len(faults) > 0 {
		return nil, errors.New(strings.Join(faults, "\n"))
	}
	return list, nil
}

// needed are the members that have no default: what is not said of a device is
// not guessed.
var needed = []string{"name", "title", "kinds", "hashes", "digits", "pin_on_device", "software", "binds", "shown"}

func loadProfile(text jsontext.Value) (Profile, []string) {
	p := Profile{Windows: DefaultWindows()}
	if err := json.Unmarshal(text, &p, json.RejectUnknownMembers(true)); err != nil {
		return p, []string{jsonFault(err)}
	}
	var there map[string]jsontext.Value
	if err := json.Unmarshal(text, &there); err != nil {
		return p, []string{jsonFault(err)}
	}
	var faults []string
	for name, v := range there {
		if v.Kind() == 'n' {
			faults = append(faults, name+" is null; leave it out instead")
		}
	}
	slices.Sort(faults)
	for _, name := range needed {
		if there[name] == nil {
			faults = append(faults, name+" is missing")
		}
	}
	return p, append(faults, p.faults()...)
}

// jsonFault says which member a decoder stumbled over, and never repeats it.
func jsonFault(err error) string {
	var meaning *json.SemanticError
	var syntax *jsontext.SyntacticError
	at, why := jsontext.Pointer(""), "is not JSON"
	switch {
	case errors.As(err, &meaning):
		at, why = meaning.JSONPointer, "has a value of the wrong type"
		if errors.Is(meaning.Err, json.ErrUnknownName) {
			why = "is not a member of a profile"
		}
	case errors.As(err, &syntax):
		at = syntax.JSONPointer
		if errors.Is(syntax.Err, jsontext.ErrDuplicateName) {
			why = "stands there twice"
		}
	}
	name := strings.ReplaceAll(strings.Trim(string(at), "/"), "/", ".")
	if name == "" {
		return "the text " + why
	}
	return shorten(name) + " " + why
}

// shorten keeps what a stranger wrote from filling a screen.
func shorten(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

var profileName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// faults says what is wrong with a profile that could be read.
func (p Profile) faults() (found []string) {
	unless := func(ok bool, format string, args ...any) {
		if !ok {
			found = append(found, fmt.Sprintf(format, args...))
		}
	}
	unless(profileName.MatchString(p.Name) && len(p.Name) <= 32, "name needs to be 1 to 32 of a-z, 0-9 and - between them")
	unless(p.Title != "" && len(p.Title) <= 100, "title needs to be 1 to 100 bytes")
	if slices.Contains(p.Kinds, FIDO) && len(p.Kinds) == 1 {
		unless(len(p.Hashes)+len(p.Digits)+len(p.Steps)+len(p.Suites) == 0, "hashes, digits, steps and suites are for one-time passwords")
		unless(!p.PINOnDevice, "pin_on_device is for one-time passwords: a FIDO2 key says at each answer whether it verified its user")
		unless(p.Binds && p.Shown == ShownNone, "binds needs to be true and shown none: so are all FIDO2 keys")
		unless(p.Issuer == "", "issuer is for cards")
		return append(found, p.Windows.faults()...)
	}
	if slices.Contains(p.Kinds, Card) && len(p.Kinds) == 1 {
		unless(len(p.Hashes)+len(p.Digits)+len(p.Steps)+len(p.Suites) == 0, "hashes, digits, steps and suites are for one-time passwords")
		unless(p.PINOnDevice && !p.Software, "pin_on_device needs to be true and software false: a card signs after its own PIN, and its key does not leave it")
		unless(p.Binds && p.Shown == ShownNone, "binds needs to be true and shown none: so are all cards, and what an agent showed is said by each answer")
		unless(len(p.Issuer) <= 64, "issuer needs at most 64 bytes: the name of an issuer profile")
		return append(found, p.Windows.faults()...)
	}
	unless(p.Issuer == "", "issuer is for cards")
	unless(among(p.Kinds, HOTP, TOTP, OCRA), "kinds needs to be some of hotp, totp, ocra, each once, or fido or card alone")
	unless(among(p.Hashes, "SHA1", "SHA256", "SHA512"), "hashes needs to be some of SHA1, SHA256, SHA512, each once")
	unless(among(p.Digits, 6, 7, 8, 9, 10), "digits needs to be some of 6 to 10, each once")
	timed, bound := slices.Contains(p.Kinds, TOTP), slices.Contains(p.Kinds, OCRA)
	unless(timed || len(p.Steps) == 0, "steps is for totp")
	unless(!timed || among(p.Steps, 30, 60), "steps needs to be some of 30, 60, each once")
	unless(bound || len(p.Suites) == 0, "suites is for ocra")
	unless(bound || !p.Binds, "binds is for ocra: a hotp or totp can never be bound to a payment")
	unless(p.Shown == ShownNone || p.Shown == ShownDevice, "shown needs to be none or device")
	unless(p.Shown != ShownDevice || p.Binds && len(p.Suites) > 0, "shown: device needs binds and suites")
	for i, text := range p.Suites {
		if why := p.listedSuiteFault(text); why != "" {
			found = append(found, fmt.Sprintf("suites.%d %s", i, why))
		}
		unless(slices.Index(p.Suites, text) == i, "suites.%d stands there twice", i)
	}
	return append(found, p.Windows.faults()...)
}

// listedSuiteFault asks of a suite what a key of it would be asked at its import.
func (p Profile) listedSuiteFault(text string) string {
	s, err := ocra.ParseSuite(text)
	if err != nil {
		return "is no suite of RFC 6287 with 6 to 10 digits"
	}
	if p.Shown == ShownDevice && s.AccountDigits() == 0 {
		return "has a question in which amount and account cannot be typed: QN or QA of 12 or more"
	}
	return p.Fault(Credential{Kind: OCRA, Suite: text, Digits: s.Digits, Hash: s.Hash})
}

// among reports whether list holds only what is allowed, each once, and something.
func among[T comparable](list []T, allowed ...T) bool {
	for i, v := range list {
		if !slices.Contains(allowed, v) || slices.Index(list, v) != i {
			return false
		}
	}
	return len(list) > 0
}
