package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"mohur/approval"
	"mohur/authn"
	"mohur/authn/lock"
	"mohur/authn/pin"
	"mohur/authn/revocation"
	"mohur/ca"
	"mohur/parties"
	"mohur/rulebook"
)

// Config is the whole configuration, one field for each setting in the table of
// settings.go. Secrets are never in it: it names files that hold them.
type Config struct {
	File string // the file it was read from, absolute
	Dir  string // its directory; paths in the file start there

	URL         string
	Listen      string
	PlainHTTP   bool
	Development bool
	Socket      string
	Zone        string
	Policy      string // a policy of the bank's own; "": the one the server ships with
	References  bool   // customers need references to contract and identification

	TLS struct{ Cert, Key string }
	HSM struct {
		Module, TokenLabel, PINFile, SoftHSMConf string
		Profile, Init                            string
		Sessions, WrapMechanism                  int   // 0: as the profile says
		ValueLen                                 *bool // nil: as the profile says
		Strict                                   bool
		CallTimeout                              time.Duration
	}
	Store struct {
		Path, Spool, StopList string
		Sweep                 time.Duration
	}
	Tokens struct{ Profiles string }
	Audit  struct {
		Origin, Node string
		Every        int
		Interval     time.Duration
	}
	Session struct {
		Idle, Absolute, Token, Window, Reauth time.Duration
		Max                                   int  // live ones of a person
		Nonce                                 bool // of proofs of possession
	}
	Rates   struct{ MaxAge time.Duration }
	Held    struct{ Review, Expire time.Duration }
	Payment struct {
		DecisionBudget, KeepDecisions time.Duration
		PayeeCooling                  time.Duration
	}
	Auth struct {
		Attempt, FloorPIN, FloorRefusal, FloorBegin time.Duration
		Failures, MaxOpen, PINSlots                 int
		Locks                                       []time.Duration
	}
	PIN struct {
		MinDigits, MaxDigits, History int
		MinAge, MaxAge                time.Duration
	}
	Approval   struct{ Life time.Duration }
	Notices    struct{ Suspension, Resumption time.Duration }
	Enrollment struct {
		BankName string
		Apps     *bool // nil: in development
	}
	FIDO   fidoConfig
	Card   cardConfig
	CA     caConfig
	Limits struct {
		CallerRate, CallerBurst, CustomerRate, CustomerBurst, SourceRate, SourceBurst int
		NamelessRate, NamelessBurst, NamelessClientRate, NamelessClientBurst          int
		CustomerFailures, SourceFailures, Connections                                 int
		SlowWindow, SlowMost, Cooling                                                 time.Duration
	}
}

// The places where a configuration is looked for when none is named.
const (
	configVariable = "MOHUR_CONFIG"
	configName     = "mohur.yaml"
	devConfig      = "var/dev/mohur.yaml" // what `make run` makes
)

// findConfig returns the path of the configuration: the one named, the one the
// environment names, the one here, the one of `make run`.
func findConfig(named string) (string, error) {
	if named == "" {
		named = os.Getenv(configVariable)
	}
	if named != "" {
		return filepath.Abs(named)
	}
	for _, path := range []string{configName, devConfig} {
		if _, err := os.Stat(path); err == nil {
			return filepath.Abs(path)
		}
	}
	return "", fmt.Errorf("there is no configuration: name one with --config FILE or $%s, or make one with `mohur init --dir DIR --development`", configVariable)
}

