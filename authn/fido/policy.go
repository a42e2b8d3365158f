package fido

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// Policy says which keys the bank enrols. The zero policy is the strictest:
// attested by a maker whom the metadata names, of a model reported neither revoked
// nor compromised, bound to one device. Every member either loosens that and says
// so, or asks for more.
type Policy struct {
	// Formats are the attestation statement formats accepted, of packed, tpm,
	// android-key, apple and fido-u2f; all of them when empty. None and self are
	// switched by their own members.
	Formats []string `yaml:"formats" json:"formats,omitzero"`
	// AllowNone accepts keys without attestation; AllowSelf keys that attest
	// themselves; AllowUntrusted certificates that lead to no root of the
	// metadata. Of such a key nothing is known but what it claims.
	AllowNone      bool `yaml:"allow_none" json:"allow_none,omitzero"`
	AllowSelf      bool `yaml:"allow_self" json:"allow_self,omitzero"`
	AllowUntrusted bool `yaml:"allow_untrusted" json:"allow_untrusted,omitzero"`
	// Attestation is what clients are asked for: none, direct or enterprise. Empty
	// asks for what the policy needs; a policy that needs none may still ask for
	// direct, so that what is known of a model later finds its keys.
	Attestation Conveyance `yaml:"attestation" json:"attestation,omitzero"`
	// AllowSynced accepts keys that are copied to other devices (BE, "passkeys").
	AllowSynced bool `yaml:"allow_synced" json:"allow_synced,omitzero"`

	// AllowAAGUIDs are the only models accepted, when there are any: proved ones,
	// so that a claim is not enough. DenyAAGUIDs are never accepted, claimed or
	// proved.
	AllowAAGUIDs []string `yaml:"allow_aaguids" json:"allow_aaguids,omitzero"`
	DenyAAGUIDs  []string `yaml:"deny_aaguids" json:"deny_aaguids,omitzero"`

	// MinimumLevel is the lowest certification accepted: certified (functional
	// only), L1, L1plus, L2, L2plus, L3 or L3plus.
	MinimumLevel string `yaml:"minimum_level" json:"minimum_level,omitzero"`
	// KeyProtection asks how the metadata says that keys are kept: hardware, or
	// secure_element.
	KeyProtection string `yaml:"key_protection" json:"key_protection,omitzero"`
	// HardwareOnly asks for a trusted attestation of a model that keeps its keys
	// in hardware only and does not copy them.
	HardwareOnly bool `yaml:"hardware_only" json:"hardware_only,omitzero"`

	// DenyStatuses refuses models with these reports, beside the five that are
	// always refused.
	DenyStatuses []string `yaml:"deny_statuses" json:"deny_statuses,omitzero"`
	// StaleDays is for how many days after its nextUpdate a BLOB is still good
	// enough to enrol a key by, 0 to 90.
	StaleDays int `yaml:"stale_days" json:"stale_days,omitzero"`

	// Enterprise asks for enterprise attestation and tells how the serial in it
	// is written in the stock of tokens.
	Enterprise Enterprise `yaml:"enterprise" json:"enterprise,omitzero"`
}

// Enterprise says where a device's serial is found in its attestation, and how
// to write it so that it can be compared with the token's.
type Enterprise struct {
	// Required asks for a serial at every enrolment. Whether that token is in stock
	// and handed to this customer is the caller's to compare.
	Required bool `yaml:"required" json:"required,omitzero"`
	// From is sernum, the extension for it (section 8.2.2), which is what empty
	// means; or certificate, the certificate's own serial number, for makers who
	// give each device a certificate.
	From string `yaml:"from" json:"from,omitzero"`
	// As is hex (lower case), which is what empty means; decimal; or text.
	As string `yaml:"as" json:"as,omitzero"`
}

// denied are the statuses no policy accepts (MDS 3 section 3.1.4).
var denied = []string{
	"REVOKED", "USER_VERIFICATION_BYPASS", "ATTESTATION_KEY_COMPROMISE",
	"USER_KEY_REMOTE_COMPROMISE", "USER_KEY_PHYSICAL_COMPROMISE",
}

// levels are the certifications, the lowest first, by the policy's names and by
// the metadata's.
var levels = []struct{ name, status string }{
	{"certified", "FIDO_CERTIFIED"}, {"L1", "FIDO_CERTIFIED_L1"}, {"L1plus", "FIDO_CERTIFIED_L1plus"},
	{"L2", "FIDO_CERTIFIED_L2"}, {"L2plus", "FIDO_CERTIFIED_L2plus"},
	{"L3", "FIDO_CERTIFIED_L3"}, {"L3plus", "FIDO_CERTIFIED_L3plus"},
}

