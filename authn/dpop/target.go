package dpop

import (
	"net/url"
	"strings"
)

// target returns a URL in the form in which two of the same resource are equal (RFC 3986
// sections 6.2.2.1, 6.2.2.2 and 6.2.3), without query and fragment. With bare, which is
// how a proof has it (RFC 9449 section 4.2), one that has either is none.
func target(text string, bare bool) (string, bool) {
	if bare && strings.ContainsAny(text, "?#") {
		return "", false
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.User != nil || u.Hostname() == "" {
		return "", false
	}
	scheme, port := strings.ToLower(u.Scheme), u.Port()
	switch scheme {
	case "https":
		if port == "443" {
			port = ""
		}
	case "http":
		if port == "80" {
			port = ""
		}
	default:
		return "", false
	}
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" {
		host += ":" + port
	}
	path, ok := normal(u.EscapedPath())
	if path == "" {
		path = "/"
	}
	return scheme + "://" + host + path, ok
}

// normal writes what needs no percent-encoding without, and the rest in upper case. Dots
// stay as they are: a path with them is compared, never walked.
func normal(path string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '%' {
			b.WriteByte(path[i])
			continue
		}
		if i+2 >= len(path) {
			return "", false
		}
		high, low := digit(path[i+1]), digit(path[i+2])
		if high < 0 || low < 0 {
			return "", false
		}
		if c := byte(high<<4 | low); unreserved(c) {
			b.WriteByte(c)
		} else {
			b.WriteString(strings.ToUpper(path[i : i+3]))
		}
		i += 2
	}
	return b.String(), true
}

// digit is the value of a hexadecimal digit, below 0 for what is none.
func digit(c byte) int {
	if c >= 'A' && c <= 'F' {
		c += 'a' - 'A'
	}
	return strings.IndexByte("0123456789abcdef", c)
}

// unreserved is a character that means itself (RFC 3986 section 2.3).
func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
