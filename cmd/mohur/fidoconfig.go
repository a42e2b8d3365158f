package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"mohur/authn/fido"
	"mohur/enrollment"
)

// fidoConfig is the section fido: who the relying party is, which keys are
// enrolled, and where what is known of their models comes from.
type fidoConfig struct {
	fido.Settings
	Policy       fido.Policy
	Attestation  string
	ResidentKey  string
	Unverified   bool
	MDSPath      string
	MDSURL       string
	MDSCache     string
	MDSSigner    string
	MDSRoots     []string
	MDSCRLs      []string
	MDSUnrevoked bool
	MDSRefresh   time.Duration
}

// mdsAddress is where the FIDO Alliance publishes its metadata.
const mdsAddress = "https://mds3.fidoalliance.org/"

func (c *Config) fidoSettings() []setting {
	f, p := &c.FIDO, &c.FIDO.Policy
	list := func(to *[]string) listValue { return listValue{to: to} }
	return []setting{
		{"fido.rp_id", "The domain that keys are made for. It can never be changed: every key dies with it. Left out,\nFIDO2 keys are neither enrolled nor taken.", textValue{&f.RPID}},
		{"fido.rp_name", "What a browser shows; left out, the bank's name.", textValue{&f.RPName}},
		{"fido.origins", "The bank's pages: scheme, host and port, the host rp_id or below it.", list(&f.Origins)},
		{"fido.related_origins", "Pages on other domains with the same keys; served at /.well-known/webauthn, which browsers\nask for at rp_id.", list(&f.RelatedOrigins)},
		{"fido.app_origins", "The bank's applications: android:apk-key-hash: and the SHA-256 of the certificate, base64url.", list(&f.AppOrigins)},
		{"fido.cross_origin", "Take answers from a frame inside a page of top_origins.", boolValue{&f.CrossOrigin}},
		{"fido.top_origins", "The pages that may hold the frame.", list(&f.TopOrigins)},
		{"fido.top_origin_optional", "Take a frame whose browser does not tell the page around it.", boolValue{&f.TopOriginOptional}},
		{"fido.algorithms", "Of ES256, ES384, ES512, EdDSA and RS256, the preferred first; left out, all of them.", list(&f.Algorithms)},
		{"fido.resident_key", "Whether a key keeps the account itself (a passkey): required, preferred or discouraged. Where\nkeys do, customers may log in without a name.", textValue{&f.ResidentKey}},
		{"fido.unverified_keys", "Enrol keys that do not verify their user: each is one factor for ever and takes the PIN\nbeside it.", boolValue{&f.Unverified}},

		{"fido.formats", "Attestation formats taken, of packed, tpm, android-key, apple and fido-u2f; left out, all.", list(&p.Formats)},
		{"fido.allow_none", "Enrol keys without attestation.", boolValue{&p.AllowNone}},
		{"fido.allow_self", "Enrol keys that attest themselves.", boolValue{&p.AllowSelf}},
		{"fido.allow_untrusted", "Enrol keys whose certificate leads to no known root.", boolValue{&p.AllowUntrusted}},
		{"fido.attestation", "What browsers are asked for: none, direct or enterprise; left out, what the rest needs.", textValue{&f.Attestation}},
		{"fido.allow_synced", "Enrol keys that are copied to other devices.", boolValue{&p.AllowSynced}},
		{"fido.allow_aaguids", "The only models that are enrolled; left out, any.", list(&p.AllowAAGUIDs)},
		{"fido.deny_aaguids", "Models that are not, and whose enrolled keys are suspended.", list(&p.DenyAAGUIDs)},
		{"fido.minimum_level", "The lowest certification: certified, L1, L1plus, L2, L2plus, L3 or L3plus; left out, any.", textValue{&p.MinimumLevel}},
		{"fido.key_protection", "How a model keeps its keys: hardware or secure_element; left out, any.", textValue{&p.KeyProtection}},
		{"fido.hardware_only", "Only keys that provably cannot leave their hardware.", boolValue{&p.HardwareOnly}},
		{"fido.deny_statuses", "Reports that refuse a model, beside revoked and compromised, which always do.", list(&p.DenyStatuses)},
		{"fido.stale_days", "For how many days after its time metadata still enrols keys.", intValue{&p.StaleDays, 0, 90}},
		{"fido.enterprise_required", "Only keys that the bank handed out: their attestation names the serial.", boolValue{&p.Enterprise.Required}},
		{"fido.enterprise_from", "Where the serial stands: sernum or certificate.", textValue{&p.Enterprise.From}},
		{"fido.enterprise_as", "How the token's serial is written: hex, decimal or text.", textValue{&p.Enterprise.As}},

		{"fido.mds_path", "The FIDO metadata as a file,", pathValue{&f.MDSPath}},
		{"fido.mds_url", "or its address, such as " + mdsAddress + "; left out, there is none, and no\nattestation is trusted.", textValue{&f.MDSURL}},
		{"fido.mds_cache", "A copy of the last good one.", pathValue{&f.MDSCache}},
		{"fido.mds_roots", "Files with the certificates its signature must lead to, PEM; left out, that of the FIDO\nAlliance.", listValue{&f.MDSRoots, true}},
		{"fido.mds_signer", "With mds_roots: the DNS name of the signer.", textValue{&f.MDSSigner}},
		{"fido.mds_crls", "Files with lists of revoked certificates for the signer; left out, they are fetched.", listValue{&f.MDSCRLs, true}},
		{"fido.mds_skip_revocation", "Do not look whether the signer was revoked.", boolValue{&f.MDSUnrevoked}},
		{"fido.mds_refresh", "How often it is read again; enrolled keys are checked whenever it has changed.", durationValue{&f.MDSRefresh, time.Minute, 168 * time.Hour}},
	}
}

