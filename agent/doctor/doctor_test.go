package doctor_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mohur/agent"
	"mohur/agent/browser"
	"mohur/agent/device"
	"mohur/agent/doctor"
	"mohur/agent/pcsc"
	"mohur/agent/pkcs11"
	"mohur/agent/release"
	"mohur/agent/words"
	"mohur/authn/pkitest"
)

// still is a machine of which only the part in question fails.
type still struct {
	inv   agent.Inventory
	tries int // -1: the card does not tell
}

func (s still) Scan(context.Context) agent.Inventory { return s.inv }

func (s still) Tries(context.Context, agent.Found) (int, bool) { return s.tries, s.tries >= 0 }

func (s still) Sign(context.Context, agent.Found, string, []byte, []byte, bool) ([]byte, error) {
	panic("a doctor signs nothing")
}

// patient is a machine that is well, with a card in its reader.
func patient(t *testing.T) (*doctor.Doctor, *still) {
	t.Helper()
	catalog, err := device.Load("")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "mohur-card")
	put(t, program, "program")
	m := browser.At("linux", filepath.Join(dir, "root"), filepath.Join(dir, "home"))
	hosts, err := browser.Hosts("", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Install(browser.Order{Program: program, Hosts: hosts}); err != nil {
		t.Fatal(err)
	}
	s := &still{tries: -1}
	atr, err := hex.DecodeString("3BBE9600004105200000000000000000009000")
	if err != nil {
		t.Fatal(err)
	}
	acos5, known := catalog.ByATR(atr)
	if !known {
		t.Fatal("ACOS5 is not known")
	}
	token := pkcs11.Token{Reader: "ACS ACR38U-CCID 00 00", Label: "ACOS5", Serial: "1", Manufacturer: "ACS", Model: "ACOS5-64"}
	s.inv = agent.Inventory{
		Readers: []agent.Seen{{Reader: pcsc.Reader{Name: "ACS ACR38U-CCID 00 00", Present: true, ATR: atr}, Profile: acos5, Known: true, Modules: []string{"/usr/lib/libacospkcs11.so"}}},
		Modules: []agent.Loaded{{Path: "/usr/lib/libacospkcs11.so", Tokens: []pkcs11.Token{token}}},
	}
	s.found(t, pkitest.Root(t, "CA").Card(t, "AZE1", pkitest.Kind("RSA-2048")))
	d := &doctor.Doctor{
		Language: words.EN, Version: "1.2.3", Program: program, Release: func() (release.State, error) { return release.Good, nil },
		Config: &agent.Config{File: "/etc/mohur-card/config.yaml", Bank: "A Bank", Origins: []string{"https://bank.example"}},
		Bank:   func(context.Context, string) (time.Time, error) { return time.Now(), nil },
		Cards:  s, Catalog: catalog, Machine: m, Dialogs: func() error { return nil }, Root: dir,
	}
	return d, s
}

