package authn

import (
	"crypto/sha256"
	"encoding/base64"
	"net/netip"

	"mohur/risk"
)

// Surroundings are coarse traces of where a customer was, as his front end told it:
// enough to see that something has changed, and no more. They raise a risk and never
// lower one; nothing is granted or refused by them alone. An empty member was not told.
type Surroundings struct {
	Country string `json:"country,omitempty"` // ISO 3166
	Network string `json:"network,omitempty"` // prefix of the address: /24 of IPv4, /48 of IPv6
	Device  string `json:"device,omitempty"`  // DeviceOf the device's id
}

// SurroundingsOf reduces what a front end told to its traces.
func SurroundingsOf(s risk.Signals) Surroundings {
	out := Surroundings{Network: NetworkOf(s.IP), Device: DeviceOf(s.DeviceID)}
	if len(s.Country) == 2 {
		out.Country = s.Country
	}
	return out
}

// The networks that count as one.
const (
	network4 = 24
	network6 = 48
)

// NetworkOf is the network of an address, as 192.0.2.0/24; "" for what is no address.
func NetworkOf(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	a = a.Unmap().WithZone("")
	bits := network6
	if a.Is4() {
		bits = network4
	}
	return netip.PrefixFrom(a, bits).Masked().String()
}

// DeviceOf stands for a device's id: the first 16 bytes of its SHA-256, base64url
// without padding; "" for "".
func DeviceOf(id string) string {
	if id == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("device/v1\x00" + id))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}
