package revocation

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
)

// parseAddress reads an http or https address that has one meaning: a host,
// nobody's name before it, no dot segments, nothing after a '#'.
func parseAddress(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || len(address) > 2048:
		return nil, fmt.Errorf("%.200q is not an address", address)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("%.200q is not an http or https address", address)
	case u.Hostname() == "" || u.User != nil || u.Opaque != "" || u.Fragment != "" || u.RawFragment != "":
		return nil, fmt.Errorf("%.200q has no host, or a user or a fragment", address)
	case u.Path != "" && u.Path != path.Clean(u.Path) && u.Path != path.Clean(u.Path)+"/",
		strings.Contains(u.Path, "//"), strings.Contains(u.Path, "\\"), strings.Contains(strings.ToLower(u.RawPath), "%2f"):
		return nil, fmt.Errorf("the path of %.200q is not plain", address)
	}
	return u, nil
}

// within reports whether the address lies in what an allowed one begins.
func within(u *url.URL, allowed string) bool {
	a, err := parseAddress(allowed)
	if err != nil || u.Scheme != a.Scheme || !strings.EqualFold(u.Host, a.Host) {
		return false
	}
	if a.RawQuery != "" {
		return u.EscapedPath() == a.EscapedPath() && u.RawQuery == a.RawQuery
	}
	below := strings.TrimSuffix(a.EscapedPath(), "/")
	rest, ok := strings.CutPrefix(u.EscapedPath(), below)
	return ok && (rest == "" || rest[0] == '/')
}

// mostAddresses is how many of a kind one check tries.
const mostAddresses = 4

// addresses returns whom to ask: those of the certificate that are allowed, or
// else the allowed ones themselves.
func addresses(named, allowed []string) []string {
	var list []string
	for _, n := range named {
		u, err := parseAddress(n)
		if err == nil && !slices.Contains(list, n) && slices.ContainsFunc(allowed, func(a string) bool { return within(u, a) }) {
			list = append(list, n)
		}
	}
	if len(list) == 0 {
		list = allowed
	}
	return list[:min(len(list), mostAddresses)]
}