// found puts a certificate on the card in place of the others.
func (s *still) found(t *testing.T, pairs ...*pkitest.Pair) {
	t.Helper()
	s.inv.Found = nil
	for _, p := range pairs {
		s.inv.Found = append(s.inv.Found, agent.Found{Profile: s.inv.Readers[0].Profile, Token: s.inv.Modules[0].Tokens[0], Certificate: p.Certificate})
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// usb plugs something in, in the tree of /sys.
func usb(t *testing.T, root, name, id, product string, ccid bool) {
	t.Helper()
	dir := filepath.Join(root, "sys/bus/usb/devices", name)
	vendor, model, _ := strings.Cut(id, ":")
	put(t, filepath.Join(dir, "idVendor"), vendor+"\n")
	put(t, filepath.Join(dir, "idProduct"), model+"\n")
	put(t, filepath.Join(dir, "product"), product+"\n")
	class := "03"
	if ccid {
		class = "0b"
	}
	put(t, filepath.Join(root, "sys/bus/usb/devices", name+":1.0", "bInterfaceClass"), class+"\n")
}

// driver installs a driver of pcsc-lite.
func driver(t *testing.T, root, name string, ids ...string) {
	t.Helper()
	var vendors, products strings.Builder
	for _, id := range ids {
		vendor, product, _ := strings.Cut(id, ":")
		vendors.WriteString("\t\t<string>0x" + strings.ToUpper(vendor) + "</string>\n")
		products.WriteString("\t\t<string>0x" + product + "</string>\n")
	}
	put(t, filepath.Join(root, "usr/lib/pcsc/drivers", name, "Contents/Info.plist"),
		"<plist><dict>\n<key>ifdVendorID</key>\n<array>\n"+vendors.String()+"</array>\n<key>ifdProductID</key>\n<array>\n"+products.String()+"</array></dict></plist>")
}

// expect finds a code at a level, in all languages, with something to do if it is bad.
func expect(t *testing.T, d *doctor.Doctor, level doctor.Level, code string, parts ...string) {
	t.Helper()
	for _, l := range []words.Language{words.AZ, words.EN, words.RU} {
		d.Language = l
		r := d.Examine(t.Context())
		i := slices.IndexFunc(r.Findings, func(f doctor.Finding) bool { return f.Code == code })
		if i < 0 {
			t.Errorf("%s is not found:\n%s", code, r.Text(l))
			return
		}
		f := r.Findings[i]
		if f.Level != level || level != doctor.OK && f.Next == "" || (level == doctor.Fault) && r.Faults == 0 {
			t.Errorf("%s in %s: %+v", code, l, f)
		}
		for _, part := range parts {
			if !strings.Contains(f.Says+" "+f.Next, part) {
				t.Errorf("%s in %s does not say %q: %s → %s", code, l, part, f.Says, f.Next)
			}
		}
		if text := r.Text(l); strings.Contains(text, "%!") || !strings.Contains(text, f.Says) {
			t.Errorf("%s in %s:\n%s", code, l, text)
		}
	}
}

func TestAMachineThatIsWell(t *testing.T) {
	d, _ := patient(t)
	r := d.Examine(t.Context())
	for _, f := range r.Findings {
		if f.Level != doctor.OK {
			t.Errorf("%+v", f)
		}
	}
	if r.Faults != 0 || len(r.Findings) < 10 {
		t.Errorf("%s", r.Text(words.EN))
	}
}

func TestReaders(t *testing.T) {
	const acr38, ccid = "072f:9000", "072f:90cc"
	none := func(t *testing.T) (*doctor.Doctor, *still) {
		t.Helper()
		d, s := patient(t)
		s.inv = agent.Inventory{}
		return d, s
	}
	t.Run("none", func(t *testing.T) {
		d, _ := none(t)
		usb(t, d.Root, "1-1", "046d:c31c", "Keyboard", false)
		expect(t, d, doctor.Fault, "reader-none")
	})
	t.Run("without a driver", func(t *testing.T) {
		d, _ := none(t)
		usb(t, d.Root, "1-1", acr38, "ACR38U", false)
		driver(t, d.Root, "ifd-ccid.bundle", ccid)
		expect(t, d, doctor.Fault, "usb-no-driver", acr38, "libacsccid1", "ACR38U")
		if r := d.Examine(t.Context()); strings.Contains(r.Text(words.RU), "Нет считывателя карт") {
			t.Errorf("and it is said that there is none:\n%s", r.Text(words.RU))
		}
		// Its driver is installed now, and the service does not know yet.
		driver(t, d.Root, "ifd-acsccid.bundle", "072f:8300", acr38)
		expect(t, d, doctor.Fault, "usb-unseen", "ifd-acsccid.bundle", "pcscd")
	})
	t.Run("of nobody we know", func(t *testing.T) {
		d, _ := none(t)
		usb(t, d.Root, "1-2", "abcd:0001", "Some Reader", true)
		expect(t, d, doctor.Fault, "usb-no-driver", "Some Reader", "libccid")
	})
	t.Run("one of two", func(t *testing.T) {
		d, _ := patient(t)
		usb(t, d.Root, "1-1", ccid, "ACR38U-CCID", true)
		usb(t, d.Root, "1-2", acr38, "ACR38U", false)
		driver(t, d.Root, "ifd-ccid.bundle", ccid)
		expect(t, d, doctor.OK, "usb-good", ccid, "ifd-ccid.bundle")
		expect(t, d, doctor.Fault, "usb-no-driver", acr38)
	})
	t.Run("service", func(t *testing.T) {
		d, s := none(t)
		usb(t, d.Root, "1-1", ccid, "ACR38U-CCID", true)
		driver(t, d.Root, "ifd-ccid.bundle", ccid)
		s.inv.PCSC = pcsc.ErrNoService
		expect(t, d, doctor.Fault, "service-missing", "apt install pcscd")
		expect(t, d, doctor.Warn, "usb-waiting", ccid)
		put(t, filepath.Join(d.Root, "usr/sbin/pcscd"), "")
		expect(t, d, doctor.Fault, "service-stopped", "systemctl")
		s.inv.PCSC = pcsc.ErrNoLibrary
		expect(t, d, doctor.Fault, "library-missing", "libpcsclite1")
		s.inv.PCSC = &pcsc.Error{Call: "SCardEstablishContext", Code: 0x8010006A}
		expect(t, d, doctor.Fault, "service-failed", "8010006A")
	})
	t.Run("card", func(t *testing.T) {
		d, s := patient(t)
		r := &s.inv.Readers[0]
		r.Modules, s.inv.Modules, s.inv.Found = nil, nil, nil
		expect(t, d, doctor.Fault, "module-missing", "ACOS5", "libacospkcs11.so")
		atr := r.ATR
		r.Profile, r.Known = d.Catalog.ByATR([]byte{0x3b, 0x00})
		expect(t, d, doctor.Warn, "card-unknown", "3BBE9600004105200000000000000000009000")
		r.Profile = device.Profile{Name: "Rutoken Lite", Kind: device.Unsupported}
		expect(t, d, doctor.Fault, "card-unsupported", "Rutoken Lite")
		r.ATR, r.Mute = nil, true
		expect(t, d, doctor.Fault, "reader-mute")
		r.Present, r.Mute = false, false
		expect(t, d, doctor.Warn, "reader-empty", "ACR38U")
		r.ATR, r.Present, r.Name = atr, true, "\u202eevil\nreader"
		if text := d.Examine(t.Context()).Text(words.EN); strings.Contains(text, "\u202e") || strings.Contains(text, "evil\n") {
			t.Errorf("a name is shown as it is:\n%q", text)
		}
	})
}

func TestModulesAndPINs(t *testing.T) {
	d, s := patient(t)
	m, token := &s.inv.Modules[0], &s.inv.Modules[0].Tokens[0]
	expect(t, d, doctor.OK, "token", "ACOS5", "libacospkcs11.so")
	s.tries = 5
	expect(t, d, doctor.OK, "pin-left", "5")
	token.PINLow = true
	expect(t, d, doctor.Warn, "pin-low-left", "5")
	s.tries = -1
	expect(t, d, doctor.Warn, "pin-low")
	token.PINLast = true
	expect(t, d, doctor.Warn, "pin-last")
	token.PINLocked = true
	expect(t, d, doctor.Fault, "pin-locked")
	*token = pkcs11.Token{Reader: token.Reader, Label: "ACOS5", Serial: "1"}
	s.tries = 1
	expect(t, d, doctor.Warn, "pin-last")
	s.tries = 0
	expect(t, d, doctor.Fault, "pin-locked")

	s.inv.Found, m.Tokens = nil, nil
	expect(t, d, doctor.Warn, "module-empty", "libacospkcs11.so")
	m.Err = &pkcs11.Failure{Kind: pkcs11.Module, Detail: "it cannot be loaded"}
	expect(t, d, doctor.Fault, "module-bad", "libacospkcs11.so")
	m.Err = &pkcs11.Failure{Kind: pkcs11.Timeout}
	expect(t, d, doctor.Fault, "module-failed", "timeout")
}

func TestCertificates(t *testing.T) {
	d, s := patient(t)
	ca, now := pkitest.Root(t, "Issuing CA"), time.Now()
	dates := func(from, until int) pkitest.Change {
		return pkitest.Dates(now.AddDate(0, 0, from), now.AddDate(0, 0, until))
	}
	old := ca.Card(t, "AZE1", pkitest.Kind("P-256"), dates(-400, -1))
	expect(t, d, doctor.OK, "certificate", "CA")
	s.found(t, old)
	expect(t, d, doctor.Fault, "certificate-expired", old.Certificate.NotAfter.Format("02.01.2006"))
	s.found(t, old, ca.Card(t, "AZE1", pkitest.Kind("P-256"), dates(-1, 400)))
	expect(t, d, doctor.Warn, "certificate-expired")
	expect(t, d, doctor.OK, "certificate")
	s.found(t, ca.Card(t, "AZE1", pkitest.Kind("P-256"), dates(-400, 10)))
	expect(t, d, doctor.Warn, "certificate-ending")
	s.found(t, ca.Card(t, "AZE1", pkitest.Kind("P-256"), dates(2, 400)))
	expect(t, d, doctor.Fault, "certificate-early")
	s.found(t, ca.Card(t, "AZE1", pkitest.Kind("RSA-1024")))
	expect(t, d, doctor.Fault, "certificate-weak")
	s.found(t, ca.SigningCard(t, "AZE1", pkitest.Kind("P-256")))
	expect(t, d, doctor.Fault, "certificate-none")
	s.found(t)
	expect(t, d, doctor.Fault, "certificate-none")
}

func TestProgramBankAndBrowsers(t *testing.T) {
	d, _ := patient(t)
	for state, want := range map[release.State]struct {
		level doctor.Level
		code  string
	}{
		release.Good: {doctor.OK, "program-good"}, release.NoKey: {doctor.Warn, "program-own"}, release.NoSums: {doctor.Warn, "program-unsigned"}, release.Bad: {doctor.Fault, "program-bad"},
	} {
		d.Release = func() (release.State, error) {
			if state == release.Bad {
				return state, release.ErrChanged
			}
			return state, nil
		}
		expect(t, d, want.level, want.code)
	}
	off := 10 * time.Minute
	d.Bank = func(context.Context, string) (time.Time, error) { return time.Now().Add(off), nil }
	expect(t, d, doctor.Fault, "clock-off")
	off = -time.Minute
	expect(t, d, doctor.Warn, "clock-off", "1m")
	d.Bank = func(context.Context, string) (time.Time, error) { return time.Time{}, errors.New("no route") }
	expect(t, d, doctor.Fault, "bank-away", "https://bank.example", "no route")
	d.Config, d.Unread = nil, errors.New("config.yaml:3: there is no setting origin")
	expect(t, d, doctor.Fault, "config-bad", "config.yaml:3")
	d.Unread = fmt.Errorf("%w; elsewhere", agent.ErrNoConfig)
	expect(t, d, doctor.Fault, "config-missing", "config.yaml")
	d.Dialogs = func() error { return errors.New("none") }
	expect(t, d, doctor.Fault, "dialog-none", "zenity")

	home, root := filepath.Join(d.Root, "home"), filepath.Join(d.Root, "root")
	put(t, filepath.Join(root, "etc/chromium/native-messaging-hosts/eu.webeid.json"), `{"name":"eu.webeid","path":"/usr/bin/web-eid"}`)
	put(t, filepath.Join(root, "usr/bin/web-eid"), "")
	expect(t, d, doctor.Warn, "browser-other", "chromium", "/usr/bin/web-eid", "--replace")
	expect(t, d, doctor.OK, "webeid-app")
	program := d.Program
	d.Program = filepath.Join(home, "another")
	expect(t, d, doctor.Warn, "browser-elsewhere", program)
	d.Program = program
	if err := os.Remove(program); err != nil {
		t.Fatal(err)
	}
	expect(t, d, doctor.Fault, "browser-gone", program, "mohur-card install")
	if _, err := d.Machine.Uninstall(false, false); err != nil {
		t.Fatal(err)
	}
	expect(t, d, doctor.Fault, "browser-none", "mohur-card install")
}
