//go:build race

package main

// slowOnes under the race detector. A handshake takes 4.5 ms of processor there
// for both sides, six times as much as without, and with room for 4,096 the 10,000
// would make about 200 a second, since who is sent away comes back after ten
// seconds: one of two processors, with nothing else on the machine. Log-ins are
// then not sent away but refused as unavailable, because the server's own time for
// an answer is over before the HSM is asked. So here the test looks for races, and
// without the detector for 10,000.
const slowOnes = 2_000
