// Package device knows the cards, tokens and readers that a bank's customers
// hold: by what a card answers to its reset (ATR), which PKCS#11 module drives it
// on which system, which algorithms it signs with and what its PIN is like. They
// are data, not code; a bank adds its own in a file of the same form.
package device

import (
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

//go:embed profiles.json
var builtin []byte

// The kinds of device.
const (
	Card        = "card"
	Token       = "token"       // a card with its reader in one piece
	Reader      = "reader"      // only the reader
	Unsupported = "unsupported" // known, and of no use here
)

// Profile is what is known of one kind of device.
type Profile struct {
	Name    string   `json:"name"`
	Kind    string   `json:"kind"`
	ATR     []string `json:"atr,omitempty"`     // hexadecimal, with a mask after a slash where not every bit counts
	USB     []string `json:"usb,omitempty"`     // vendor:product
	Readers []string `json:"readers,omitempty"` // beginnings of a reader's name in PC/SC
	Driver  string   `json:"driver,omitempty"`  // of a reader: the package that has it on Debian
	// Modules are PKCS#11 libraries in the order to try them, by runtime.GOOS. One
	// without a directory is looked for in the system's.
	Modules    map[string][]string `json:"modules,omitempty"`
	Algorithms []string            `json:"algorithms,omitempty"` // the preferred one of those that fit the key first
	PIN        PIN                 `json:"pin,omitzero"`
	PIV        bool                `json:"piv,omitempty"` // tells how many tries are left (NIST SP 800-73-4, VERIFY)
	Any        bool                `json:"any,omitempty"` // for a card that no profile knows
	Notes      string              `json:"notes,omitempty"`

	masks []mask
}

// PIN is what is known of a card's PIN; 0 is not known.
type PIN struct {
	Min   int `json:"min,omitempty"` // bytes
	Max   int `json:"max,omitempty"`
	Tries int `json:"tries,omitempty"` // wrong ones in a row that lock it
}

type mask struct{ want, bits []byte }

func (m mask) fits(atr []byte) bool {
	if len(atr) != len(m.want) {
		return false
	}
	for i := range atr {
		if (atr[i]^m.want[i])&m.bits[i] != 0 {
			return false
		}
	}
	return true
}

// Catalog is a list of profiles; an earlier one wins.
type Catalog struct{ profiles []Profile }

// Load returns the profiles of the house, after those of a bank's file if one is
// named.
func Load(file string) (*Catalog, error) {
	own, err := parse(builtin)
	if err != nil {
		return nil, fmt.Errorf("the built-in device profiles: %w", err)
	}
	if file == "" {
		return &Catalog{own}, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the device profiles cannot be read: %w", err)
	}
	theirs, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("the device profiles in %s: %w", file, err)
	}
	return &Catalog{append(theirs, own...)}, nil
}

func parse(text []byte) ([]Profile, error) {
	var doc struct {
		Profiles []Profile `json:"profiles"`
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&doc); err != nil {
		return nil, err
	}
	for i := range doc.Profiles {
		if err := doc.Profiles[i].check(); err != nil {
			return nil, err
		}
	}
	return doc.Profiles, nil
}

var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}

var usbID = regexp.MustCompile(`^[0-9a-f]{4}:[0-9a-f]{4}$`)

func (p *Profile) check() error {
	if p.Name == "" {
		return fmt.Errorf("a profile has no name")
	}
	if !slices.Contains([]string{Card, Token, Reader, Unsupported}, p.Kind) {
		return fmt.Errorf("%s: kind needs to be card, token, reader or unsupported", p.Name)
	}
	for _, a := range p.Algorithms {
		if !slices.Contains(algorithms, a) {
			return fmt.Errorf("%s: there is no algorithm %q; there are %s", p.Name, a, strings.Join(algorithms, " "))
		}
	}
	for _, id := range p.USB {
		if !usbID.MatchString(id) {
			return fmt.Errorf("%s: usb needs to be like 072f:90cc", p.Name)
		}
	}
	for _, names := range p.Modules {
		for _, name := range names {
			if Remote(name) {
				return fmt.Errorf("%s: the module %q is not on this machine", p.Name, name)
			}
		}
	}
	for _, text := range p.ATR {
		m, err := parseMask(text)
		if err != nil {
			return fmt.Errorf("%s: atr %q: %w", p.Name, text, err)
		}
		p.masks = append(p.masks, m)
	}
	return nil
}

