// Package hsmtest holds what tests need of an HSM: the suite that every
// implementation of hsm.Module passes, a SoftHSM token for tests that use one,
// and a wrapper that makes a module fail on command.
package hsmtest
