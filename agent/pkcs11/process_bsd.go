//go:build unix && !linux

package pkcs11

func undumpable() {}
