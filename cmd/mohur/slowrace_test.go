//go:build race

package main

// slowOnes under the race detector, which makes every handshake several times as
// dear: there the test looks for races, and without it for 10,000.
const slowOnes = 2_000
