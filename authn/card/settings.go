package card

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"mohur/authn/revocation"
)

// Issuer is an issuer profile: whose certificates are taken, for what, and who the
// person is. It is configuration. Profiles may share authorities: then the first
// one whose policies and use fit a certificate judges it.
type Issuer struct {
	// Name is stored with every card: a profile that is renamed refuses them all.
	Name string
	// Roots are the trust anchors, at least one. Intermediates are the authorities
	// between: a token brings its own certificate only, and what a TLS client brings
	// beside its own is not used. Take one out and what it issued is refused.
	Roots, Intermediates []*x509.Certificate
	// Own is the bank's own authority, in the place of Roots, Intermediates and
	// Revocation; nil for all others.
	Own Own
	// Policies are dotted OIDs of which a certificate must assert one itself:
	// anyPolicy is none of them. An authority between that lists policies must list
	// that one, or anyPolicy. Empty: any or none.
	Policies []string
	// Disallowed are dotted OIDs of policies that refuse a certificate, such as those
	// of mobile-ID.
	Disallowed []string
	// Subject is the attribute of the subject that is the person's key:
	// "serialNumber", "UID" or a dotted OID, never the common name. Its value is taken
	// as it stands, letter case included.
	Subject string
	// Algorithms are those accepted, of ES256 to ES512, PS256 to PS512 and RS256 to
	// RS512. Empty: all that fit the key.
	Algorithms []string
	// LogIn: certificates with digitalSignature, and clientAuth if they list extended
	// usages, may log in.
	LogIn bool
	// Signing: certificates with contentCommitment (nonRepudiation) may confirm
	// payments by card-sign.
	Signing bool
	// DualUse: certificates with both usages may log in. Any page can have such a key
	// sign any hash, as a document, and so the answer to a log-in.
	DualUse bool
	// Revocation says how the certificates are checked.
	Revocation revocation.Rules
}

// Settings are the verifier's.
type Settings struct {
	// Origins are the bank's pages: scheme, host and port if it is not the scheme's
	// own, in lower case, without a slash at the end. At least one for tokens.
	Origins []string
	Issuers []Issuer
	// Status asks for revocation; required.
	Status *revocation.Checker
}

// Verifier judges cards by settings that were found good. It is immutable and safe
// for concurrent use.
type Verifier struct {
	origins  []string
	profiles []*profile
	check    checker
}

// mostOrigins bounds how many signatures a token may cost: it does not say which
// origin it is for.
const mostOrigins = 16

// New checks the settings. The error names every fault, one a line, each with
// its setting and what to write instead.
func New(s Settings) (*Verifier, error) {
	v := &Verifier{origins: slices.Clone(s.Origins)}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if s.Status == nil {
		fault("status: needs a checker: without one nobody knows of a revoked card")
	} else {
		v.check = s.Status.Check
	}
	if len(s.Origins) == 0 || len(s.Origins) > mostOrigins {
		fault("origins: name 1 to %d, as https://login.bank.example", mostOrigins)
	}
	for i, o := range s.Origins {
		if err := origin(o); err != nil {
			fault("origins[%d]: %w", i, err)
		}
	}
	if len(s.Issuers) == 0 {
		fault("issuers: name at least one issuer profile")
	}
	names := map[string]bool{}
	for i, issuer := range s.Issuers {
		p, err := issuer.compile()
		if err != nil {
			fault("issuers[%d] (%s): %w", i, clip(issuer.Name), err)
		}
		if names[issuer.Name] {
			fault("issuers[%d]: a second profile of the name %q: a stored card could not say whose it is", i, clip(issuer.Name))
		}
		names[issuer.Name] = true
		v.profiles = append(v.profiles, p)
	}
	if len(faults) != 0 {
		return nil, errors.Join(faults...)
	}
	return v, nil
}

