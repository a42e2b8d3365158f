package rulebook

import "mohur/risk"

// Micros reads a rate in millionths.
func Micros(text string) (int64, bool) { return micros(text) }

// Fraction is a rate of minor units.
func Fraction(micro int64, places int) risk.Rate { return fraction(micro, places) }
