package fido

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// AAGUID names a model of authenticator (section 6.5.1); zero means none.
type AAGUID [16]byte

// ParseAAGUID reads the form 8-4-4-4-12 of hexadecimal digits.
func ParseAAGUID(s string) (AAGUID, error) {
	var a AAGUID
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != len(a) || len(s) != 36 || AAGUID(b).String() != strings.ToLower(s) {
		return a, fmt.Errorf("%q is not an AAGUID: write it as 01020304-0506-0708-0102-030405060708", s)
	}
	return AAGUID(b), nil
}

func (a AAGUID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", a[:4], a[4:6], a[6:8], a[8:10], a[10:])
}

// IsZero reports whether no model is named.
func (a AAGUID) IsZero() bool { return a == AAGUID{} }

// MarshalText writes the form 8-4-4-4-12, or nothing for zero.
func (a AAGUID) MarshalText() ([]byte, error) {
	if a.IsZero() {
		return nil, nil
	}
	return []byte(a.String()), nil
}

// UnmarshalText reads what MarshalText writes.
func (a *AAGUID) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*a = AAGUID{}
		return nil
	}
	*a, err = ParseAAGUID(string(text))
	return err
}

// Trust says what an attestation is worth.
type Trust string

// From nothing to a chain that ends in a root which the metadata names for the
// model.
const (
	TrustNone      Trust = "none"      // the key attests nothing
	TrustSelf      Trust = "self"      // it signs for itself: the model is a claim
	TrustUntrusted Trust = "untrusted" // a certificate that leads nowhere known
	Trusted        Trust = "trusted"
)

// Attestation is what a registration told of the authenticator. Only with
// Trusted is the model more than a claim.
type Attestation struct {
	Format string `json:"format"` // none, packed, tpm, android-key, apple, fido-u2f
	Trust  Trust  `json:"trust"`
	Doubt  Reason `json:"doubt,omitzero"` // why not Trusted, when certificates were given

	// Chain holds the SHA-256 of each certificate, in hexadecimal, the
	// attestation certificate first: to the trusted root, or as given.
	Chain []string `json:"chain,omitzero"`
	// KeyIDs identify the attestation certificate's key for models without an
	// AAGUID, in hexadecimal.
	KeyIDs []string `json:"key_ids,omitzero"`
	// CertificateSerial is the attestation certificate's serial number in
	// hexadecimal. Many devices share one.
	CertificateSerial string `json:"certificate_serial,omitzero"`
	// DeviceSerial is the id-fido-gen-ce-sernum of enterprise attestation
	// (section 8.2.2) in hexadecimal: one device's.
	DeviceSerial string `json:"device_serial,omitzero"`
	// KeyProtection is how the metadata says the model keeps its keys.
	KeyProtection []string `json:"key_protection,omitzero"`
	// Metadata is the number of the BLOB that was asked.
	Metadata int64 `json:"metadata,omitzero"`
}

// Record is a credential as it must be stored: the record the last success
// returned is the one the next assertion is judged by.
type Record struct {
	ID        []byte `json:"id"`
	RPID      string `json:"rp_id"`
	PublicKey []byte `json:"public_key"` // COSE_Key
	Algorithm string `json:"algorithm"`
	SignCount uint32 `json:"sign_count"`
	// UVInitialized says that user verification may count as a factor: it was
	// done at registration, or another factor vouched for it since.
	UVInitialized  bool        `json:"uv_initialized"`
	Transports     []string    `json:"transports,omitzero"`
	BackupEligible bool        `json:"backup_eligible"`
	BackupState    bool        `json:"backup_state"`
	Discoverable   *bool       `json:"discoverable,omitzero"` // as the client told; nil unknown
	AAGUID         AAGUID      `json:"aaguid,omitzero"`       // a claim, unless Attestation.Trust is Trusted
	Attestation    Attestation `json:"attestation"`
}

// Descriptor names the credential to a client.
func (r Record) Descriptor() Descriptor { return Descriptor{ID: r.ID, Transports: r.Transports} }

// Hardware reports whether a trusted attestation says that the private key
// cannot leave hardware.
func (r Record) Hardware() bool {
	p := r.Attestation.KeyProtection
	return r.Attestation.Trust == Trusted && !r.BackupEligible &&
		slices.Contains(p, protectionHardware) && !slices.Contains(p, protectionSoftware)
}
