package pkcs11

import (
	"fmt"
	"strings"
	"sync"

	"github.com/ThalesGroup/crypto11"
	p11 "github.com/miekg/pkcs11"

	"mohur/hsm"
)

const (
	opStart   = "start"
	gcmNonce  = 12 // the only nonce length that GCM uses as it is
	gcmTag    = 16
	readOnly  = p11.CKF_SERIAL_SESSION
	readWrite = p11.CKF_SERIAL_SESSION | p11.CKF_RW_SESSION
)

// link is a logged-in token: a crypto11 context, and beside it the bare library
// whose sessions share its log-in, since PKCS#11 logs in a process, not a
// session.
type link struct {
	*library
	crypto *crypto11.Context
	slot   uint
	once   sync.Once
}

// connect logs in. It may hang as long as the module does.
func connect(cfg Config) (*link, error) {
	lib, err := load(cfg)
	if err != nil {
		return nil, err
	}
	crypto, err := crypto11.Configure(&crypto11.Config{
		Path:       cfg.Module,
		TokenLabel: cfg.TokenLabel,
		// It would log in as well, but keeps the PIN for as long as it lives.
		LoginNotSupported: true,
		// One session keeps the log-in alive, and each of our slots uses at
		// most one more at a time: nobody ever waits in crypto11.
		MaxSessions:     cfg.Sessions + 1,
		PoolWaitTimeout: cfg.Wait, // its zero value waits for ever
	})
	if err != nil {
		return nil, connectFault(cfg, err)
	}
	connected.Add(1)
	l := &link{library: lib, crypto: crypto}
	if l.slot, err = l.find(cfg.TokenLabel); err == nil {
		err = l.with(readOnly, func(s *session) error { return s.login(cfg) })
	}
	if err != nil {
		l.close()
		return nil, connectFault(cfg, err)
	}
	return l, nil
}

// connectFault turns crypto11's words into a class.
func connectFault(cfg Config, err error) error {
	f := faultOf(opStart, "", err)
	switch {
	case f.Class == hsm.ClassPIN:
		f.Err = fmt.Errorf("the token %q refuses the PIN, which is not tried again, since tokens lock: %w", cfg.TokenLabel, err)
	case strings.Contains(err.Error(), "could not find PKCS#11 token"):
		// After a start this means a device that is gone; the caller knows.
		f.Class = hsm.ClassConfig
		f.Err = fmt.Errorf("no slot holds a token labelled %q: initialise it, or set hsm.token_label", cfg.TokenLabel)
	}
	return f
}

// find returns the slot of the only token with the label. Two tokens with one
// label would let the order of slots decide which keys are used.
func (l *link) find(label string) (slot uint, err error) {
	slots, err := l.ctx.GetSlotList(true)
	if err != nil {
		return 0, err
	}
	found := 0
	for _, s := range slots {
		info, err := l.ctx.GetTokenInfo(s)
		if err != nil {
			return 0, err
		}
		if info.Label == label {
			slot = s
			found++
		}
	}
	if found != 1 {
		return 0, configFault(fmt.Sprintf("%d tokens are labelled %q, there must be exactly one", found, label))
	}
	return slot, nil
}

// close gives up the link and, when it was the process's last, finalises the
// library. No call may be in flight.
func (l *link) close() {
	l.once.Do(func() {
		_ = l.crypto.Close() // its error is always nil
		connected.Add(-1)
	})
}
