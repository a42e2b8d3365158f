package main

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"net/url"
	"time"

	"mohur/ca"
)

// caConfig is the section ca: what the certificates of the bank's own authority say,
// and what it asks of the keys.
type caConfig struct {
	Organization string
	Life         time.Duration
	CRLURL       string
	CRLLife      time.Duration
	Policies     []string
	Roots        []string
	Attested     bool
}

const day = 24 * time.Hour

func (c *Config) caSettings() []setting {
	a := &c.CA
	return []setting{
		{"ca.organization", "What every certificate names as its organisation; left out, the bank's name.", textValue{&a.Organization}},
		{"ca.life", "How long a certificate is valid.", durationValue{&a.Life, day, 10 * 365 * day}},
		{"ca.crl_url", "Where others find the list of revoked certificates, such as\nhttps://auth.bank.example/ca/crl.crl; left out, certificates do not say.", textValue{&a.CRLURL}},
		{"ca.crl_life", "For how long a list is good.", durationValue{&a.CRLLife, 2 * time.Hour, 30 * day}},
		{"ca.policies", "Certificate policies (OIDs) that every certificate asserts.", listValue{to: &a.Policies}},
		{"ca.attestation_roots", "Files with the makers' roots by which a device proves that it made a key itself, PEM.", listValue{&a.Roots, true}},
		{"ca.attested_only", "Certify only keys with such a proof.", boolValue{&a.Attested}},
	}
}

// checkCA returns the faults of the section, each under its own setting.
func (c *Config) checkCA() (found []fault) {
	a := &c.CA
	for _, text := range a.Policies {
		if _, err := oid(text); err != nil {
			found = append(found, fault{key: "ca.policies", text: "needs to hold object identifiers such as 1.2.3.4"})
			break
		}
	}
	if u, err := url.Parse(a.CRLURL); a.CRLURL != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		found = append(found, fault{key: "ca.crl_url", text: "needs to be an address such as https://auth.bank.example/ca/crl.crl"})
	}
	if a.Attested && len(a.Roots) == 0 {
		found = append(found, fault{key: "ca.attested_only", text: "needs ca.attestation_roots: without a root no proof holds"})
	}
	return found
}

// oid reads an object identifier in dotted form.
func oid(text string) (asn1.ObjectIdentifier, error) {
	o, err := x509.ParseOID(text)
	if err != nil {
		return nil, err
	}
	der, err := o.MarshalBinary()
	if err != nil {
		return nil, err
	}
	var out asn1.ObjectIdentifier
	_, err = asn1.Unmarshal(append([]byte{asn1.TagOID, byte(len(der))}, der...), &out)
	return out, err
}

// authority is the bank's own certificate authority. It is there whether it was
// made yet or not.
func (s *server) authority() (*ca.Service, error) {
	c := s.config
	a := &c.CA
	settings := ca.Settings{Organization: a.Organization, Life: a.Life, CRLURL: a.CRLURL, CRLLife: a.CRLLife, Attested: a.Attested}
	if settings.Organization == "" {
		settings.Organization = c.bankName()
	}
	for _, text := range a.Policies {
		o, err := oid(text)
		if err != nil {
			return nil, fmt.Errorf("ca.policies: %w", err)
		}
		settings.Policies = append(settings.Policies, o)
	}
	if len(a.Roots) > 0 {
		settings.Attestation = x509.NewCertPool()
	}
	for _, path := range a.Roots {
		roots, err := readCertificates(path)
		if err != nil {
			return nil, fmt.Errorf("ca.attestation_roots: %w", err)
		}
		for _, r := range roots {
			settings.Attestation.AddCert(r)
		}
	}
	return &ca.Service{Store: s.records, Settler: s.records, HSM: s.hsm, Audit: s.audit, Settings: settings, Now: time.Now}, nil
}
