package browser

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows/registry"
)

// Here is this machine, for the user who runs the program. The manifests lie beside
// the program for everybody, and in the user's own directory for one user.
func Here() (*Machine, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	local, err := os.UserCacheDir() // %LocalAppData%
	if err != nil {
		return nil, err
	}
	var apps []string
	for _, v := range []string{"ProgramFiles", "ProgramFiles(x86)"} {
		if dir := os.Getenv(v); dir != "" {
			apps = append(apps, filepath.Join(dir, "Web eID", "web-eid.exe"))
		}
	}
	return &Machine{
		user:   hive{registry.CURRENT_USER, `HKEY_CURRENT_USER\`, filepath.Join(local, "mohur-card")},
		system: hive{registry.LOCAL_MACHINE, `HKEY_LOCAL_MACHINE\`, filepath.Dir(exe)},
		apps:   apps,
	}, nil
}

// keys are where the browsers look; the default value of a key below, named like
// the host, is the path of its manifest.
var keys = map[Browser]string{
	Chrome:   `SOFTWARE\Google\Chrome\NativeMessagingHosts`,
	Chromium: `SOFTWARE\Chromium\NativeMessagingHosts`,
	Edge:     `SOFTWARE\Microsoft\Edge\NativeMessagingHosts`,
	Firefox:  `SOFTWARE\Mozilla\NativeMessagingHosts`,
}

// keptValue holds, beside the default value, the path that ours replaced.
const keptValue = "before-mohur-card"

// hive is the store of Windows: registry values that name files.
type hive struct {
	root registry.Key
	name string
	dir  string // of our manifests
}

func (h hive) key(b Browser, name string) string { return keys[b] + `\` + name }

// file is where our manifest lies: Firefox has another form than the others.
func (h hive) file(b Browser, name string) string {
	if b == Firefox {
		name += ".firefox"
	}
	return filepath.Join(h.dir, name+".json")
}

// value returns a value of the host's key, "" without one.
func (h hive) value(b Browser, name, value string) (string, error) {
	k, err := registry.OpenKey(h.root, h.key(b, name), registry.QUERY_VALUE)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer k.Close()
	text, _, err := k.GetStringValue(value)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return text, err
}

func (h hive) get(b Browser, name string) (entry, error) {
	e := entry{where: h.name + h.key(b, name)}
	path, err := h.value(b, name, "")
	if err != nil || path == "" {
		return e, err
	}
	if e.text, err = readFile(path); e.text == nil {
		e.text = []byte{} // the value is somebody's, though its file is gone
	}
	return e, err
}

func (h hive) set(b Browser, name, value, text string) error {
	k, _, err := registry.CreateKey(h.root, h.key(b, name), registry.SET_VALUE)
	if err != nil {
		return err
	}
	defer k.Close()
	return k.SetStringValue(value, text)
}

func (h hive) unset(b Browser, name, value string) error {
	k, err := registry.OpenKey(h.root, h.key(b, name), registry.SET_VALUE)
	if err != nil {
		return err
	}
	defer k.Close()
	return k.DeleteValue(value)
}

func (h hive) put(b Browser, name string, text []byte) error {
	if err := writeFile(h.file(b, name), text); err != nil {
		return err
	}
	return h.set(b, name, "", h.file(b, name))
}

func (h hive) drop(b Browser, name string) error {
	if err := registry.DeleteKey(h.root, h.key(b, name)); err != nil {
		return err
	}
	return h.removeFile(b, name)
}

// removeFile removes our manifest if no browser of this hive names it any more:
// Chrome, Chromium and Edge share one.
func (h hive) removeFile(b Browser, name string) error {
	for _, other := range All {
		if path, err := h.value(other, name, ""); err != nil || path == h.file(b, name) {
			return err
		}
	}
	if err := os.Remove(h.file(b, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (h hive) keep(b Browser, name string) error {
	path, err := h.value(b, name, "")
	if err != nil {
		return err
	}
	return h.set(b, name, keptValue, path)
}

func (h hive) kept(b Browser, name string) bool {
	path, err := h.value(b, name, keptValue)
	return err == nil && path != ""
}

func (h hive) restore(b Browser, name string) error {
	path, err := h.value(b, name, keptValue)
	if err != nil {
		return err
	}
	if err := h.set(b, name, "", path); err != nil {
		return err
	}
	if err := h.forget(b, name); err != nil {
		return err
	}
	return h.removeFile(b, name)
}

func (h hive) forget(b Browser, name string) error { return h.unset(b, name, keptValue) }

func (h hive) names(b Browser) ([]string, error) {
	k, err := registry.OpenKey(h.root, keys[b], registry.ENUMERATE_SUB_KEYS)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer k.Close()
	return k.ReadSubKeyNames(-1)
}
