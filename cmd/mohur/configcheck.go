package main

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// check returns what is wrong with values that can be read. It looks at nothing
// but the configuration: whether files are there is for `mohur doctor`.
func (c *Config) check() (found []fault) {
	add := func(key, format string, args ...any) {
		found = append(found, fault{key: key, text: fmt.Sprintf(format, args...)})
	}
	if why := checkURL(c.URL, c.PlainHTTP); why != "" {
		add("url", "%s", why)
	}
	host, _, err := net.SplitHostPort(c.Listen)
	switch {
	case err != nil:
		add("listen", "needs to be an address and a port, such as 127.0.0.1:8443")
	case c.Development && !loopback(host):
		add("development", "is refused because listen is %s, which others can reach; listen on 127.0.0.1, or set it to false", c.Listen)
	}
	if err == nil && c.PlainHTTP && !loopback(host) {
		add("plain_http", "is refused because listen is %s, which others can reach: what passes there has to be encrypted (clause 5.28)", c.Listen)
	}
	for _, need := range []struct{ key, value, example string }{
		{"hsm.module", c.HSM.Module, "/usr/lib/softhsm/libsofthsm2.so"},
		{"hsm.token_label", c.HSM.TokenLabel, "mohur"},
		{"hsm.pin_file", c.HSM.PINFile, "hsm.pin"},
		{"audit.origin", c.Audit.Origin, "bank.example/mohur"},
	} {
		if need.value == "" {
			add(need.key, "is needed, for example %s", need.example)
		}
	}
	if profile, err := c.hsmProfile(); err != nil {
		add("hsm.profile", "%s", profileFault(c.HSM.Profile))
	} else if profile.NeedsInit && c.HSM.Init == "" {
		add("hsm.init", "is needed by a module of the profile %s", profile.Name)
	}
	if c.HSM.SoftHSMConf != "" && !c.Development {
		add("hsm.softhsm_conf", "is for development only: a software token does not guard the keys of a bank")
	}
	if _, err := time.LoadLocation(c.Zone); err != nil {
		add("zone", "needs to be a time zone such as Asia/Baku")
	}
	if c.Session.Idle > c.Session.Absolute {
		add("session.idle", "is longer than session.absolute")
	}
	if c.PIN.MinDigits > c.PIN.MaxDigits {
		add("pin.min_digits", "is more than pin.max_digits")
	}
	if c.PIN.MaxAge != 0 && c.PIN.MaxAge < max(24*time.Hour, 2*c.PIN.MinAge) {
		add("pin.max_age", "needs to be a day at least, and twice pin.min_age")
	}
	if name := c.Enrollment.BankName; strings.Contains(name, ":") || len(name) > 64 {
		add("enrollment.bank_name", "needs to be without a colon and at most 64 bytes: apps end the name at it")
	}
	found = append(found, c.checkFIDO()...)
	found = append(found, c.checkCards()...)
	found = append(found, c.checkCA()...)
	if c.Audit.Origin != "" && strings.ContainsAny(c.Audit.Origin, "+ \t") {
		add("audit.origin", "needs to be without spaces and +")
	}
	return found
}

// checkURL says what is wrong with an issuer: it is compared by its characters,
// so it has one form.
func checkURL(text string, plain bool) string {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return "is needed, for example https://auth.bank.example"
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "needs to be an address such as https://auth.bank.example"
	case strings.HasSuffix(text, "/"):
		return "needs to end without a slash"
	case u.Scheme == "http" && !(plain && loopback(u.Hostname())):
		return "needs to begin with https://"
	case u.Scheme != "https" && u.Scheme != "http":
		return "needs to begin with https://"
	}
	return ""
}

// loopback says whether only this machine can reach the host. A name other than
// localhost is not looked up: what it means could change.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// origin proposes the name of a log for a server known by url.
func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host + "/mohur"
}
