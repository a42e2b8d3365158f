package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mohur/tokens"
)

const bankDevice = `{"about": "ours", "profiles": [{"name": "bank-keypad", "title": "Our keypad", "kinds": ["ocra"], "hashes": ["SHA256"], "digits": [8],
 "suites": ["OCRA-1:HOTP-SHA256-8:C-QN20"], "pin_on_device": true, "software": false, "binds": true, "shown": "device", "windows": {"look_ahead": 5}}]}`

// A bank's own device profiles come from a file beside the configuration; one
// with a fault keeps the server from starting, and the doctor tells it.
func TestTokensProfiles(t *testing.T) {
	dir := t.TempDir()
	t.Cleanup(func() {
		if err := tokens.UseProfiles(nil); err != nil {
			t.Error(err)
		}
	})
	config := func(name string) *Config {
		t.Helper()
		c, err := parseConfig(filepath.Join(dir, "mohur.yaml"), []byte(least+"tokens:\n  profiles: "+name+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	verdict := func(c *Config) string {
		x := &examination{config: c}
		x.devices()
		if len(x.found) != 1 || x.found[0].What != "tokens.profiles" {
			t.Fatalf("%+v", x.found)
		}
		return x.found[0].Verdict
	}
	for name, v := range map[string]struct{ text, fault string }{
		"good.json":  {bankDevice, ""},
		"ours.json":  {strings.Replace(bankDevice, "bank-keypad", "oath", 1), "profile oath: name is taken"},
		"wide.json":  {strings.Replace(bankDevice, `"look_ahead": 5`, `"look_ahead": 100`, 1), `profile 1 "bank-keypad": windows.look_ahead needs to be from 0 to 20`},
		"other.json": {"profiles:\n  - name: x\n", "is not JSON"},
		"none.json":  {"", "no such file"},
	} {
		if v.text != "" {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(v.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c := config(name)
		err := c.useProfiles()
		if v.fault == "" {
			p, known := tokens.ProfileOf("bank-keypad")
			if err != nil || !known || p.LookAhead != 5 || !p.PINOnDevice || verdict(c) != fine {
				t.Errorf("%s: %v, %+v", name, err, p)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), v.fault) || !strings.HasPrefix(err.Error(), "tokens.profiles: ") || verdict(c) != failing {
			t.Errorf("%s: %v", name, err)
		}
	}
	if p, known := tokens.ProfileOf("oath"); !known || p.PINOnDevice {
		t.Errorf("oath is %+v", p)
	}
	x := &examination{config: mustParse(t, least)}
	if x.devices(); len(x.found) != 0 {
		t.Errorf("nothing is named, and the doctor says %+v", x.found)
	}
}