func parseMask(text string) (m mask, err error) {
	want, bits, masked := strings.Cut(text, "/")
	if m.want, err = hex.DecodeString(want); err != nil {
		return mask{}, fmt.Errorf("is not hexadecimal")
	}
	if !masked {
		bits = strings.Repeat("FF", len(m.want))
	}
	if m.bits, err = hex.DecodeString(bits); err != nil || len(m.bits) != len(m.want) {
		return mask{}, fmt.Errorf("the mask needs to be hexadecimal and as long as the ATR")
	}
	if len(m.want) < 2 || len(m.want) > 33 {
		return mask{}, fmt.Errorf("an ATR has 2 to 33 bytes")
	}
	return m, nil
}

// ByATR returns the profile of a card. known is false where only the profile for
// any card is left.
func (c *Catalog) ByATR(atr []byte) (p Profile, known bool) {
	for _, p := range c.profiles {
		if slices.ContainsFunc(p.masks, func(m mask) bool { return m.fits(atr) }) {
			return p, true
		}
	}
	for _, p := range c.profiles {
		if p.Any {
			return p, false
		}
	}
	return Profile{Name: "unknown card", Kind: Unsupported}, false
}

// ByReader returns the profile of a reader by its name in PC/SC.
func (c *Catalog) ByReader(name string) (Profile, bool) {
	for _, p := range c.profiles {
		if slices.ContainsFunc(p.Readers, func(start string) bool { return strings.HasPrefix(name, start) }) {
			return p, true
		}
	}
	return Profile{}, false
}

// ByUSB returns the profile of what is plugged in, by vendor:product in lower case.
func (c *Catalog) ByUSB(id string) (Profile, bool) {
	for _, p := range c.profiles {
		if slices.Contains(p.USB, id) {
			return p, true
		}
	}
	return Profile{}, false
}

// Names are the modules of the profile on this system, as the profile has them.
func (p Profile) Names() []string { return p.Modules[runtime.GOOS] }

// Paths are the modules of the profile that are installed here, by absolute path.
func (p Profile) Paths() []string {
	var found []string
	for _, name := range p.Names() {
		if path := Find(name); path != "" && !slices.Contains(found, path) {
			found = append(found, path)
		}
	}
	return found
}

// Find returns the absolute path of a module, "" when it is not installed. It
// looks in the system's directories only: not where the program was started, nor
// in PATH, where a stranger could have put a library of that name.
func Find(name string) string {
	name = expand(name)
	if Remote(name) {
		return ""
	}
	if filepath.IsAbs(name) {
		return installed(name)
	}
	if strings.ContainsAny(name, `/\`) {
		return ""
	}
	for _, dir := range directories() {
		if path := installed(filepath.Join(dir, name)); path != "" {
			return path
		}
	}
	return ""
}

// Remote tells whether a path leads to another machine or to a device of Windows
// (UNC, `\\?\`, `\??\`), on whichever system it is read.
func Remote(path string) bool {
	path = strings.ReplaceAll(path, "/", `\`)
	return strings.HasPrefix(path, `\\`) || strings.HasPrefix(path, `\??\`)
}

func installed(path string) string {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	return path
}

// expand replaces the variables of Windows that a profile may use.
func expand(name string) string {
	for _, v := range []string{"SystemRoot", "ProgramFiles"} {
		if strings.Contains(name, "%"+v+"%") {
			name = strings.ReplaceAll(name, "%"+v+"%", os.Getenv(v))
		}
	}
	return name
}

func directories() []string {
	switch runtime.GOOS {
	case "windows":
		return []string{filepath.Join(os.Getenv("SystemRoot"), "System32")}
	case "darwin":
		return []string{"/Library/OpenSC/lib", "/usr/local/lib", "/usr/lib"}
	}
	multiarch := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[runtime.GOARCH]
	return []string{"/usr/lib/" + multiarch, "/usr/lib/" + multiarch + "/pkcs11", "/usr/lib64", "/usr/lib64/pkcs11",
		"/usr/lib", "/usr/lib/pkcs11", "/lib", "/usr/local/lib"}
}