// defaults returns a configuration in which everything that has a default has
// it. What is left out of a file stays as it is here.
func defaults() *Config {
	c := &Config{Listen: "127.0.0.1:8443", Socket: "mohur.sock", Zone: "Asia/Baku", References: true}
	c.TLS.Cert, c.TLS.Key = "tls/cert.pem", "tls/key.pem"
	c.HSM.CallTimeout = time.Second
	c.Store.Path, c.Store.Spool, c.Store.StopList = "mohur.db", "spool", "mohur.stop"
	c.Store.Sweep = 24 * time.Hour
	c.Audit.Node, c.Audit.Every, c.Audit.Interval = "main", 1000, time.Second
	c.Session.Idle, c.Session.Absolute, c.Session.Token, c.Session.Reauth = 5*time.Minute, 12*time.Hour, 5*time.Minute, time.Hour
	c.Rates.MaxAge = rulebook.DefaultMaxAge
	c.Payment.DecisionBudget, c.Payment.KeepDecisions = 250*time.Millisecond, 400*24*time.Hour
	c.Payment.PayeeCooling = 24 * time.Hour
	c.Session.Max, c.Session.Nonce, c.Session.Window = 5, true, time.Minute
	c.Auth.Attempt, c.Auth.FloorPIN, c.Auth.FloorRefusal, c.Auth.FloorBegin = 5*time.Minute, 150*time.Millisecond, 25*time.Millisecond, 10*time.Millisecond
	c.Auth.Failures, c.Auth.MaxOpen, c.Auth.PINSlots = 5, 20, 2
	c.Auth.Locks = lock.Defaults().Ladder
	c.Approval.Life = approval.DefaultLife
	c.Notices.Suspension, c.Notices.Resumption = parties.DefaultDue, parties.DefaultDue
	c.PIN.MinDigits, c.PIN.MaxDigits, c.PIN.History = pin.MinDigits, pin.MaxDigits, pin.DefaultHistory
	c.FIDO.MDSRefresh = 24 * time.Hour
	c.Card.StatusTimeout = revocation.DefaultTimeout
	c.CA.Life, c.CA.CRLLife = ca.DefaultLife, ca.DefaultCRLLife
	c.Limits.CallerRate, c.Limits.CallerBurst, c.Limits.Connections = 500, 1000, 4096
	pace := authn.DefaultPace()
	c.Limits.CustomerRate, c.Limits.CustomerBurst = pace.Customer.PerSecond, pace.Customer.Burst
	c.Limits.SourceRate, c.Limits.SourceBurst = pace.Source.PerSecond, pace.Source.Burst
	c.Limits.NamelessRate, c.Limits.NamelessBurst = pace.NamelessSource.PerSecond, pace.NamelessSource.Burst
	c.Limits.NamelessClientRate, c.Limits.NamelessClientBurst = pace.NamelessClient.PerSecond, pace.NamelessClient.Burst
	c.Limits.CustomerFailures, c.Limits.SourceFailures = pace.CustomerSlow.From, pace.SourceSlow.From
	c.Limits.SlowWindow, c.Limits.SlowMost = pace.CustomerSlow.Window, pace.CustomerSlow.Most
	c.Limits.Cooling, c.Held.Review, c.Held.Expire = 24*time.Hour, 30*time.Minute, 24*time.Hour
	return c
}

// loadConfig reads and checks a configuration. Every fault of the file is in
// the error, each with its line.
func loadConfig(named string) (*Config, error) {
	path, err := findConfig(named)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the configuration cannot be read: %w", err)
	}
	return parseConfig(path, text)
}

func parseConfig(path string, text []byte) (*Config, error) {
	c := defaults()
	c.File, c.Dir = path, filepath.Dir(path)
	faults := readSettings(text, c.settings())
	faults.add(c.check())
	if err := faults.err(path); err != nil {
		return nil, err
	}
	c.resolve()
	return c, nil
}

// resolve makes every path absolute. Those in the file start at its directory,
// wherever the server is started.
func (c *Config) resolve() {
	for _, s := range append(c.settings(), issuersValue{&c.Card.Issuers}.settings()...) {
		if p, ok := s.value.(pathValue); ok && *p.to != "" && !filepath.IsAbs(*p.to) {
			*p.to = filepath.Join(c.Dir, *p.to)
		}
		if l, ok := s.value.(listValue); ok && l.paths {
			for i, path := range *l.to {
				if !filepath.IsAbs(path) {
					(*l.to)[i] = filepath.Join(c.Dir, path)
				}
			}
		}
	}
}
