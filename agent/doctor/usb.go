package doctor

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"mohur/agent"
	"mohur/agent/device"
	"mohur/agent/linked"
)

// plugged is a USB device that is a reader or a token.
type plugged struct {
	id      string // vendor:product
	product string // as it calls itself
	profile device.Profile
	known   bool
}

// smartCard is the class of CCID readers among USB interfaces.
const smartCard = "0b"

// pluggedIn reads them from Linux's /sys; elsewhere there are none.
func pluggedIn(root string, catalog *device.Catalog) []plugged {
	dir := filepath.Join(root, "/sys/bus/usb/devices")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	ccid := map[string]bool{} // devices with such an interface; it is named device:configuration.number
	for _, e := range entries {
		if of, _, isInterface := strings.Cut(e.Name(), ":"); isInterface && attribute(dir, e.Name(), "bInterfaceClass") == smartCard {
			ccid[of] = true
		}
	}
	var all []plugged
	for _, e := range entries {
		vendor, product := attribute(dir, e.Name(), "idVendor"), attribute(dir, e.Name(), "idProduct")
		if vendor == "" || product == "" {
			continue
		}
		p := plugged{id: strings.ToLower(vendor + ":" + product), product: attribute(dir, e.Name(), "product")}
		if p.profile, p.known = catalog.ByUSB(p.id); p.known || ccid[e.Name()] {
			all = append(all, p)
		}
	}
	return all
}

// attribute is a small file of a device; "" when there is none.
func attribute(dir, name, file string) string {
	f, err := os.Open(filepath.Join(dir, name, file))
	if err != nil {
		return ""
	}
	defer f.Close()
	text := make([]byte, 128)
	n, _ := f.Read(text)
	return strings.TrimSpace(string(text[:n]))
}

func (p plugged) name() string {
	if p.known {
		return linked.Show(p.profile.Name)
	}
	if p.product != "" {
		return linked.Show(p.product)
	}
	return "USB " + p.id
}

// among returns the index of the reader of PC/SC that this is, by what the profile
// or the device itself calls it; -1 when none is called so.
func (p plugged) among(readers []agent.Seen, catalog *device.Catalog) int {
	return slices.IndexFunc(readers, func(s agent.Seen) bool {
		if of, ok := catalog.ByReader(s.Name); ok && p.known && of.Name == p.profile.Name {
			return true
		}
		return p.product != "" && strings.Contains(strings.ToLower(s.Name), strings.ToLower(p.product))
	})
}

// drivers of pcsc-lite, by the USB ids that they know.
type drivers map[string][]string

// driverPlaces are where distributions put them.
var driverPlaces = []string{"/usr/lib/pcsc/drivers", "/usr/lib64/pcsc/drivers", "/usr/local/lib/pcsc/drivers", "/usr/lib/*/pcsc/drivers"}

var (
	vendors  = regexp.MustCompile(`(?s)<key>ifdVendorID</key>\s*<array>(.*?)</array>`)
	products = regexp.MustCompile(`(?s)<key>ifdProductID</key>\s*<array>(.*?)</array>`)
	hexWord  = regexp.MustCompile(`0[xX]([0-9A-Fa-f]{4})\b`)
)

func installedDrivers(root string) drivers {
	found := drivers{}
	for _, place := range driverPlaces {
		files, err := filepath.Glob(filepath.Join(root, place, "*.bundle/Contents/Info.plist"))
		if err != nil {
			continue
		}
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil {
				found.read(filepath.Base(filepath.Dir(filepath.Dir(file))), string(text))
			}
		}
	}
	return found
}

// read takes in the Info.plist of a driver: two lists side by side.
func (d drivers) read(name, text string) {
	list := func(in *regexp.Regexp) [][]string {
		part := in.FindStringSubmatch(text)
		if part == nil {
			return nil
		}
		return hexWord.FindAllStringSubmatch(part[1], -1)
	}
	of := list(products)
	for i, vendor := range list(vendors) {
		if i < len(of) {
			id := strings.ToLower(vendor[1] + ":" + of[i][1])
			if !slices.Contains(d[id], name) {
				d[id] = append(d[id], name)
			}
		}
	}
}

func (d drivers) names(id string) string { return strings.Join(d[id], ", ") }
