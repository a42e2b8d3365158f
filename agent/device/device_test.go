package device_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"mohur/agent/device"
)

func catalog(t testing.TB, file string) *device.Catalog {
	t.Helper()
	c, err := device.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCardsAreKnownByTheirATR(t *testing.T) {
	c := catalog(t, "")
	for atr, want := range map[string]string{
		"3BBE9600004105200000000000000000009000":         "ACS ACOS5-64 v2.00 (card, CryptoMate64)",
		"3BBE1100004105200011223344556677889000":         "ACS ACOS5-64 v2.00 (card, CryptoMate64)", // by its mask
		"3BBE9600004105300000000000000000009000":         "ACS ACOS5-64 v3.00 (card, CryptoMate Nano)",
		"3B9F958131FE9F006646530512345671DF0102030405AA": "Feitian ePass2003",
		"3B8B015275746F6B656E6C697465C2":                 "Aktiv Rutoken Lite",
	} {
		b, _ := hex.DecodeString(atr)
		if p, known := c.ByATR(b); !known || p.Name != want {
			t.Errorf("%s: %q, %v; want %q", atr, p.Name, known, want)
		}
	}
	for _, atr := range []string{"", "3B00", "3BBE9600004105200000000000000000009001"} {
		b, _ := hex.DecodeString(atr)
		if p, known := c.ByATR(b); known || p.Name != "PIV card" {
			t.Errorf("%q is taken for %q, %v", atr, p.Name, known)
		}
	}
}

func TestReadersAreKnownByNameAndUSB(t *testing.T) {
	c := catalog(t, "")
	if p, ok := c.ByReader("ACS ACR38U-CCID 00 00"); !ok || p.Name != "ACS ACR38U-CCID" {
		t.Errorf("by name: %q, %v", p.Name, ok)
	}
	if p, ok := c.ByUSB("072f:9000"); !ok || p.Driver != "libacsccid1" {
		t.Errorf("by USB: %+v, %v", p, ok)
	}
	if _, ok := c.ByReader("Some other reader"); ok {
		t.Error("an unknown reader has a profile")
	}
}

func TestABanksOwnProfilesComeFirst(t *testing.T) {
	file := filepath.Join(t.TempDir(), "own.json")
	text := `{"profiles":[{"name":"ours","kind":"card","atr":["3BBE9600004105200000000000000000009000"],"algorithms":["PS256","RS256"]}]}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	atr, _ := hex.DecodeString("3BBE9600004105200000000000000000009000")
	if p, _ := catalog(t, file).ByATR(atr); p.Name != "ours" {
		t.Errorf("the card is a %q", p.Name)
	}
	for text, want := range map[string]string{
		`{"profiles":[{"name":"x","kind":"card","color":1}]}`:                               "color",
		`{"profiles":[{"kind":"card"}]}`:                                                    "no name",
		`{"profiles":[{"name":"x","kind":"thing"}]}`:                                        "kind",
		`{"profiles":[{"name":"x","kind":"card","atr":["3B0"]}]}`:                           "hexadecimal",
		`{"profiles":[{"name":"x","kind":"card","atr":["3B00/FF"]}]}`:                       "mask",
		`{"profiles":[{"name":"x","kind":"card","algorithms":["RS1"]}]}`:                    "RS1",
		`{"profiles":[{"name":"x","kind":"reader","usb":["72f:9000"]}]}`:                    "usb",
		`{"profiles":[{"name":"x","kind":"card","modules":{"windows":["//thief/x.dll"]}}]}`: "not on this machine",
		`{"profiles":`: "EOF",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := device.Load(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want one with %q", text, err, want)
		}
	}
}

// A module is never taken from where a stranger can put one.
func TestModulesComeFromTheSystemOnly(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("PATH", dir)
	t.Setenv("LD_LIBRARY_PATH", dir)
	if err := os.WriteFile("planted.so", []byte("x"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"planted.so", "./planted.so", `.\planted.so`, "", "..", "/"} {
		if got := device.Find(name); got != "" {
			t.Errorf("%q is found as %q", name, got)
		}
	}
	if got := device.Find(filepath.Join(dir, "planted.so")); got == "" {
		t.Error("a module named with its directory is not found")
	}
	if runtime.GOOS == "linux" && device.Find("libc.so.6") == "" && device.Find("libm.so.6") == "" {
		t.Error("a library of the system is not found")
	}
}
