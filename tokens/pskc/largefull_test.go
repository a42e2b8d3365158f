//go:build !race

package pskc_test

// largeFile is how many bytes the largest file of the tests has.
const largeFile = 100 << 20
