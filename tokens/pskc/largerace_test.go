//go:build race

package pskc_test

// largeFile is less under the race detector, which makes each byte a tenfold.
const largeFile = 4 << 20