// checkFIDO returns the faults of the section, each under its own setting.
func (c *Config) checkFIDO() (found []fault) {
	f := &c.FIDO
	if f.RPID == "" {
		if len(f.Origins) > 0 || f.MDSPath != "" || f.MDSURL != "" {
			found = append(found, fault{key: "fido.rp_id", text: "is needed with the other settings of fido"})
		}
		return found
	}
	add := func(err error) {
		if err == nil {
			return
		}
		for line := range strings.Lines(err.Error()) {
			member, text, _ := strings.Cut(strings.TrimSpace(line), ": ")
			member, _, _ = strings.Cut(strings.ReplaceAll(member, "enterprise.", "enterprise_"), "[")
			found = append(found, fault{key: "fido." + member, text: text})
		}
	}
	_, err := fido.New(c.relyingParty())
	add(err)
	add(c.keyPolicy().Check())
	if !slices.Contains([]string{"", "required", "preferred", "discouraged"}, f.ResidentKey) {
		found = append(found, fault{key: "fido.resident_key", text: "needs to be required, preferred or discouraged"})
	}
	if f.MDSPath != "" && f.MDSURL != "" {
		found = append(found, fault{key: "fido.mds_url", text: "goes without fido.mds_path: metadata comes from one of them"})
	}
	if u, err := url.Parse(f.MDSURL); f.MDSURL != "" && (err != nil || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname()))) {
		found = append(found, fault{key: "fido.mds_url", text: "needs to begin with https://"})
	}
	return found
}

func (c *Config) relyingParty() fido.Settings {
	s := c.FIDO.Settings
	if s.RPName == "" {
		s.RPName = c.bankName()
	}
	return s
}

func (c *Config) keyPolicy() fido.Policy {
	p := c.FIDO.Policy
	p.Attestation = fido.Conveyance(c.FIDO.Attestation)
	return p
}

// keys is how FIDO2 keys are enrolled; without rp_id there are none. from tells the
// metadata in force, nil if there is no source.
func (c *Config) keys(from *fido.Loader) (enrollment.FIDO, error) {
	if c.FIDO.RPID == "" {
		return enrollment.FIDO{}, nil
	}
	rp, err := fido.New(c.relyingParty())
	if err != nil {
		return enrollment.FIDO{}, err
	}
	out := enrollment.FIDO{RP: rp, Policy: c.keyPolicy(), Resident: fido.Need(c.FIDO.ResidentKey), Unverified: c.FIDO.Unverified}
	if from != nil {
		out.Metadata = from.Current
	}
	return out, nil
}

// metadata is the loader, nil when no source is configured.
func (c *Config) metadata() (*fido.Loader, error) {
	f := &c.FIDO
	if f.RPID == "" || f.MDSPath == "" && f.MDSURL == "" {
		return nil, nil
	}
	trust, err := fido.FIDOAlliance()
	if err != nil {
		return nil, err
	}
	if len(f.MDSRoots) > 0 {
		trust = fido.BLOBTrust{Name: f.MDSSigner}
		for _, path := range f.MDSRoots {
			roots, err := readCertificates(path)
			if err != nil {
				return nil, fmt.Errorf("fido.mds_roots: %w", err)
			}
			trust.Roots = append(trust.Roots, roots...)
		}
	}
	return &fido.Loader{Path: f.MDSPath, URL: f.MDSURL, Cache: f.MDSCache, Trust: trust, CRLs: f.MDSCRLs, SkipRevocation: f.MDSUnrevoked}, nil
}

func readCertificates(path string) (found []*x509.Certificate, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		found = append(found, c)
	}
	if len(found) == 0 {
		return nil, errors.New(path + " holds no certificate in PEM")
	}
	return found, nil
}

// developmentKeys lets a developer use any key on his own machine.
func (c *Config) developmentKeys() {
	u, err := url.Parse(c.URL)
	if err != nil || u.Hostname() != "localhost" {
		return
	}
	f := &c.FIDO
	f.RPID, f.RPName, f.Origins, f.Attestation, f.ResidentKey, f.Unverified = "localhost", "Mohur", []string{c.URL}, "direct", "preferred", true
	f.Policy.AllowNone, f.Policy.AllowSelf, f.Policy.AllowUntrusted, f.Policy.AllowSynced = true, true, true, true
}
