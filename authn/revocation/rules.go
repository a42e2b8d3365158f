package revocation

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Rules say how the certificates of one issuer profile are checked: by OCSP if
// that is on, and where it gives no answer, by lists if there are any. Rules
// without either refuse every certificate.
type Rules struct {
	OCSP bool
	// Responders are the only OCSP addresses that are contacted, http or https. An
	// address in a certificate is used if one of these begins it: same scheme, host
	// and port, and its path is this path or lies below it. For a certificate that
	// names none of them, they are contacted themselves, in this order.
	Responders []string
	// NonceExempt takes responses without a nonce, for responders that prepare them
	// in advance. They prove their age by their dates alone: set MaxAge, too. A
	// nonce is sent all the same, and one that comes back has to be the same.
	NonceExempt bool
	// MaxAge is how long ago a response's thisUpdate may be. 0: two minutes.
	MaxAge time.Duration
	// Skew is how far thisUpdate may lie in the future. 0: 15 minutes.
	Skew time.Duration
	// Keep is how long a good answer of OCSP is used again, never beyond its
	// nextUpdate. 0: two minutes; below 0: never.
	Keep time.Duration
	// SHA256 names the issuer by SHA-256 in a request. Many responders know SHA-1
	// only, which nothing rests on here.
	SHA256 bool

	// CRLs are the addresses of lists, http or https, with the same meaning as
	// Responders, but that one which ends in '/' only begins others. CRLFiles are
	// files, DER or PEM, that something else replaces; they are looked at first.
	CRLs     []string
	CRLFiles []string
	// CRLMaxAge is how long ago a list's thisUpdate may be, besides its nextUpdate,
	// which always counts. 0: up to nextUpdate.
	CRLMaxAge time.Duration

	// Grace is for how long past a list's nextUpdate, or past the last good answer
	// of OCSP, a certificate is still taken when there is no answer at all. 0: not
	// at all, which is the rule unless the bank's policy states otherwise. A
	// certificate whose last known state is not good has no grace.
	Grace time.Duration
}

// Defaults and bounds of Rules.
const (
	DefaultMaxAge = 2 * time.Minute
	DefaultSkew   = 15 * time.Minute
	DefaultKeep   = 2 * time.Minute
	MostGrace     = 7 * 24 * time.Hour
)

// Validate says what is wrong with the rules, in the words of their fields.
func (r Rules) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !r.OCSP && len(r.CRLs)+len(r.CRLFiles) == 0 {
		fault("neither ocsp nor a CRL: without a source every certificate is refused")
	}
	if r.OCSP && len(r.Responders) == 0 {
		fault("ocsp is on and responders is empty: list the addresses that may be asked")
	}
	for _, a := range r.Responders {
		if _, err := parseAddress(a); err != nil {
			fault("responders: %w", err)
		}
	}
	for _, a := range r.CRLs {
		if _, err := parseAddress(a); err != nil {
			fault("crls: %w", err)
		}
	}
	for _, d := range []struct {
		name  string
		value time.Duration
		most  time.Duration
	}{
		{"max_age", r.MaxAge, MostGrace}, {"skew", r.Skew, time.Hour},
		{"crl_max_age", r.CRLMaxAge, 366 * 24 * time.Hour}, {"grace", r.Grace, MostGrace},
	} {
		if d.value < 0 || d.value > d.most {
			fault("%s: %v is not between 0 and %v", d.name, d.value, d.most)
		}
	}
	if r.Keep > 24*time.Hour {
		fault("keep: %v is more than 24 h", r.Keep)
	}
	return errors.Join(faults...)
}

func (r Rules) maxAge() time.Duration { return orDefault(r.MaxAge, DefaultMaxAge) }
func (r Rules) skew() time.Duration   { return orDefault(r.Skew, DefaultSkew) }
func (r Rules) keep() time.Duration   { return orDefault(r.Keep, DefaultKeep) }

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// hash tells rules apart: what was found under one set is not used under another.
func (r Rules) hash() [sha256.Size]byte {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err) // strings, booleans and numbers only
	}
	return sha256.Sum256(b)
}