// rank returns 1 and up for a level's name, 0 for none, -1 for another word.
func rank(name string) int {
	for i, l := range levels {
		if l.name == name {
			return i + 1
		}
	}
	if name == "" {
		return 0
	}
	return -1
}

// Check returns every fault of the policy, one a line, each with its member and
// what to write instead.
func (p Policy) Check() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }

	for i, f := range p.Formats {
		if _, known := statements[f]; !known || f == FormatNone {
			fault("formats[%d]: %q is not one of packed, tpm, android-key, apple, fido-u2f; none is allow_none", i, f)
		}
	}
	for name, list := range map[string][]string{"allow_aaguids": p.AllowAAGUIDs, "deny_aaguids": p.DenyAAGUIDs} {
		for i, a := range list {
			if _, err := ParseAAGUID(a); err != nil {
				fault("%s[%d]: %w", name, i, err)
			}
		}
	}
	if rank(p.MinimumLevel) < 0 {
		fault("minimum_level: %q is not one of certified, L1, L1plus, L2, L2plus, L3, L3plus", p.MinimumLevel)
	}
	if !slices.Contains([]string{"", protectionHardware, protectionElement}, p.KeyProtection) {
		fault("key_protection: %q is not one of hardware, secure_element", p.KeyProtection)
	}
	if p.StaleDays < 0 || p.StaleDays > 90 {
		fault("stale_days: needs 0 to 90 days")
	}
	if !slices.Contains([]string{"", "sernum", "certificate"}, p.Enterprise.From) {
		fault("enterprise.from: %q is not one of sernum, certificate", p.Enterprise.From)
	}
	if !slices.Contains([]string{"", "hex", "decimal", "text"}, p.Enterprise.As) {
		fault("enterprise.as: %q is not one of hex, decimal, text", p.Enterprise.As)
	}
	if asks := p.proof(); asks != "" && (p.AllowNone || p.AllowSelf || p.AllowUntrusted) {
		fault("%s: only a trusted attestation shows that: leave out allow_none, allow_self and allow_untrusted", asks)
	}
	switch p.Attestation {
	case "", ConveyDirect, ConveyEnterprise:
	case ConveyNone:
		if !p.AllowNone {
			fault("attestation: none asks for nothing and the policy accepts nothing less than attestation: leave it out, or set allow_none")
		}
	default:
		fault("attestation: %q is not one of none, direct, enterprise", p.Attestation)
	}
	if p.Enterprise.Required && p.Attestation == ConveyDirect {
		fault("attestation: enterprise.required needs enterprise: leave it out")
	}
	if p.HardwareOnly && p.AllowSynced {
		fault("hardware_only: a synced key leaves its hardware: leave out allow_synced")
	}
	slices.SortFunc(faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(faults...)
}

// proof names a member that only a trusted attestation can meet, or "".
func (p Policy) proof() string {
	switch {
	case len(p.AllowAAGUIDs) != 0:
		return "allow_aaguids"
	case p.MinimumLevel != "":
		return "minimum_level"
	case p.KeyProtection != "":
		return "key_protection"
	case p.HardwareOnly:
		return "hardware_only"
	case p.Enterprise.Required:
		return "enterprise.required"
	}
	return ""
}

// Conveyance returns what a client must be asked for so that a key can meet the
// policy.
func (p Policy) Conveyance() Conveyance {
	switch {
	case p.Attestation != "":
		return p.Attestation
	case p.Enterprise.Required:
		return ConveyEnterprise
	case p.AllowNone && len(p.DenyAAGUIDs) == 0:
		return ConveyNone
	}
	return ConveyDirect
}

// serial writes the device's serial, of a trusted attestation, as the stock of
// tokens does; "" when there is none, or not in that form.
func (e Enterprise) serial(a Attestation) string {
	text := a.DeviceSerial
	if e.From == "certificate" {
		text = a.CertificateSerial
	}
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) == 0 {
		return ""
	}
	switch e.As {
	case "decimal":
		return new(big.Int).SetBytes(raw).String()
	case "text":
		for _, b := range raw {
			if b <= ' ' || b > '~' {
				return ""
			}
		}
		return string(raw)
	}
	return text
}