// origin checks that an origin is written as a browser serialises it (RFC 6454
// section 6.2), so that the card signs these very bytes.
func origin(o string) error {
	u, err := url.Parse(o)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return fmt.Errorf("%q is not an origin: write scheme, host and port, as https://login.bank.example", clip(o))
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	want := u.Scheme + "://" + host
	if port != "" && port != map[string]string{"https": "443", "http": "80"}[u.Scheme] {
		want += ":" + port
	}
	local := host == "localhost" || host == "127.0.0.1" || host == "[::1]"
	switch {
	case o != want || strings.ContainsFunc(o, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fmt.Errorf("%q is not an origin: write %q (scheme, host and port only, in lower case, other letters than ASCII in punycode)", clip(o), clip(want))
	case u.Scheme == "http" && !local:
		return fmt.Errorf("%q: http is for localhost only, write https", clip(o))
	}
	return nil
}

// profile is an issuer profile that was found good.
type profile struct {
	Issuer
	roots, intermediates *x509.CertPool
	policies, disallowed []x509.OID
	subject              asn1.ObjectIdentifier
	own                  anchorage
}

var profileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// attributes are those with a name of their own (RFC 4519).
var attributes = map[string]string{"serialNumber": "2.5.4.5", "UID": "0.9.2342.19200300.100.1.1"}

var (
	oidCommonName = asn1.ObjectIdentifier{2, 5, 4, 3}
	anyPolicy     = mustOID("2.5.29.32.0")
)

func mustOID(dotted string) x509.OID {
	oid, err := x509.ParseOID(dotted)
	if err != nil {
		panic(err)
	}
	return oid
}

func (i Issuer) compile() (*profile, error) {
	p := &profile{Issuer: i, roots: x509.NewCertPool(), intermediates: x509.NewCertPool()}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !profileName.MatchString(i.Name) {
		fault("name: needs 1 to 64 letters, digits, dots, dashes and underscores, a letter or digit first")
	}
	if i.Own != nil && len(i.Roots)+len(i.Intermediates) > 0 {
		fault("own: the bank's authority is its only root, leave roots and intermediates out")
	}
	if len(i.Roots) == 0 && i.Own == nil {
		fault("roots: name at least one certificate: the system's are not trusted")
	}
	for n, c := range i.Roots {
		if err := anchor(c); err != nil {
			fault("roots[%d]: %w", n, err)
		} else {
			p.roots.AddCert(c)
		}
	}
	for n, c := range i.Intermediates {
		if err := anchor(c); err != nil {
			fault("intermediates[%d]: %w", n, err)
		} else if !slices.Contains(strongSignatures, c.SignatureAlgorithm) {
			fault("intermediates[%d]: %s is signed with %s, which is not accepted", n, name(c), c.SignatureAlgorithm)
		} else {
			p.intermediates.AddCert(c)
		}
	}
	for _, l := range []struct {
		field  string
		dotted []string
		to     *[]x509.OID
	}{{"policies", i.Policies, &p.policies}, {"disallowed", i.Disallowed, &p.disallowed}} {
		for n, d := range l.dotted {
			oid, err := x509.ParseOID(d)
			if err != nil || oid.String() != d {
				fault("%s[%d]: %q is not a dotted object identifier, as 1.3.6.1.4.1.51361.1.1.3", l.field, n, clip(d))
				continue
			}
			*l.to = append(*l.to, oid)
		}
	}
	if slices.ContainsFunc(p.policies, anyPolicy.Equal) {
		fault("policies: anyPolicy names no policy: leave policies empty to take any")
	}
	for _, d := range p.disallowed {
		if slices.ContainsFunc(p.policies, d.Equal) {
			fault("disallowed: %s is in policies, too", d)
		}
	}
	var err error
	if p.subject, err = attribute(i.Subject); err != nil {
		faults = append(faults, err)
	}
	for n, a := range i.Algorithms {
		if _, ok := algorithms[a]; !ok {
			fault("algorithms[%d]: %q is not one of %s", n, clip(a), strings.Join(algorithmNames, ", "))
		}
	}
	switch {
	case !i.LogIn && !i.Signing:
		fault("log_in and signing are both off: the profile would be for nothing")
	case !i.LogIn && i.DualUse:
		fault("dual_use is about log-in: set log_in or leave dual_use out")
	}
	if err := i.Revocation.Validate(); err != nil && i.Own == nil {
		fault("revocation: %w", err)
	}
	return p, errors.Join(faults...)
}

// attribute reads which attribute of the subject is the person's key.
func attribute(s string) (asn1.ObjectIdentifier, error) {
	dotted := s
	if d, ok := attributes[s]; ok {
		dotted = d
	}
	oid, err := x509.ParseOID(dotted)
	if err != nil || oid.String() != dotted {
		return nil, fmt.Errorf("subject: %q is not serialNumber, UID or a dotted object identifier", clip(s))
	}
	var id asn1.ObjectIdentifier
	der, err := oid.MarshalBinary()
	if err == nil {
		_, err = asn1.Unmarshal(append([]byte{asn1.TagOID, byte(len(der))}, der...), &id)
	}
	switch {
	case err != nil || len(der) > 127:
		return nil, fmt.Errorf("subject: %q has a number that is too large", clip(s))
	case id.Equal(oidCommonName):
		return nil, errors.New("subject: the common name is a text for people and never a key: name serialNumber, UID or another attribute")
	}
	return id, nil
}

// anchor checks an authority's certificate of the configuration.
func anchor(c *x509.Certificate) error {
	switch {
	case c == nil:
		return errors.New("no certificate")
	case c.Version != 3 || !c.BasicConstraintsValid || !c.IsCA:
		return fmt.Errorf("%s is not an authority's certificate (version 3, basic constraints with cA)", name(c))
	case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0:
		return fmt.Errorf("%s may not sign certificates (keyCertSign)", name(c))
	case len(c.UnhandledCriticalExtensions) != 0:
		return fmt.Errorf("%s has the critical extension %s, which is not understood; constraints of directory names are one", name(c), c.UnhandledCriticalExtensions[0])
	}
	if err := constraints(c); err != nil {
		return fmt.Errorf("%s: %w", name(c), err)
	}
	if err := strong(c.PublicKey, mostAuthorityModulus); err != nil {
		return fmt.Errorf("%s has %w", name(c), err)
	}
	return nil
}

// name names a certificate in a sentence.
func name(c *x509.Certificate) string {
	return fmt.Sprintf("%q (serial %s)", clip(c.Subject.String()), c.SerialNumber.Text(16))
}
