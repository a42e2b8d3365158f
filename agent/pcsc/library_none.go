//go:build !windows && (!cgo || (!linux && !darwin))

package pcsc

import "time"

// Without cgo there is no way to the library: such a build only serves checks of
// the source.
func load() error { return ErrNoLibrary }

func establish() (uintptr, uint32)                        { return 0, codeNoService }
func release(uintptr)                                     {}
func list(uintptr) ([]string, uint32)                     { return nil, codeNoService }
func status(uintptr, time.Duration, []Reader) uint32      { return codeNoService }
func connect(uintptr, string) (card uintptr, p, c uint32) { return 0, 0, codeNoService }
func disconnect(uintptr)                                  {}
func transmit(uintptr, uint32, []byte) ([]byte, uint32)   { return nil, codeNoService }
