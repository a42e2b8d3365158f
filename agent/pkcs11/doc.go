// Package pkcs11 uses a customer's card or token through the PKCS#11 module of
// its maker, without trusting that module to return. Every operation runs in a
// child process of its own, which ends with it: a module that hangs is killed at
// the deadline, one that crashes takes nothing with it, one that leaks memory or a
// PIN is gone a moment later.
//
// A PIN goes to the child through a pipe, never on a command line or in the
// environment, is cleared where it was written, and is tried once. A PIN that has
// one try left is not tried unless the caller says that the customer was told.
package pkcs11
