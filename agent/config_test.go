package agent_test

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"mohur/agent"
)

const config = `bank: A Bank
origins:
  - https://login.bank.example
  - http://localhost:8080
issuers: [https://mohur.bank.example]
language: az
modules:
  - /usr/lib/libx.so
profiles: own.json
port: 4000
`

func TestConfig(t *testing.T) {
	c, err := agent.ParseConfig("/etc/mohur-card/config.yaml", []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	if c.Bank != "A Bank" || !slices.Equal(c.Origins, []string{"https://login.bank.example", "http://localhost:8080"}) || c.Issuers[0] != "https://mohur.bank.example" ||
		c.Language != "az" || c.Modules[0] != "/usr/lib/libx.so" || c.Profiles != "/etc/mohur-card/own.json" || c.Port != 4000 {
		t.Errorf("%+v", c)
	}
	c, err = agent.ParseConfig("x", []byte("bank: A\norigins: [https://a.example]\n"))
	if err != nil || !slices.Equal(c.Issuers, c.Origins) || c.Port != agent.DefaultPort {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestConfigFaultsAreToldWithTheirLines(t *testing.T) {
	for text, want := range map[string][]string{
		"":                     {"one document"},
		"- a\n":                {"settings"},
		"bank: A\norigin: x\n": {"x:2: there is no setting origin; there are bank, ca_file", "origins needs the bank's pages"},
		"bank: A\nbank: B\norigins: [https://a.example]\n":                              {"x:2: bank stands there twice, first on line 1"},
		"bank: 7\norigins: https://a.example\nport: x\n":                                {"x:1: bank needs to be one line of text", "x:2: origins needs to be a list", "x:3: port needs to be a whole number"},
		"bank: A\norigins:\n  - https://a.example/\n  - HTTPS://a.example\n":            {`x:2: origins "https://a.example/" is no origin`, `write "https://a.example"`},
		"bank: A\norigins: [http://bank.example, https://a.example:443, ftp://a, \"\"]": {"one line of text"},
		"bank: A\norigins: [http://bank.example]\n":                                     {"http is for this machine only"},
		"bank: A\norigins: [https://a.example:443]\n":                                   {`write "https://a.example"`},
		"bank: A\norigins: [https://user@a.example]\n":                                  {"is no origin"},
		"bank: A\norigins: [https://a.example]\nmodules: [x.so]\n":                      {"x:3: modules \"x.so\" needs its directory"},
		"bank: A\norigins: [https://a.example]\nlanguage: de\nport: 80\nissuers: [x]\n": {"x:3: language", "x:4: port needs to be from 1024", "x:5: issuers"},
		"bank: A\norigins: [https://a.example]\nmodules: ['\\\\thief\\x.dll']\n":        {"x:3: modules", "is not on this machine"},
		"bank: A\norigins: [https://a.example]\nmodules: [//thief/x.dll]\n":             {"is not on this machine"},
		"bank: A\norigins: [https://a.example]\nmodules: ['\\\\?\\C:\\x.dll']\n":        {"is not on this machine"},
		"bank: A\norigins: [https://a.example]\nprofiles: '\\\\thief\\p.json'\n":        {"x:3: profiles", "is not on this machine"},
		"bank: A\norigins: [https://a.example]\nca_file: '\\/thief/ca.pem'\n":           {"x:3: ca_file", "is not on this machine"},
		"bank: *x\norigins: [https://a.example]\n":                                      {"x"},
		"bank: [\n": {"is not YAML"},
	} {
		_, err := agent.ParseConfig("x", []byte(text))
		for _, part := range want {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%q: %v lacks %q", text, err, part)
			}
		}
	}
}

func TestConfigIsFoundAndNotAnybodys(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(home, ".config"))
	places := agent.Places()
	if runtime.GOOS == "linux" && (len(places) != 2 || places[0] != "/etc/mohur-card/config.yaml") {
		t.Errorf("the places are %q", places)
	}
	if _, err := os.Stat(places[0]); err == nil {
		t.Fatalf("this machine has a configuration of the system, which outranks what is tried here: move %s away for the test", places[0])
	}
	if _, err := agent.LoadConfig(""); err == nil || !strings.Contains(err.Error(), places[1]) {
		t.Errorf("without a configuration: %v", err)
	}
	if err := os.MkdirAll(filepath.Dir(places[1]), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(places[1], []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := agent.LoadConfig(""); err != nil || c.File != places[1] {
		t.Errorf("the user's: %+v, %v", c, err)
	}
	if err := os.Chmod(places[1], 0o602); err != nil {
		t.Fatal(err)
	}
	if _, err := agent.LoadConfig(""); err == nil || !strings.Contains(err.Error(), "anybody") {
		t.Errorf("one that anybody can write: %v", err)
	}
	if _, err := agent.LoadConfig(filepath.Join(home, "none")); err == nil {
		t.Error("a named file that is not there is no error")
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(config))
	f.Add([]byte("bank: A\norigins: [https://a.example]\nport: 99999999999999999999\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := agent.ParseConfig("x", text)
		if err != nil {
			return
		}
		if c.Bank == "" || len(c.Origins) == 0 || len(c.Issuers) == 0 || c.Port < 1024 {
			t.Fatalf("%q: %+v", text, c)
		}
		for _, o := range c.Origins {
			if !strings.HasPrefix(o, "https://") && !strings.HasPrefix(o, "http://") || strings.HasSuffix(o, "/") {
				t.Fatalf("%q: %q", text, o)
			}
		}
	})
}
