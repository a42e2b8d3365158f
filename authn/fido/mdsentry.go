package fido

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Entry is what the metadata says of one model of authenticator.
type Entry struct {
	AAGUID        AAGUID   // zero for models with key identifiers only
	KeyIDs        []string // of attestation certificates, in hexadecimal
	Description   string
	Types         []string // attestation types: basic_full, basic_surrogate, attca, anonca, …
	KeyProtection []string // hardware, software, secure_element, tee, remote_handle
	Roots         []*x509.Certificate
	Reports       []StatusReport
	// Fault says what of the entry could not be read; "" when all could. An
	// entry whose reports could not be read vouches for nothing.
	Fault string
}

// What of an entry could not be read.
const (
	faultStatement = "metadataStatement"
	faultReports   = "statusReports"
)

// StatusReport is one status of a model (MDS 3 section 3.1.4).
type StatusReport struct {
	Status string
	// From and Until bound the time for which it holds; zero: without bound. A
	// date that cannot be read bounds nothing.
	From, Until time.Time
	// Certificates are the SHA-256, in hexadecimal, of the certificates it is
	// about; none: the whole model.
	Certificates []string
	badDate      bool
}

// in reports whether the report holds at that time.
func (s StatusReport) in(at time.Time) bool {
	return (s.From.IsZero() || !s.From.After(at)) && (s.Until.IsZero() || s.Until.After(at))
}

// about reports whether the report is about an authenticator with this chain. One
// without a chain may be any.
func (s StatusReport) about(chain []string) bool {
	if len(s.Certificates) == 0 || len(chain) == 0 {
		return true
	}
	return slices.ContainsFunc(s.Certificates, func(c string) bool { return slices.Contains(chain, c) })
}

// add reads an entry. Models of UAF only, which have neither AAGUID nor key
// identifiers, are passed over.
func (m *Metadata) add(at int, raw jsontext.Value) {
	problem := func(what string, err error) {
		m.Problems = append(m.Problems, clip(fmt.Sprintf("entries[%d]: %s: %v", at, what, err)))
	}
	var j struct {
		AAGUID    string         `json:"aaguid"`
		KeyIDs    []string       `json:"attestationCertificateKeyIdentifiers"`
		Statement jsontext.Value `json:"metadataStatement"`
		Reports   jsontext.Value `json:"statusReports"`
	}
	if err := json.Unmarshal(raw, &j); err != nil {
		problem("identifiers", err)
		return
	}
	e := &Entry{}
	if j.AAGUID != "" {
		var err error
		if e.AAGUID, err = ParseAAGUID(j.AAGUID); err != nil {
			problem("aaguid", err)
			return
		}
	}
	for _, id := range j.KeyIDs {
		e.KeyIDs = append(e.KeyIDs, strings.ToLower(id))
	}
	if err := e.statement(j.Statement); err != nil {
		e.Fault = faultStatement
		problem(e.Fault, err)
	}
	if err := e.reports(j.Reports); err != nil {
		e.Fault = faultReports
		problem(e.Fault, err)
	}
	m.index(e, problem)
}

// index files an entry under its names. A name that stands twice keeps its first
// entry, and every report against either.
func (m *Metadata) index(e *Entry, problem func(string, error)) {
	file := func(old *Entry) bool {
		if old == nil {
			return true
		}
		old.Reports = append(old.Reports, e.Reports...)
		problem("name", fmt.Errorf("%s %v stands twice", e.AAGUID, e.KeyIDs))
		return false
	}
	if !e.AAGUID.IsZero() && file(m.byAAGUID[e.AAGUID]) {
		m.byAAGUID[e.AAGUID] = e
	}
	for _, id := range e.KeyIDs {
		if file(m.byKeyID[id]) {
			m.byKeyID[id] = e
		}
	}
	for _, root := range e.Roots {
		if f := fingerprint(root); !e.AAGUID.IsZero() && !slices.Contains(m.served[f], e.AAGUID) {
			m.served[f] = append(m.served[f], e.AAGUID)
		}
	}
}

func (e *Entry) statement(raw jsontext.Value) error {
	if raw == nil {
		return fmt.Errorf("missing")
	}
	var j struct {
		Description   string   `json:"description"`
		Types         []string `json:"attestationTypes"`
		KeyProtection []string `json:"keyProtection"`
		Roots         []string `json:"attestationRootCertificates"`
	}
	if err := json.Unmarshal(raw, &j); err != nil {
		return err
	}
	e.Description, e.Types, e.KeyProtection = clip(j.Description), j.Types, j.KeyProtection
	var unread error
	for i, text := range j.Roots {
		c, err := certificate(text)
		if err != nil { // fewer roots trust fewer keys
			unread = fmt.Errorf("attestationRootCertificates[%d]: %w", i, err)
			continue
		}
		if !slices.ContainsFunc(e.Roots, c.Equal) {
			e.Roots = append(e.Roots, c)
		}
	}
	return unread
}

func (e *Entry) reports(raw jsontext.Value) error {
	var list []struct {
		Status string `json:"status"`
		From   string `json:"effectiveDate"`
		Until  string `json:"sunsetDate"`
		Cert   string `json:"certificate"`
		Batch  string `json:"batchCertificate"`
	}
	if raw == nil {
		return fmt.Errorf("missing")
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return err
	}
	for _, j := range list {
		r := StatusReport{Status: clip(j.Status)}
		r.From, r.badDate = date(j.From)
		var bad bool
		r.Until, bad = date(j.Until)
		r.badDate = r.badDate || bad
		for _, text := range []string{j.Cert, j.Batch} {
			if text == "" {
				continue
			}
			c, err := certificate(text)
			if err != nil { // then it is about all of them
				r.Certificates = nil
				break
			}
			r.Certificates = append(r.Certificates, fingerprint(c))
		}
		e.Reports = append(e.Reports, r)
	}
	return nil
}

func date(s string) (t time.Time, bad bool) {
	if s == "" {
		return time.Time{}, false
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return time.Time{}, true
	}
	return t, false
}

// certificate reads base64 of DER; metadata in the field has line breaks in it.
func certificate(text string) (*x509.Certificate, error) {
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
