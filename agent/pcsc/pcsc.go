// Package pcsc watches card readers over PC/SC: which there are, which hold a
// card, and what the card answered to its reset (ATR). It loads the system's
// library at run time, so that the program starts on a machine without one and
// can say so. It changes nothing on a card: the one command it can pass on is for
// a caller that asks a PIV card how many tries its PIN has left.
package pcsc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// The errors that have an answer of their own.
var (
	// ErrNoLibrary: this system has no PC/SC library.
	ErrNoLibrary = errors.New("this system has no PC/SC library; on Debian it is the package libpcsclite1")
	// ErrNoService: the library is there and its service is not running.
	ErrNoService = errors.New("the smart card service is not running; on Linux it is pcscd, on Windows the service \"Smart Card\"")
	// ErrNoCard: the reader holds no card, or the card was taken out.
	ErrNoCard = errors.New("there is no card in the reader")
)

// Error is any other answer of PC/SC.
type Error struct {
	Call string // the function of winscard.h, such as "SCardListReaders"
	Code uint32 // its return value
}

func (e *Error) Error() string { return fmt.Sprintf("%s failed with 0x%08X", e.Call, e.Code) }

// Return values of winscard.h.
const (
	codeTimeout       = 0x8010000A
	codeNoSmartcard   = 0x8010000C
	codeUnknownReader = 0x80100009
	codeNoService     = 0x8010001D
	codeServiceStop   = 0x8010001E
	codeNoReaders     = 0x8010002E
	codeRemoved       = 0x80100069
)

// fault makes an error of a return value; nil for success.
func fault(call string, code uint32) error {
	switch code {
	case 0:
		return nil
	case codeNoService, codeServiceStop:
		return ErrNoService
	case codeNoSmartcard, codeRemoved, codeUnknownReader:
		return ErrNoCard
	}
	return &Error{call, code}
}

// Bits of a reader's state in winscard.h.
const (
	stateChanged   = 0x2
	stateUnknown   = 0x4
	statePresent   = 0x20
	stateExclusive = 0x80
	stateInUse     = 0x100
	stateMute      = 0x200
)

// Reader is a reader as it stood at one moment.
type Reader struct {
	Name    string
	Present bool   // holds a card
	Mute    bool   // the card does not answer: it lies the wrong way round, or is broken
	InUse   bool   // another program talks to the card
	ATR     []byte // what the card answered to its reset; nil without one

	state uint32 // for the next Wait
}

// Context is a connection to the smart card service. It is for one goroutine.
type Context struct{ handle uintptr }

// Open connects to the service. The errors are ErrNoLibrary, ErrNoService, *Error.
func Open() (*Context, error) {
	if err := load(); err != nil {
		return nil, err
	}
	handle, code := establish()
	if err := fault("SCardEstablishContext", code); err != nil {
		return nil, err
	}
	return &Context{handle}, nil
}

// Close ends the connection.
func (c *Context) Close() { release(c.handle) }

// Readers returns the readers, none when there are none.
func (c *Context) Readers() ([]Reader, error) {
	names, err := c.names()
	if err != nil || len(names) == 0 {
		return nil, err
	}
	readers := make([]Reader, len(names))
	for i, name := range names {
		readers[i].Name = name
	}
	code := status(c.handle, 0, readers)
	switch code {
	case codeTimeout:
		code = 0
	case codeUnknownReader: // unplugged in between
		return nil, nil
	}
	return readers, fault("SCardGetStatusChange", code)
}

func (c *Context) names() ([]string, error) {
	names, code := list(c.handle)
	if code == codeNoReaders {
		return nil, nil
	}
	return names, fault("SCardListReaders", code)
}

// step is how long one wait lasts at most, so that a new reader and the end of
// the caller's context are noticed.
const step = 500 * time.Millisecond

// Wait returns the readers as soon as they differ from known: a reader or a card
// came or went. It ends with ctx.
func (c *Context) Wait(ctx context.Context, known []Reader) ([]Reader, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		now, err := c.Readers()
		if err != nil {
			return nil, err
		}
		if !slices.EqualFunc(now, known, same) {
			return now, nil
		}
		if len(now) == 0 {
			select {
			case <-ctx.Done():
			case <-time.After(step):
			}
			continue
		}
		if code := status(c.handle, step, now); code != codeTimeout {
			if err := fault("SCardGetStatusChange", code); err != nil && !errors.Is(err, ErrNoCard) {
				return nil, err
			}
		}
	}
}

// same: nothing a person would call a change.
func same(a, b Reader) bool {
	return a.Name == b.Name && a.Present == b.Present && a.Mute == b.Mute && slices.Equal(a.ATR, b.ATR)
}

// take writes what PC/SC said of a reader.
func (r *Reader) take(state uint32, atr []byte) {
	r.state = state &^ stateChanged
	r.Present = state&statePresent != 0
	r.Mute = state&stateMute != 0
	r.InUse = state&(stateInUse|stateExclusive) != 0
	r.ATR = nil
	if r.Present && state&stateUnknown == 0 {
		r.ATR = slices.Clone(atr)
	}
}

// Card is a connection to the card in a reader, shared with other programs.
type Card struct {
	handle   uintptr
	protocol uint32
}

// Connect opens the card in a reader without resetting it.
func (c *Context) Connect(reader string) (*Card, error) {
	handle, protocol, code := connect(c.handle, reader)
	if err := fault("SCardConnect", code); err != nil {
		return nil, err
	}
	return &Card{handle, protocol}, nil
}

// Close leaves the card as it is.
func (d *Card) Close() { disconnect(d.handle) }

// Transmit passes one command to the card and returns its answer, at most 258
// bytes with the status word at the end.
func (d *Card) Transmit(command []byte) ([]byte, error) {
	if len(command) < 4 {
		return nil, errors.New("a command to a card has 4 bytes or more")
	}
	answer, code := transmit(d.handle, d.protocol, command)
	return answer, fault("SCardTransmit", code)
}

// split takes the names out of a list in which each ends with a zero byte.
func split(list []byte) (names []string) {
	for len(list) > 0 {
		end := slices.Index(list, 0)
		if end <= 0 {
			break
		}
		names = append(names, string(list[:end]))
		list = list[end+1:]
	}
	return names
}
