package doctor

import (
	"strings"
	"testing"
)

// The driver's own list, as Debian has it: what is said of ACR38 readers rests on it.
func TestTheDriverOfACR38IsFound(t *testing.T) {
	drivers := installedDrivers("/")
	if got := drivers.names("072f:9000"); !strings.Contains(got, "ifd-acsccid.bundle") || strings.Contains(got, "ifd-ccid.bundle") {
		t.Errorf("072f:9000 is driven by %q", got)
	}
	if got := drivers.names("ffff:ffff"); got != "" {
		t.Errorf("a device that there is not is driven by %q", got)
	}
}

func FuzzDriverLists(f *testing.F) {
	f.Add("<key>ifdVendorID</key><array><string>0x072F</string></array><key>ifdProductID</key><array><string>0x9000</string></array>")
	f.Add("<key>ifdVendorID</key><array><string>0x072F</string>")
	f.Fuzz(func(t *testing.T, text string) {
		d := drivers{}
		d.read("x", text)
		for id, names := range d {
			if len(id) != 9 || len(names) != 1 {
				t.Errorf("%q: %q", id, names)
			}
		}
	})
}
