package pkcs11

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Profile holds what differs between makers of modules. Its zero value is a
// module that follows the standard.
type Profile struct {
	// Name is under which it was found, "" for one put together by hand.
	Name string
	// WrapMechanism is the mechanism number of RFC 3394 without padding;
	// 0 means 0x2109, CKM_AES_KEY_WRAP. Some makers have a number of their own.
	WrapMechanism uint
	// ValueLen puts CKA_VALUE_LEN into the template of an unwrapping. Some
	// modules demand it, some refuse it.
	ValueLen bool
	// Sessions is how many calls run at once where Config says nothing.
	Sessions int
	// NeedsInit says that the module does not start without Config.Init.
	NeedsInit bool
	// CopyKeys uses every key as a copy in memory of the module, made after the
	// log-in, for modules that decrypt a stored key at each use. Without it
	// only the MAC keys are copied, for which it pays everywhere.
	CopyKeys bool
	// NoTemplate says that the module knows no CKA_UNWRAP_TEMPLATE and answers
	// it with an error that could mean anything. The key that wraps seeds is
	// made without, which Strict refuses.
	NoTemplate bool
}

//go:embed profiles.json
var profileData []byte

// profileEntry is a profile in profiles.json. About and source are for people.
type profileEntry struct {
	About         string `json:"about"`
	Source        string `json:"source"`
	WrapMechanism string `json:"wrap_mechanism"` // as headers write it, 0x…
	ValueLen      bool   `json:"value_len"`
	Sessions      int    `json:"sessions"`
	NeedsInit     bool   `json:"needs_init"`
	CopyKeys      bool   `json:"copy_keys"`
	NoTemplate    bool   `json:"no_unwrap_template"`
}

// ProfileNamed returns the profile of a maker's module. The error names those
// that are known.
func ProfileNamed(name string) (Profile, error) {
	entries, err := profileEntries()
	if err != nil {
		return Profile{}, err
	}
	e, known := entries[name]
	if !known {
		return Profile{}, configFault(fmt.Sprintf("there is no profile %q; there are %s",
			name, strings.Join(slices.Sorted(maps.Keys(entries)), ", ")))
	}
	number, err := strconv.ParseUint(e.WrapMechanism, 0, 32)
	if err != nil {
		return Profile{}, fmt.Errorf("profiles.json: %s: %w", name, err)
	}
	return Profile{
		Name: name, WrapMechanism: uint(number), ValueLen: e.ValueLen,
		Sessions: e.Sessions, NeedsInit: e.NeedsInit, CopyKeys: e.CopyKeys, NoTemplate: e.NoTemplate,
	}, nil
}

// ProfileNames returns the names of all profiles, sorted.
func ProfileNames() []string {
	entries, err := profileEntries()
	if err != nil {
		return nil // a test reads every entry
	}
	return slices.Sorted(maps.Keys(entries))
}

func profileEntries() (entries map[string]profileEntry, err error) {
	d := json.NewDecoder(bytes.NewReader(profileData))
	d.DisallowUnknownFields()
	if err := d.Decode(&entries); err != nil {
		return nil, fmt.Errorf("profiles.json: %w", err)
	}
	return entries, nil
}
