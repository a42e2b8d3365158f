//go:build race

package main

// slowOnes under the race detector. A handshake takes 4.5 ms of processor there
// for both sides, six times as much as without, and with room for 4,096 the 10,000
// would make about 200 a second, since who is sent away comes back after ten
// seconds. Two processors with nothing else to do manage that, four fifths busy;
// beside the tests of other packages they do not, and log-ins are refused as
// unavailable, because the server's own time for an answer is over before the HSM
// is asked. Nobody is sent away. So here the test looks for races, and without the
// detector for 10,000.
const slowOnes = 2_000
