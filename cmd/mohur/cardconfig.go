package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strings"
	"time"

	"mohur/authn/card"
	"mohur/authn/revocation"
	"mohur/enrollment"
)

// cardConfig is the section card: which pages ask cards, whose certificates are
// taken, and the listener on which browsers show a certificate in TLS.
type cardConfig struct {
	Origins       []string
	Issuers       []issuerConfig
	StatusTimeout time.Duration
	TLSListen     string
	TLS13         bool
	TLSCert       string
	TLSKey        string
	ProxySPKI     string
	ProxyHeader   string
}

// issuerConfig is one issuer profile (authn/card.Issuer) with files in place of
// certificates.
type issuerConfig struct {
	Name, Subject          string
	SubjectIs              string
	Own                    bool
	Roots, Intermediates   []string
	Policies, Disallowed   []string
	Algorithms             []string
	LogIn, Signing         bool
	DualUse                bool
	OCSP, CRLs, CRLFiles   []string
	NonceExempt, SHA256    bool
	OCSPMaxAge, OCSPKeep   time.Duration
	CRLMaxAge, Grace, Skew time.Duration
}

func (i *issuerConfig) settings() []setting {
	list := func(to *[]string) listValue { return listValue{to: to} }
	files := func(to *[]string) listValue { return listValue{to, true} }
	age := func(to *time.Duration, most time.Duration) durationValue { return durationValue{to, 0, most} }
	return []setting{
		{"name", "", textValue{&i.Name}},
		{"own", "", boolValue{&i.Own}},
		{"roots", "", files(&i.Roots)},
		{"intermediates", "", files(&i.Intermediates)},
		{"policies", "", list(&i.Policies)},
		{"disallowed", "", list(&i.Disallowed)},
		{"subject", "", textValue{&i.Subject}},
		{"subject_is", "", textValue{&i.SubjectIs}},
		{"algorithms", "", list(&i.Algorithms)},
		{"log_in", "", boolValue{&i.LogIn}},
		{"signing", "", boolValue{&i.Signing}},
		{"dual_use", "", boolValue{&i.DualUse}},
		{"ocsp", "", list(&i.OCSP)},
		{"ocsp_nonce_exempt", "", boolValue{&i.NonceExempt}},
		{"ocsp_max_age", "", age(&i.OCSPMaxAge, revocation.MostGrace)},
		{"ocsp_keep", "", age(&i.OCSPKeep, 24*time.Hour)},
		{"ocsp_sha256", "", boolValue{&i.SHA256}},
		{"skew", "", age(&i.Skew, time.Hour)},
		{"crls", "", list(&i.CRLs)},
		{"crl_files", "", files(&i.CRLFiles)},
		{"crl_max_age", "", age(&i.CRLMaxAge, 366*24*time.Hour)},
		{"grace", "", age(&i.Grace, revocation.MostGrace)},
	}
}

// rules are how its certificates are checked. A time of nought is left to the default;
// ocsp_keep: 0s means that no answer is used again.
func (i *issuerConfig) rules() revocation.Rules {
	return revocation.Rules{
		OCSP: len(i.OCSP) > 0, Responders: i.OCSP, NonceExempt: i.NonceExempt, MaxAge: i.OCSPMaxAge, Keep: i.OCSPKeep, SHA256: i.SHA256, Skew: i.Skew,
		CRLs: i.CRLs, CRLFiles: i.CRLFiles, CRLMaxAge: i.CRLMaxAge, Grace: i.Grace,
	}
}

func (c *Config) cardSettings() []setting {
	k := &c.Card
	return []setting{
		{"card.origins", "The bank's pages that ask cards: scheme, host and port. Offers tell the first one.", listValue{to: &k.Origins}},
		{"card.issuers", "Whose certificates are taken, each an issuer profile (docs/cards.md); {name: bank, own: true}\nis the bank's own authority. Left out, cards are neither enrolled nor taken.", issuersValue{&k.Issuers}},
		{"card.status_timeout", "How long an issuer is waited for when he is asked whether he revoked a certificate.", durationValue{&k.StatusTimeout, 100 * time.Millisecond, 4 * time.Second}},
		{"card.tls_listen", "Address and port of the listener on which browsers show a client certificate, to log in; left\nout, there is none.", textValue{&k.TLSListen}},
		{"card.tls_13", "Speak TLS 1.3 there, too: cards that sign RSA without PSS, as ACOS5 does, cannot log in then.", boolValue{&k.TLS13}},
		{"card.tls_cert", "The certificate of that listener; left out, that of tls.cert.", pathValue{&k.TLSCert}},
		{"card.tls_key", "Its private key.", pathValue{&k.TLSKey}},
		{"card.proxy_spki", "The SHA-256 of the public key (SubjectPublicKeyInfo) of the one proxy that may name a browser's\ncertificate in a header, hexadecimal; it shows its own certificate to that listener.", textValue{&k.ProxySPKI}},
		{"card.proxy_header", "The header; left out, Client-Cert (RFC 9440).", textValue{&k.ProxyHeader}},
	}
}

