package browser_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mohur/agent/browser"
)

const program = "/opt/mohur/mohur-card"

// webEID is the manifest of the Web eID application.
const webEID = `{"name":"eu.webeid","description":"Web-eid native application","path":"/usr/bin/web-eid","type":"stdio",` +
	`"allowed_origins":["chrome-extension://ncibgoaomkmdpilpocfeponihegamlic/"]}`

type machine struct {
	*browser.Machine
	t          *testing.T
	root, home string
}

func at(t *testing.T, goos string) *machine {
	t.Helper()
	dir := t.TempDir()
	root, home := filepath.Join(dir, "root"), filepath.Join(dir, "home")
	return &machine{browser.At(goos, root, home), t, root, home}
}

func (m *machine) write(path, text string) {
	m.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// files are those below root and home, by path.
func (m *machine) files() map[string]string {
	m.t.Helper()
	all := map[string]string{}
	err := filepath.Walk(filepath.Dir(m.root), func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, filepath.Dir(m.root))] = string(text)
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return all
}

func hosts(t *testing.T) []browser.Host {
	t.Helper()
	h, err := browser.Hosts("", nil)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func did(actions []browser.Action) (all []string) {
	for _, a := range actions {
		if !slices.Contains(all, a.Done) {
			all = append(all, a.Done)
		}
	}
	return all
}

func TestInstallAndUninstall(t *testing.T) {
	places := map[string][]string{
		"linux": {"/home/.config/google-chrome/NativeMessagingHosts/", "/home/.config/chromium/NativeMessagingHosts/",
			"/home/.config/microsoft-edge/NativeMessagingHosts/", "/home/.mozilla/native-messaging-hosts/"},
		"linux system": {"/root/etc/opt/chrome/native-messaging-hosts/", "/root/etc/chromium/native-messaging-hosts/",
			"/root/etc/opt/edge/native-messaging-hosts/", "/root/usr/lib/mozilla/native-messaging-hosts/"},
		"darwin": {"/home/Library/Application Support/Google/Chrome/NativeMessagingHosts/", "/home/Library/Application Support/Chromium/NativeMessagingHosts/",
			"/home/Library/Application Support/Microsoft Edge/NativeMessagingHosts/", "/home/Library/Application Support/Mozilla/NativeMessagingHosts/"},
		"darwin system": {"/root/Library/Google/Chrome/NativeMessagingHosts/", "/root/Library/Application Support/Chromium/NativeMessagingHosts/",
			"/root/Library/Microsoft/Edge/NativeMessagingHosts/", "/root/Library/Application Support/Mozilla/NativeMessagingHosts/"},
	}
	for name, dirs := range places {
		t.Run(name, func(t *testing.T) {
			goos, _, system := strings.Cut(name, " ")
			m := at(t, goos)
			o := browser.Order{Program: program, Hosts: hosts(t), System: system}
			dry := o
			dry.DryRun = true
			if done, err := m.Install(dry); err != nil || len(done) != 8 || !slices.Equal(did(done), []string{browser.Written}) || len(m.files()) != 0 {
				t.Fatalf("a dry run: %v, %v, %v", done, err, m.files())
			}
			if done, err := m.Install(o); err != nil || !slices.Equal(did(done), []string{browser.Written}) {
				t.Fatalf("%v, %v", done, err)
			}
			files := m.files()
			for i, dir := range dirs {
				for _, host := range []string{"eu.webeid", "az.mohur.card"} {
					var got map[string]any
					if err := json.Unmarshal([]byte(files[dir+host+".json"]), &got); err != nil {
						t.Fatalf("%s%s: %v", dir, host, err)
					}
					firefox := i == 3
					if got["name"] != host || got["path"] != program || got["type"] != "stdio" || (got["allowed_extensions"] != nil) != firefox || (got["allowed_origins"] != nil) == firefox {
						t.Errorf("%s%s: %v", dir, host, got)
					}
				}
			}
			if !strings.Contains(files[dirs[0]+"eu.webeid.json"], `"chrome-extension://ncibgoaomkmdpilpocfeponihegamlic/"`) ||
				!strings.Contains(files[dirs[2]+"eu.webeid.json"], `"chrome-extension://gnmckgbandlkacikdndelhfghdejfido/"`) ||
				!strings.Contains(files[dirs[3]+"eu.webeid.json"], `"{e68418bc-f2b0-4459-a9ea-3e72b6751b07}"`) {
				t.Errorf("the unmodified extension of Web eID may not start it: %v", files)
			}
			if done, err := m.Install(o); err != nil || !slices.Equal(did(done), []string{browser.Unchanged}) {
				t.Errorf("again: %v, %v", done, err)
			}
			o.Program = "/elsewhere/mohur-card"
			if done, err := m.Install(o); err != nil || !slices.Equal(did(done), []string{browser.Updated}) || !strings.Contains(m.files()[dirs[0]+"eu.webeid.json"], o.Program) {
				t.Errorf("moved: %v, %v", done, err)
			}
			if all, err := m.Registrations(); err != nil || len(all) != 8 || !all[0].Ours || all[0].System != system || all[0].Program != o.Program {
				t.Errorf("%+v, %v", all, err)
			}
			if done, err := m.Uninstall(!system, false); err != nil || len(done) != 0 {
				t.Errorf("of the other scope: %v, %v", done, err)
			}
			if done, err := m.Uninstall(system, true); err != nil || len(done) != 8 || len(m.files()) != 8 {
				t.Errorf("a dry run: %v, %v", done, err)
			}
			if done, err := m.Uninstall(system, false); err != nil || !slices.Equal(did(done), []string{browser.Removed}) || len(m.files()) != 0 {
				t.Errorf("%v, %v, %v", done, err, m.files())
			}
			if done, err := m.Uninstall(system, false); err != nil || len(done) != 0 {
				t.Errorf("again: %v, %v", done, err)
			}
		})
	}
}

func TestTheWebEIDApplicationIsLeftAlone(t *testing.T) {
	m := at(t, "linux")
	theirs := filepath.Join(m.root, "etc/chromium/native-messaging-hosts/eu.webeid.json")
	m.write(theirs, webEID)
	m.write(filepath.Join(m.root, "usr/bin/web-eid"), "")
	if app := m.WebEIDApp(); app != filepath.Join(m.root, "usr/bin/web-eid") {
		t.Errorf("the application is %q", app)
	}
	o := browser.Order{Program: program, Hosts: hosts(t), System: true}
	done, err := m.Install(o)
	if !errors.Is(err, browser.ErrRefused) || !slices.Equal(did(done), []string{browser.Written, browser.Refused}) {
		t.Errorf("%v, %v", done, err)
	}
	refused := done[slices.IndexFunc(done, func(a browser.Action) bool { return a.Done == browser.Refused })]
	if refused.Browser != browser.Chromium || refused.Other != "/usr/bin/web-eid" || refused.Where != theirs || m.files()["/root/etc/chromium/native-messaging-hosts/eu.webeid.json"] != webEID {
		t.Errorf("%+v", refused)
	}
	// The user's own would hide it.
	o.System = false
	if done, err := m.Install(o); !errors.Is(err, browser.ErrRefused) || m.files()["/home/.config/chromium/NativeMessagingHosts/eu.webeid.json"] != "" {
		t.Errorf("for one user: %v, %v", done, err)
	}
	o.Replace = true
	if done, err := m.Install(o); err != nil || m.files()["/home/.config/chromium/NativeMessagingHosts/eu.webeid.json"] == "" || m.files()["/root/etc/chromium/native-messaging-hosts/eu.webeid.json"] != webEID {
		t.Errorf("for one user, in its place: %v, %v", done, err)
	}
	o.System = true
	dry := o
	dry.DryRun = true
	if done, err := m.Install(dry); err != nil || !slices.Contains(did(done), browser.Replaced) || m.files()["/root/etc/chromium/native-messaging-hosts/eu.webeid.json"] != webEID {
		t.Errorf("a dry run: %v, %v", done, err)
	}
	for range 2 { // the second finds its own work and must not keep it as theirs
		if _, err := m.Install(o); err != nil {
			t.Fatal(err)
		}
	}
	if got := m.files()["/root/etc/chromium/native-messaging-hosts/eu.webeid.json"]; !strings.Contains(got, program) {
		t.Errorf("it was not replaced: %s", got)
	}
	if done, err := m.Uninstall(true, false); err != nil || !slices.Contains(did(done), browser.Restored) || m.files()["/root/etc/chromium/native-messaging-hosts/eu.webeid.json"] != webEID {
		t.Errorf("it is not back: %v, %v", done, err)
	}
	// Another program's manifest is not ours to remove, even after the other was updated over ours.
	if _, err := m.Install(o); err != nil {
		t.Fatal(err)
	}
	newer := strings.Replace(webEID, "/usr/bin/web-eid", "/usr/bin/web-eid-3", 1)
	m.write(theirs, newer)
	if _, err := m.Uninstall(true, false); err != nil {
		t.Fatal(err)
	}
	for path, text := range m.files() {
		if strings.HasPrefix(path, "/root/etc") && text != newer {
			t.Errorf("%s holds %s", path, text)
		}
	}
}

func TestAManifestThatCannotBeReadIsSomebodys(t *testing.T) {
	m := at(t, "linux")
	dir := filepath.Join(m.home, ".mozilla/native-messaging-hosts")
	m.write(filepath.Join(dir, "eu.webeid.json"), "")
	if err := os.MkdirAll(filepath.Join(m.home, ".config/chromium/NativeMessagingHosts"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/nowhere/eu.webeid.json", filepath.Join(m.home, ".config/chromium/NativeMessagingHosts/eu.webeid.json")); err != nil {
		t.Fatal(err)
	}
	o := browser.Order{Program: program, Hosts: hosts(t)}
	done, err := m.Install(o)
	if !errors.Is(err, browser.ErrRefused) {
		t.Fatalf("%v, %v", done, err)
	}
	refused := 0
	for _, a := range done {
		if a.Done == browser.Refused {
			refused++
		}
	}
	if refused != 2 {
		t.Errorf("%v", done)
	}
	o.Replace = true
	if _, err := m.Install(o); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Uninstall(false, false); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(filepath.Join(m.home, ".config/chromium/NativeMessagingHosts/eu.webeid.json")); err != nil || to != "/nowhere/eu.webeid.json" {
		t.Errorf("the link is %q, %v", to, err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "eu.webeid.json")); err != nil || len(text) != 0 {
		t.Errorf("%q, %v", text, err)
	}
}

func TestHosts(t *testing.T) {
	h, err := browser.Hosts("az.bank.card", []string{"abcdefghijklmnopabcdefghijklmnop", "card@bank.example"})
	if err != nil || h[0].Name != "eu.webeid" || h[1].Name != "az.bank.card" || h[1].Chromium[0][0] != 'a' || h[1].Firefox[0] != "card@bank.example" {
		t.Errorf("%+v, %v", h, err)
	}
	m := at(t, "linux")
	only, err := browser.Hosts("az.bank.card", []string{"card@bank.example"})
	if err != nil {
		t.Fatal(err)
	}
	if done, err := m.Install(browser.Order{Program: program, Hosts: only}); err != nil || len(done) != 5 {
		t.Errorf("an extension for Firefox only: %v, %v", done, err)
	}
	for name, ids := range map[string][]string{
		"": {"zzzz"}, "eu.webeid": nil, "../x": nil, "Az.Card": nil, "card": nil, "az..card": nil, "az.card ": nil,
	} {
		if h, err := browser.Hosts(name, ids); err == nil {
			t.Errorf("%q %q: %+v", name, ids, h)
		}
	}
	if _, err := m.Install(browser.Order{Program: "mohur-card", Hosts: hosts(t)}); err == nil {
		t.Error("a program without its directory is registered")
	}
}
