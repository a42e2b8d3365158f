package doctor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"mohur/agent"
	"mohur/agent/device"
	"mohur/agent/linked"
	"mohur/agent/pcsc"
)

func (r *round) service(err error) {
	switch {
	case err == nil:
		r.add(OK, "service-good")
	case errors.Is(err, pcsc.ErrNoLibrary):
		r.add(Fault, "library-missing")
	case errors.Is(err, pcsc.ErrNoService) && runtime.GOOS == "windows":
		// Windows stops the service when the last reader is unplugged.
		r.add(Fault, "service-windows")
	case errors.Is(err, pcsc.ErrNoService) && runtime.GOOS == "linux" && !r.exists("/usr/sbin/pcscd"):
		r.add(Fault, "service-missing")
	case errors.Is(err, pcsc.ErrNoService):
		r.add(Fault, "service-stopped")
	default:
		r.add(Fault, "service-failed", err)
	}
}

func (r *round) exists(path string) bool {
	_, err := os.Stat(filepath.Join(r.Root, path))
	return err == nil
}

// usb tells of readers and tokens that are plugged in, and returns how many of them
// the smart card service does not see.
func (r *round) usb(inv agent.Inventory) (unseen int) {
	drivers := installedDrivers(r.Root)
	left := inv.Readers
	var open []plugged
	for _, p := range pluggedIn(r.Root, r.Catalog) {
		if i := p.among(left, r.Catalog); i >= 0 {
			left = append(left[:i:i], left[i+1:]...)
			r.add(OK, "usb-good", p.name(), p.id, drivers.names(p.id))
			continue
		}
		open = append(open, p)
	}
	for _, p := range open {
		// A reader with a name that says nothing may be this one.
		if len(left) > 0 {
			left = left[1:]
			r.add(OK, "usb-good", p.name(), p.id, drivers.names(p.id))
			continue
		}
		unseen++
		switch names := drivers.names(p.id); {
		case names == "":
			driver := p.profile.Driver
			if driver == "" {
				driver = "libccid"
			}
			r.add(Fault, "usb-no-driver", p.name(), p.id, driver)
		case inv.PCSC != nil: // the service is what is missing
			r.add(Warn, "usb-waiting", p.name(), p.id, names)
		default:
			r.add(Fault, "usb-unseen", p.name(), p.id, names)
		}
	}
	return unseen
}

func (r *round) readers(inv agent.Inventory, unseen int) {
	if inv.PCSC == nil && len(inv.Readers) == 0 && unseen == 0 {
		level := Fault
		if len(inv.Found) > 0 { // a token that needs none
			level = OK
		}
		r.add(level, "reader-none")
	}
	for _, s := range inv.Readers {
		name, atr := linked.Show(s.Name), fmt.Sprintf("%X", s.ATR)
		switch {
		case !s.Present:
			r.add(Warn, "reader-empty", name)
		case s.Mute || s.ATR == nil:
			r.add(Fault, "reader-mute", name)
		case s.Profile.Kind == device.Unsupported:
			r.add(Fault, "card-unsupported", linked.Show(s.Profile.Name), name, atr)
		case !s.Known:
			r.add(Warn, "card-unknown", name, atr, looked(s.Profile))
		default:
			r.add(OK, "card-good", linked.Show(s.Profile.Name), name, atr)
		}
		if s.ATR != nil && s.Profile.Kind != device.Unsupported && len(s.Modules) == 0 && !served(inv, s) {
			r.add(Fault, "module-missing", linked.Show(s.Profile.Name), looked(s.Profile))
		}
	}
}

// served tells whether a module sees the card in the reader, or one that does not
// say where it sees it.
func served(inv agent.Inventory, s agent.Seen) bool {
	for _, m := range inv.Modules {
		for _, t := range m.Tokens {
			slot := strings.TrimSpace(t.Reader)
			if strings.HasPrefix(s.Name, slot) || !slices.ContainsFunc(inv.Readers, func(o agent.Seen) bool { return strings.HasPrefix(o.Name, slot) }) {
				return true
			}
		}
	}
	return false
}

// looked are the modules that were looked for.
func looked(p device.Profile) string {
	if names := p.Names(); len(names) > 0 {
		return strings.Join(names, ", ")
	}
	return "–"
}
