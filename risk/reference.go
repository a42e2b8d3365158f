package risk

import "math/bits"

// ReferenceBands are the exemption threshold values and reference fraud rates for
// remote credit transfers of the Annex to the PSD2 RTS (EUR 100, 250 and 500), in
// manat at 1.90, which rounds a band down.
func ReferenceBands() []Band {
	return []Band{{UpTo: 190_00, Rate: 150}, {UpTo: 475_00, Rate: 100}, {UpTo: 950_00, Rate: 50}}
}

// Within reports whether fraud is at most rate millionths of total, exactly. What has
// no payments has no rate, and is within none.
func Within(fraud, total, rate int64) bool {
	if fraud < 0 || total <= 0 || rate < 0 {
		return false
	}
	fh, fl := bits.Mul64(uint64(fraud), 1_000_000)
	th, tl := bits.Mul64(uint64(total), uint64(rate))
	return fh < th || fh == th && fl <= tl
}
