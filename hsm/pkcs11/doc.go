// Package pkcs11 serves the contract of package hsm over PKCS#11.
//
// It keeps three promises. No key and no seed leaves the module: a one-time
// password is computed inside it, under a key that exists there for that one
// call. No failure of the module passes for a verdict on a customer: every
// error has a class, and only a blob that the module refuses while it works on
// others is called damaged. And no failure of the module takes the process with
// it: calls are bounded in number and time, a lost session or device is replaced
// by a new generation of handles, and a refused PIN is never tried twice,
// because most modules lock after three.
//
// The log-in, key pairs and key generation go through crypto11; wrapping, MACs,
// sealing and session objects go through miekg/pkcs11 beside it, on the same
// loaded library and the same log-in. crypto11 could seal as well, but leaves
// what it opens, a PIN among it, in C memory that is freed without clearing.
package pkcs11
