package browser

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// keptSuffix is behind the name of a manifest that ours replaced. No browser looks
// for such a name.
const keptSuffix = ".before-mohur-card"

// maxManifest is beyond every manifest, in bytes.
const maxManifest = 64 << 10

// files is the store of Linux and macOS: a directory for each browser.
type files map[Browser]string

// unixDirectories are those of the documentation of Chrome, Edge and Firefox.
func unixDirectories(goos, root, home string) (user, system files, apps []string) {
	at := func(base string, parts ...string) string { return filepath.Join(append([]string{base}, parts...)...) }
	if goos == "darwin" {
		support, library := at(home, "Library", "Application Support"), at(root, "/Library")
		user = files{
			Chrome:   at(support, "Google/Chrome/NativeMessagingHosts"),
			Chromium: at(support, "Chromium/NativeMessagingHosts"),
			Edge:     at(support, "Microsoft Edge/NativeMessagingHosts"),
			Firefox:  at(support, "Mozilla/NativeMessagingHosts"),
		}
		system = files{
			Chrome:   at(library, "Google/Chrome/NativeMessagingHosts"),
			Chromium: at(library, "Application Support/Chromium/NativeMessagingHosts"),
			Edge:     at(library, "Microsoft/Edge/NativeMessagingHosts"),
			Firefox:  at(library, "Application Support/Mozilla/NativeMessagingHosts"),
		}
		return user, system, []string{at(root, "/Applications/Utilities/web-eid.app"), at(root, "/Applications/web-eid.app")}
	}
	user = files{
		Chrome:   at(home, ".config/google-chrome/NativeMessagingHosts"),
		Chromium: at(home, ".config/chromium/NativeMessagingHosts"),
		Edge:     at(home, ".config/microsoft-edge/NativeMessagingHosts"),
		Firefox:  at(home, ".mozilla/native-messaging-hosts"),
	}
	system = files{
		Chrome:   at(root, "/etc/opt/chrome/native-messaging-hosts"),
		Chromium: at(root, "/etc/chromium/native-messaging-hosts"),
		Edge:     at(root, "/etc/opt/edge/native-messaging-hosts"),
		Firefox:  at(root, "/usr/lib/mozilla/native-messaging-hosts"),
	}
	return user, system, []string{at(root, "/usr/bin/web-eid"), at(root, "/usr/local/bin/web-eid")}
}

// At is a Linux or macOS machine whose files lie below root, with a home directory.
func At(goos, root, home string) *Machine {
	user, system, apps := unixDirectories(goos, root, home)
	return &Machine{user: user, system: system, apps: apps}
}

func (f files) path(b Browser, name string) string { return filepath.Join(f[b], name+".json") }

func (f files) get(b Browser, name string) (entry, error) {
	path := f.path(b, name)
	text, err := readFile(path)
	return entry{text, path}, err
}

// readFile returns nil for a file that is not there, and something that is no
// manifest for one that is no file: it is somebody's.
func readFile(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(path); err == nil {
			return []byte{}, nil // a link that leads nowhere
		}
		return nil, nil
	case err != nil:
		return nil, err
	case len(text) > maxManifest || text == nil:
		return []byte{}, nil
	}
	return text, nil
}

func (f files) put(b Browser, name string, text []byte) error {
	return writeFile(f.path(b, name), text)
}

// writeFile replaces the file in one step. Browsers of every user read it.
func writeFile(path string, text []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil { // not secret
		return err
	}
	tmp, err := os.CreateTemp(dir, ".mohur-card-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // without effect once it was renamed
	_, err = tmp.Write(text)
	if e := tmp.Chmod(0o644); err == nil {
		err = e
	}
	if e := tmp.Sync(); err == nil {
		err = e
	}
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

func (f files) drop(b Browser, name string) error {
	if err := os.Remove(f.path(b, name)); err != nil {
		return err
	}
	_ = os.Remove(f[b]) // if nothing else is in it
	return nil
}

func (f files) keep(b Browser, name string) error {
	return os.Rename(f.path(b, name), f.path(b, name)+keptSuffix)
}

func (f files) kept(b Browser, name string) bool {
	_, err := os.Lstat(f.path(b, name) + keptSuffix)
	return err == nil
}

func (f files) restore(b Browser, name string) error {
	return os.Rename(f.path(b, name)+keptSuffix, f.path(b, name))
}

func (f files) forget(b Browser, name string) error { return os.Remove(f.path(b, name) + keptSuffix) }

func (f files) names(b Browser) ([]string, error) {
	entries, err := os.ReadDir(f[b])
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	seen := map[string]bool{}
	for _, e := range entries {
		name, isManifest := strings.CutSuffix(strings.TrimSuffix(e.Name(), keptSuffix), ".json")
		if isManifest && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