// checkCards returns the faults of the section that can be seen without its files.
func (c *Config) checkCards() (found []fault) {
	k := &c.Card
	add := func(key, format string, args ...any) {
		found = append(found, fault{key: key, text: fmt.Sprintf(format, args...)})
	}
	if len(k.Issuers) == 0 {
		if len(k.Origins) > 0 || k.TLSListen != "" || k.ProxySPKI != "" {
			add("card.issuers", "is needed with the other settings of card")
		}
		return found
	}
	if len(k.Origins) == 0 {
		add("card.origins", "is needed, for example [https://bank.example]")
	}
	var names []string
	own := false
	for n, i := range k.Issuers {
		at := fmt.Sprintf("profile %d %q: ", n+1, i.Name)
		switch {
		case i.Own && !i.bare():
			add("card.issuers", "%sown: true stands with name, policies and algorithms only: all else follows from the bank's authority", at)
		case i.Own && own:
			add("card.issuers", "%sown: true stands there twice: the bank has one authority", at)
		case i.Name == "" || len(i.Name) > 64:
			add("card.issuers", "%sname needs 1 to 64 bytes", at)
		case slices.Contains(names, i.Name):
			add("card.issuers", "%sname stands there twice", at)
		case i.Own:
		case len(i.Roots) == 0:
			add("card.issuers", "%sroots is needed: the files with the certificates everything must lead to", at)
		case i.Subject == "":
			add("card.issuers", "%ssubject is needed: serialNumber, UID or a dotted OID", at)
		case !slices.Contains([]string{"", enrollment.SubjectKYCRef, enrollment.SubjectToken}, i.SubjectIs):
			add("card.issuers", "%ssubject_is needs to be kyc_ref or token; leave it out where only the issuer knows the key", at)
		case !i.LogIn && !i.Signing:
			add("card.issuers", "%sneeds log_in or signing", at)
		}
		if err := i.rules().Validate(); err != nil && !i.Own {
			add("card.issuers", "%s%s", at, strings.ReplaceAll(err.Error(), "\n", "; "))
		}
		names, own = append(names, i.Name), own || i.Own
	}
	return append(found, c.checkCardListener()...)
}

func (c *Config) checkCardListener() (found []fault) {
	k := &c.Card
	add := func(key, text string) { found = append(found, fault{key: key, text: text}) }
	if k.TLSListen == "" {
		if k.ProxySPKI != "" || k.ProxyHeader != "" || k.TLSCert != "" || k.TLSKey != "" {
			add("card.tls_listen", "is needed with the settings of its listener")
		}
		return found
	}
	host, _, err := net.SplitHostPort(k.TLSListen)
	switch {
	case err != nil:
		add("card.tls_listen", "needs to be an address and a port, such as 127.0.0.1:8444")
	case c.Development && !loopback(host):
		add("card.tls_listen", "is refused in development because others can reach it; listen on 127.0.0.1")
	}
	if (k.TLSCert == "") != (k.TLSKey == "") {
		add("card.tls_cert", "goes together with card.tls_key")
	}
	if c.PlainHTTP && k.TLSCert == "" {
		add("card.tls_cert", "is needed: this listener always speaks TLS")
	}
	if _, err := k.proxy(); err != nil {
		add("card.proxy_spki", err.Error())
	}
	if k.ProxyHeader != "" && k.ProxySPKI == "" {
		add("card.proxy_spki", "is needed with card.proxy_header: nobody else is believed")
	}
	return found
}

// proxy is the pin of the proxy, nil for none.
func (k *cardConfig) proxy() ([]byte, error) {
	if k.ProxySPKI == "" {
		return nil, nil
	}
	pin, err := hex.DecodeString(k.ProxySPKI)
	if err != nil || len(pin) != sha256.Size {
		return nil, errors.New("needs to be 64 hexadecimal digits: openssl x509 -in proxy.pem -pubkey -noout | openssl pkey -pubin -outform der | sha256sum")
	}
	return pin, nil
}

// bare: nothing is said of an own profile that follows from the bank's authority.
func (i *issuerConfig) bare() bool {
	bare := issuerConfig{Name: i.Name, Own: true, Policies: i.Policies, Algorithms: i.Algorithms}
	return reflect.DeepEqual(*i, bare)
}

// cards reads the certificates of the section and makes the verifier; nil when no
// cards are taken. own is the bank's own authority, for a profile that is it.
func (c *Config) cards(status *revocation.Checker, own card.Own) (*card.Verifier, error) {
	if len(c.Card.Issuers) == 0 {
		return nil, nil
	}
	s := card.Settings{Origins: c.Card.Origins, Status: status}
	for _, i := range c.Card.Issuers {
		issuer := card.Issuer{
			Name: i.Name, Policies: i.Policies, Disallowed: i.Disallowed, Subject: i.Subject, Algorithms: i.Algorithms,
			LogIn: i.LogIn, Signing: i.Signing, DualUse: i.DualUse, Revocation: i.rules(),
		}
		if i.Own {
			issuer.Own, issuer.Subject, issuer.LogIn = own, "serialNumber", true
		}
		for _, path := range i.Roots {
			found, err := readCertificates(path)
			if err != nil {
				return nil, fmt.Errorf("card.issuers: %s: roots: %w", i.Name, err)
			}
			issuer.Roots = append(issuer.Roots, found...)
		}
		for _, path := range i.Intermediates {
			found, err := readCertificates(path)
			if err != nil {
				return nil, fmt.Errorf("card.issuers: %s: intermediates: %w", i.Name, err)
			}
			issuer.Intermediates = append(issuer.Intermediates, found...)
		}
		s.Issuers = append(s.Issuers, issuer)
	}
	v, err := card.New(s)
	if err != nil {
		return nil, fmt.Errorf("card: %w", err)
	}
	return v, nil
}

// subjects says of each profile whose key its certificates name.
func (k *cardConfig) subjects() map[string]string {
	is := map[string]string{}
	for _, i := range k.Issuers {
		is[i.Name] = i.SubjectIs
		if i.Own {
			is[i.Name] = enrollment.SubjectToken // as package ca writes it
		}
	}
	return is
}
