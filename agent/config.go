package agent

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"mohur/agent/device"
)

// Config is what the bank says of itself, in one small YAML file.
type Config struct {
	File     string   // it was read from; ""
	Bank     string   // its name, shown in every dialog
	Origins  []string // its pages: scheme, host and port, as a browser writes them
	Issuers  []string // its servers, by iss in a challenge text; none: the origins
	Language string   // az, en or ru, where the page names none; "": the system's
	Modules  []string // PKCS#11 modules to try before those of the profiles, absolute paths
	Profiles string   // a file with device profiles of the bank's own; ""
	CAFile   string   // PEM certificates to trust for the origins instead of the system's; ""
	Port     int      // of the loopback fallback

	Host       string   // native messaging host of the bank's own extension; "": az.mohur.card
	Extensions []string // that may use it, by id; none: the one that comes with the agent
}

// DefaultPort is where the loopback fallback listens unless the bank says otherwise.
const DefaultPort = 35853

const (
	configDir  = "mohur-card"
	configName = "config.yaml"
)

// ErrNoConfig: none was named, and none of Places is there.
var ErrNoConfig = errors.New("there is no configuration")

// LoadConfig reads the named file, or the first of Places that there is.
func LoadConfig(named string) (*Config, error) {
	places := []string{named}
	if named == "" {
		places = Places()
	}
	for _, path := range places {
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) && named == "" {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("the configuration cannot be read: %w", err)
		}
		if info, err := os.Stat(path); err == nil && runtime.GOOS != "windows" && info.Mode()&0o002 != 0 {
			return nil, fmt.Errorf("%s can be written by anybody: chmod o-w it", path)
		}
		return ParseConfig(path, text)
	}
	return nil, fmt.Errorf("%w; the bank's goes to %s", ErrNoConfig, strings.Join(places, " or "))
}

// ParseConfig reads a configuration. Every fault is in the error, with its line.
func ParseConfig(path string, text []byte) (*Config, error) {
	c := &Config{File: path, Port: DefaultPort}
	r := reader{lines: map[string]int{}, settings: map[string]func(value) string{
		"bank":     func(v value) string { return v.text(&c.Bank) },
		"origins":  func(v value) string { return v.list(&c.Origins) },
		"issuers":  func(v value) string { return v.list(&c.Issuers) },
		"language": func(v value) string { return v.text(&c.Language) },
		"modules":  func(v value) string { return v.list(&c.Modules) },
		"profiles": func(v value) string { return v.text(&c.Profiles) },
		"ca_file":  func(v value) string { return v.text(&c.CAFile) },
		"port":     func(v value) string { return v.number(&c.Port) },

		"host":       func(v value) string { return v.text(&c.Host) },
		"extensions": func(v value) string { return v.list(&c.Extensions) },
	}}
	r.read(text)
	c.check(r.fault)
	if err := r.err(path); err != nil {
		return nil, err
	}
	if len(c.Issuers) == 0 {
		c.Issuers = c.Origins
	}
	for _, p := range []*string{&c.Profiles, &c.CAFile} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(filepath.Dir(path), *p)
		}
	}
	return c, nil
}

func (c *Config) check(fault func(key, format string, args ...any)) {
	if c.Bank == "" || len([]rune(c.Bank)) > 64 {
		fault("bank", "needs the bank's name, 64 characters at most")
	}
	if len(c.Origins) == 0 {
		fault("origins", "needs the bank's pages, such as https://login.bank.example")
	}
	for _, o := range c.Origins {
		if err := checkOrigin(o); err != nil {
			fault("origins", "%v", err)
		}
	}
	for _, i := range c.Issuers {
		if u, err := url.Parse(i); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			fault("issuers", "%q is no address of a server; write its url as its own configuration has it", i)
		}
	}
	if !slices.Contains([]string{"", "az", "en", "ru"}, c.Language) {
		fault("language", "needs to be az, en or ru")
	}
	if device.Remote(c.Profiles) {
		fault("profiles", "%q is not on this machine", c.Profiles)
	}
	if device.Remote(c.CAFile) {
		fault("ca_file", "%q is not on this machine", c.CAFile)
	}
	for _, m := range c.Modules {
		switch {
		case device.Remote(m):
			fault("modules", "%q is not on this machine: whoever has that one would be told PINs", m)
		case !filepath.IsAbs(m):
			fault("modules", "%q needs its directory: a module is never looked for where a stranger could put one", m)
		}
	}
	if c.Port < 1024 || c.Port > 65535 {
		fault("port", "needs to be from 1024 to 65535")
	}
}

// checkOrigin: as a browser writes it (RFC 6454 section 6.2), https, or http on
// this very machine.
func checkOrigin(o string) error {
	u, err := url.Parse(o)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return fmt.Errorf("%q is no origin; write scheme and host, as https://login.bank.example", o)
	}
	want := u.Scheme + "://" + strings.ToLower(u.Host)
	if port := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]; strings.HasSuffix(want, port) {
		want = strings.TrimSuffix(want, port)
	}
	switch {
	case o != want || strings.ContainsFunc(o, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fmt.Errorf("%q is no origin; write %q: scheme, host and port only, in lower case, other letters in punycode", o, want)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return fmt.Errorf("%q: http is for this machine only; write https", o)
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
