package rulebook

import "mohur/risk"

// Micros reads a rate in millionths.
func Micros(text string) (int64, bool) { return micros(text) }

// Fraction is a rate of minor units.
func Fraction(micro int64, places int) risk.Rate { return fraction(micro, places) }

// Try has policies tried by another function.
func (b *Book) Try(f func(p risk.Policy, stop func() bool) []string) { b.check = f }

// Many is after how many entries a head is written.
func Many(n uint64) (before uint64) {
	before, many = many, n
	return before
}
