package fido

import (
	"encoding/hex"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/metadata"
)

// What the metadata calls the ways a key is kept (FIDO Registry section 3.2).
const (
	protectionHardware = "hardware"
	protectionSoftware = "software"
	protectionElement  = "secure_element"
)

// entry returns the metadata of the record's model: by its AAGUID, and only
// without one, as a U2F key is, by the key of the certificate.
func (m *Metadata) entry(r Record) *Entry {
	if !r.AAGUID.IsZero() {
		return m.ByAAGUID(r.AAGUID)
	}
	return m.ByKeyID(r.Attestation.KeyIDs...)
}

// reports are those of either entry: some devices have one for each protocol.
func (m *Metadata) reports(r Record) (all []StatusReport) {
	for _, e := range []*Entry{m.ByAAGUID(r.AAGUID), m.ByKeyID(r.Attestation.KeyIDs...)} {
		if e != nil {
			all = append(all, e.Reports...)
		}
	}
	return all
}

// attest is steps 23 and 24 of section 7.1: what the attestation is worth.
// Without metadata no certificate is worth anything. What it returns is the
// fault of a chain that leads nowhere, for the audit log.
func (m *Metadata) attest(o attestationObject, r *Record, at time.Time) (fault error) {
	a := &r.Attestation
	a.Format, a.Trust = o.format, TrustNone
	if m != nil {
		a.Metadata = m.Number.No
	}
	switch {
	case o.format == FormatNone:
		return nil
	case len(o.x5c) == 0:
		a.Trust = TrustSelf
		return nil
	}
	leaf := o.x5c[0]
	a.Trust, a.Chain, a.KeyIDs = TrustUntrusted, fingerprints(o.x5c), keyIDs(leaf)
	a.CertificateSerial = hex.EncodeToString(leaf.SerialNumber.Bytes())
	if serial, _, err := extension(leaf, oidSerial); err == nil && o.format == FormatPacked {
		a.DeviceSerial = hex.EncodeToString(serial)
	}
	if m == nil {
		a.Doubt = MetadataMissing
		return nil
	}
	e := m.entry(*r)
	if e == nil || len(e.Roots) == 0 || !e.attests(o.format) {
		a.Doubt = ModelUnknown
		return nil
	}
	chain, err := verifyChain(o.x5c, e.Roots, o.format == FormatTPM, at)
	if err != nil {
		a.Doubt = AttestationUntrusted
		return err
	}
	for _, f := range fingerprints(chain) {
		if !slices.Contains(a.Chain, f) {
			a.Chain = append(a.Chain, f)
		}
	}
	if o.format == FormatPacked && m.shared(a.Chain, r.AAGUID) {
		if _, named, _ := extension(leaf, oidAAGUID); !named {
			a.Doubt = AAGUIDUnproven
			return nil
		}
	}
	a.Trust, a.KeyProtection = Trusted, e.KeyProtection
	return nil
}

// shared reports whether a certificate of the chain is a root of another model,
// too: then a certificate that names no model proves none (section 8.2.1).
func (m *Metadata) shared(chain []string, model AAGUID) bool {
	return slices.ContainsFunc(chain, func(f string) bool {
		return slices.ContainsFunc(m.served[f], func(a AAGUID) bool { return a != model })
	})
}

// attests reports whether the model attests in the way a format with
// certificates does (MDS 3, attestationTypes).
func (e *Entry) attests(format string) bool {
	types := map[string][]metadata.AuthenticatorAttestationType{
		FormatPacked:     {metadata.BasicFull, metadata.AttCA},
		FormatFIDOU2F:    {metadata.BasicFull, metadata.AttCA},
		FormatTPM:        {metadata.AttCA},
		FormatAndroidKey: {metadata.BasicFull, metadata.AnonCA},
		FormatApple:      {metadata.AnonCA},
	}[format]
	return slices.ContainsFunc(types, func(t metadata.AuthenticatorAttestationType) bool {
		return slices.Contains(e.Types, string(t))
	})
}
