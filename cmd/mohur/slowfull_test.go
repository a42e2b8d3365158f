//go:build !race

package main

// slowOnes is how many slow connections are held open at once. The process that
// holds them is another one than the server's: each may open 20,000 files at
// least where these tests run.
const slowOnes = 10_000
