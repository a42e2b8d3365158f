package pkcs11

import (
	"fmt"
	"sync"
	"sync/atomic"

	p11 "github.com/miekg/pkcs11"
)

// library is a loaded PKCS#11 module. It is initialised by crypto11, which
// counts its users and finalises it after the last.
type library struct {
	ctx   *p11.Ctx
	plain *plain

	importing sync.Mutex
}

// libraries holds every library that this process has loaded. None is ever
// unloaded: a call that never came back may still be running in its code.
var libraries = struct {
	sync.Mutex
	byPath map[string]*library
}{byPath: map[string]*library{}}

// connected counts the links in use. The configuration of SoftHSM cannot change
// under them.
var connected atomic.Int32

// load loads the module of cfg, and sees to it that whoever initialises it hands
// over cfg.Init.
func load(cfg Config) (*library, error) {
	l, err := loadPath(cfg.Module)
	if err != nil || cfg.Init == "" {
		return l, err
	}
	return l, l.plain.reserve(cfg.Init)
}

func loadPath(path string) (*library, error) {
	libraries.Lock()
	defer libraries.Unlock()
	if l := libraries.byPath[path]; l != nil {
		return l, nil
	}
	ctx := p11.New(path)
	if ctx == nil {
		return nil, configFault(fmt.Sprintf("%s is not a PKCS#11 library", path))
	}
	pl, err := newPlain(path)
	if err != nil {
		return nil, err
	}
	l := &library{ctx: ctx, plain: pl}
	libraries.byPath[path] = l
	return l, nil
}
