package fido

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// Settings say who the relying party is and from where its pages speak. The
// zero value of every switch is the strict one.
type Settings struct {
	// RPID is the domain that credentials are scoped to, in lower case
	// (section 5.4.2). It cannot be changed later: every credential dies with it.
	RPID string `yaml:"rp_id"`
	// RPName is what a client may show, 1 to 64 bytes.
	RPName string `yaml:"rp_name"`
	// Origins are the pages of this bank: scheme, host and port, the host RPID
	// or below it. At least one.
	Origins []string `yaml:"origins"`
	// RelatedOrigins are pages on other domains that may use the same
	// credentials. Browsers ask for WellKnown at RPID (section 5.11).
	RelatedOrigins []string `yaml:"related_origins"`
	// AppOrigins are the bank's own mobile applications, as
	// android:apk-key-hash:<base64url SHA-256 of the signing certificate>.
	AppOrigins []string `yaml:"app_origins"`
	// CrossOrigin accepts ceremonies from a frame inside another site's page;
	// TopOrigins are the pages that may hold the frame.
	CrossOrigin bool     `yaml:"cross_origin"`
	TopOrigins  []string `yaml:"top_origins"`
	// TopOriginOptional accepts clients that do not tell the page around the
	// frame, as those before Level 3 do.
	TopOriginOptional bool `yaml:"top_origin_optional"`
	// Algorithms are those offered and accepted, the preferred first, of ES256,
	// ES384, ES512, EdDSA and RS256; all of them when empty.
	Algorithms []string `yaml:"algorithms"`
	// Timeout is what a client is told, 5 minutes when zero. It is a hint: the
	// attempt's own expiry is what counts.
	Timeout time.Duration `yaml:"timeout"`
}

// RelyingParty judges responses by settings that were found good. It is
// immutable and safe for concurrent use.
type RelyingParty struct {
	s       Settings
	origins []string // all that client data may name
	algs    []webauthncose.COSEAlgorithmIdentifier
}

// New checks the settings. The error names every fault, one a line, each with
// its setting and what to write instead.
func New(s Settings) (*RelyingParty, error) {
	rp := &RelyingParty{s: s}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }

	if err := protocol.ValidateRPID(s.RPID); err != nil || s.RPID != strings.ToLower(s.RPID) {
		fault("rp_id: %q is not a domain: write the domain of the bank's pages in lower case, as bank.example, without scheme and port", s.RPID)
	}
	if s.RPName == "" || len(s.RPName) > 64 {
		fault("rp_name: needs 1 to 64 bytes, the name a customer knows the bank by")
	}
	if len(s.Origins) == 0 {
		fault("origins: name at least one, as https://%s", s.RPID)
	}
	for i, o := range s.Origins {
		if host, err := originHost(o); err != nil {
			fault("origins[%d]: %w", i, err)
		} else if !under(host, s.RPID) {
			fault("origins[%d]: %s is not on %s: a page on another domain belongs in related_origins", i, o, s.RPID)
		}
	}
	for i, o := range s.RelatedOrigins {
		if host, err := originHost(o); err != nil {
			fault("related_origins[%d]: %w", i, err)
		} else if under(host, s.RPID) {
			fault("related_origins[%d]: %s is on %s itself: it belongs in origins", i, o, s.RPID)
		}
	}
	for i, o := range s.AppOrigins {
		if !appOrigin.MatchString(o) {
			fault("app_origins[%d]: %q is not an application: write android:apk-key-hash: and the 43 base64url characters of the SHA-256 of its signing certificate", i, o)
		}
	}
	for i, o := range s.TopOrigins {
		if _, err := originHost(o); err != nil {
			fault("top_origins[%d]: %w", i, err)
		}
	}
	switch {
	case s.CrossOrigin && len(s.TopOrigins) == 0 && !s.TopOriginOptional:
		fault("cross_origin: needs top_origins, the pages that may hold the frame")
	case !s.CrossOrigin && (len(s.TopOrigins) != 0 || s.TopOriginOptional):
		fault("top_origins: they are for frames in other pages: set cross_origin: true or leave them out")
	}
	if s.Timeout < 0 || s.Timeout > time.Hour {
		fault("timeout: needs a time between 0 and 1h")
	}
	var err error
	if rp.algs, err = algorithmList(s.Algorithms); err != nil {
		faults = append(faults, err)
	}
	if len(faults) != 0 {
		return nil, errors.Join(faults...)
	}
	rp.origins = slices.Concat(s.Origins, s.RelatedOrigins, s.AppOrigins)
	if rp.s.Timeout == 0 {
		rp.s.Timeout = 5 * time.Minute
	}
	return rp, nil
}

// algorithmList turns names to identifiers; all of them for an empty list.
func algorithmList(names []string) ([]webauthncose.COSEAlgorithmIdentifier, error) {
	if len(names) == 0 {
		return allAlgorithms, nil
	}
	var ids []webauthncose.COSEAlgorithmIdentifier
	for i, name := range names {
		at := slices.IndexFunc(allAlgorithms, func(id webauthncose.COSEAlgorithmIdentifier) bool { return algorithmName(id) == name })
		if at < 0 {
			return nil, fmt.Errorf("algorithms[%d]: %q is not one of ES256, ES384, ES512, EdDSA, RS256", i, name)
		}
		ids = append(ids, allAlgorithms[at])
	}
	return ids, nil
}

var appOrigin = regexp.MustCompile(`^android:apk-key-hash:[A-Za-z0-9_-]{43}$`)

// originHost returns the host of an origin written as a browser serialises it
// (RFC 6454 section 6.2), so that comparing origins is comparing bytes.
func originHost(origin string) (string, error) {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.Scheme == "" {
		return "", fmt.Errorf("%q is not an origin: write scheme, host and port, as https://bank.example", origin)
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	want := strings.ToLower(u.Scheme) + "://" + host
	if port != "" && !(u.Scheme == "https" && port == "443") && !(u.Scheme == "http" && port == "80") {
		want += ":" + port
	}
	if origin != want {
		return "", fmt.Errorf("%q is not an origin: write %s (scheme, host and port only, in lower case)", origin, want)
	}
	local := host == "localhost" || strings.HasSuffix(host, ".localhost")
	if u.Scheme != "https" && !(u.Scheme == "http" && local) {
		return "", fmt.Errorf("%q is not a secure origin: only https, or http for localhost", origin)
	}
	if err := protocol.ValidateRPID(host); err != nil && !local {
		return "", fmt.Errorf("%q has no domain as its host: a browser uses no key there", origin)
	}
	return host, nil
}

func under(host, domain string) bool {
	return host == domain || strings.HasSuffix(host, "."+domain)
}

// RPID returns the domain that credentials are scoped to.
func (rp *RelyingParty) RPID() string { return rp.s.RPID }

// WellKnown returns the JSON that https://RPID/.well-known/webauthn must serve
// as application/json when there are related origins (section 5.11.1); nil
// otherwise.
func (rp *RelyingParty) WellKnown() []byte {
	if len(rp.s.RelatedOrigins) == 0 {
		return nil
	}
	return mustJSON(map[string]any{"origins": slices.Concat(rp.s.Origins, rp.s.RelatedOrigins)})
}
