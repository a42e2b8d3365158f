package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// least is the shortest configuration that is in order.
const least = "url: https://auth.bank.example\nhsm: {module: m, token_label: t, pin_file: p}\naudit: {origin: a/b}\n"

func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := parseConfig("/etc/mohur/mohur.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestConfigDefaults: what is left out is safe.
func TestConfigDefaults(t *testing.T) {
	c := mustParse(t, least)
	if c.Development || c.PlainHTTP || !c.References || c.Listen != "127.0.0.1:8443" {
		t.Errorf("not safe: %+v", c)
	}
	if c.Session.Idle != 5*time.Minute || c.Session.Absolute != 12*time.Hour || c.Auth.Failures != 5 {
		t.Errorf("not the limits of clause 5.22: %+v %+v", c.Session, c.Auth)
	}
	if c.Store.Path != "/etc/mohur/mohur.db" || c.HSM.PINFile != "/etc/mohur/p" {
		t.Errorf("paths do not start at the directory of the file: %+v %+v", c.Store, c.HSM)
	}
}

// TestConfigDocument: the file that init writes reads back as what was written,
// whatever the values are, and explains every setting.
func TestConfigDocument(t *testing.T) {
	c := mustParse(t, least)
	c.HSM.TokenLabel, c.HSM.PINFile, c.Zone = `12: "ə"#`, "/a b/c#d", "Europe/London"
	c.PlainHTTP, c.References, c.Audit.Every, c.Session.Idle = true, false, 7, 90*time.Second
	text := string(c.document("x"))
	again := mustParse(t, text)
	again.File, again.Dir = c.File, c.Dir
	if !reflect.DeepEqual(again, c) {
		t.Errorf("read back:\n%+v\nwritten:\n%+v\n%s", *again, *c, text)
	}
	for _, s := range c.settings() {
		if s.doc == "" {
			t.Errorf("%s is not explained", s.key)
		}
		name := s.key[strings.LastIndex(s.key, ".")+1:]
		if !strings.Contains(text, name+":") {
			t.Errorf("%s is not in the file", s.key)
		}
	}
}

// TestConfigSettings: each setting of the table leads to a field of its own.
func TestConfigSettings(t *testing.T) {
	c := &Config{}
	seen := map[any]string{}
	for _, s := range c.settings() {
		var to any
		switch v := s.value.(type) {
		case textValue:
			to = v.to
		case pathValue:
			to = v.to
		case boolValue:
			to = v.to
		case intValue:
			to = v.to
		case durationValue:
			to = v.to
		case orProfile:
			to = v.to
		case choiceValue:
			to = v.to
		case locksValue:
			to = v.to
		case listValue:
			to = v.to
		case issuersValue:
			to = v.to
		default:
			t.Fatalf("%s has a value of a new kind", s.key)
		}
		if other, twice := seen[to]; twice {
			t.Errorf("%s and %s lead to the same field", s.key, other)
		}
		seen[to] = s.key
	}
}

// TestClause5_28_PlainHTTPOnLoopbackOnly: what others can reach is encrypted.
func TestClause5_28_PlainHTTPOnLoopbackOnly(t *testing.T) {
	for listen, allowed := range map[string]bool{
		"127.0.0.1:80": true, "127.8.8.8:80": true, "[::1]:80": true, "localhost:80": true,
		":80": false, "0.0.0.0:80": false, "[::]:80": false, "10.0.0.1:80": false, "bank.example:80": false, "127.0.0.1.nip.io:80": false,
	} {
		for _, setting := range []string{"plain_http", "development"} {
			_, err := parseConfig("mohur.yaml", []byte(least+setting+": true\nlisten: \""+listen+"\"\n"))
			if (err == nil) != allowed {
				t.Errorf("%s on %s: %v", setting, listen, err)
			}
		}
	}
}

// TestFindConfig: the order in which a configuration is looked for.
func TestFindConfig(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv(configVariable, "")
	if path, err := findConfig(""); err == nil {
		t.Errorf("found %s where there is none", path)
	}
	for _, step := range []struct{ make, env, flag, want string }{
		{make: devConfig, want: devConfig},
		{make: configName, want: configName},
		{env: "e.yaml", want: "e.yaml"},
		{env: "e.yaml", flag: "f.yaml", want: "f.yaml"},
	} {
		if step.make != "" {
			if err := os.MkdirAll(filepath.Dir(step.make), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(step.make, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		t.Setenv(configVariable, step.env)
		if path, err := findConfig(step.flag); err != nil || path != filepath.Join(dir, step.want) {
			t.Errorf("found %s, %v; want %s", path, err, step.want)
		}
	}
}

// FuzzConfig: whatever is in the file, it is taken as it was meant or refused
// with a reason, and what is taken is safe.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(least))
	f.Add([]byte("url: &a [*a]\n"))
	f.Add([]byte("hsm: {module: m, hsm: {}}\n? x\n: y\n"))
	f.Add(mustDocument())
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseConfig("mohur.yaml", text)
		switch {
		case err != nil && !strings.Contains(err.Error(), "mohur.yaml"):
			t.Errorf("a fault without its place: %v", err)
		case err != nil:
		case len(c.check()) > 0:
			t.Errorf("taken with faults: %v", c.check())
		case c.Session.Idle > 5*time.Minute || c.Auth.Failures > 5:
			t.Errorf("taken with limits past clause 5.22: %+v", c)
		}
	})
}

func mustDocument() []byte { return defaults().document("mohur.yaml") }
