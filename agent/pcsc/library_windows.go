package pcsc

import (
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// The library is of the system, taken from its directory only.
var (
	winscard       = windows.NewLazySystemDLL("winscard.dll")
	procEstablish  = winscard.NewProc("SCardEstablishContext")
	procRelease    = winscard.NewProc("SCardReleaseContext")
	procList       = winscard.NewProc("SCardListReadersW")
	procStatus     = winscard.NewProc("SCardGetStatusChangeW")
	procConnect    = winscard.NewProc("SCardConnectW")
	procDisconnect = winscard.NewProc("SCardDisconnect")
	procTransmit   = winscard.NewProc("SCardTransmit")
)

// readerState is SCARD_READERSTATEW.
type readerState struct {
	reader                *uint16
	user                  uintptr
	current, event, atrLn uint32
	atr                   [36]byte
}

// ioRequest is SCARD_IO_REQUEST.
type ioRequest struct{ protocol, length uint32 }

var load = sync.OnceValue(func() error {
	for _, p := range []*windows.LazyProc{procEstablish, procRelease, procList, procStatus, procConnect, procDisconnect, procTransmit} {
		if p.Find() != nil {
			return ErrNoLibrary
		}
	}
	return nil
})

func establish() (uintptr, uint32) {
	var h uintptr
	code, _, _ := procEstablish.Call(0, 0, 0, uintptr(unsafe.Pointer(&h)))
	return h, uint32(code)
}

func release(h uintptr) { _, _, _ = procRelease.Call(h) }

func list(h uintptr) ([]string, uint32) {
	buf := make([]uint16, 32<<10)
	n := uint32(len(buf))
	code, _, _ := procList.Call(h, 0, uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&n)))
	if uint32(code) != 0 {
		return nil, uint32(code)
	}
	buf = buf[:min(int(n), len(buf))]
	var names []string
	for len(buf) > 0 && buf[0] != 0 {
		end := 0
		for end < len(buf) && buf[end] != 0 {
			end++
		}
		names = append(names, windows.UTF16ToString(buf[:end]))
		buf = buf[min(end+1, len(buf)):]
	}
	return names, 0
}

func status(h uintptr, timeout time.Duration, readers []Reader) uint32 {
	states := make([]readerState, len(readers))
	for i, r := range readers {
		name, err := windows.UTF16PtrFromString(r.Name)
		if err != nil {
			return codeUnknownReader
		}
		states[i].reader, states[i].current = name, r.state
	}
	code, _, _ := procStatus.Call(h, uintptr(timeout.Milliseconds()), uintptr(unsafe.Pointer(&states[0])), uintptr(len(states)))
	if uint32(code) == 0 || uint32(code) == codeTimeout {
		for i := range states {
			s := &states[i]
			readers[i].take(s.event, s.atr[:min(int(s.atrLn), len(s.atr))])
		}
	}
	return uint32(code)
}

func connect(h uintptr, reader string) (card uintptr, protocol, code uint32) {
	name, err := windows.UTF16PtrFromString(reader)
	if err != nil {
		return 0, 0, codeUnknownReader
	}
	const shared, t0t1 = 2, 3
	rv, _, _ := procConnect.Call(h, uintptr(unsafe.Pointer(name)), shared, t0t1, uintptr(unsafe.Pointer(&card)), uintptr(unsafe.Pointer(&protocol)))
	return card, protocol, uint32(rv)
}

func disconnect(card uintptr) { _, _, _ = procDisconnect.Call(card, 0) }

func transmit(card uintptr, protocol uint32, command []byte) ([]byte, uint32) {
	answer := make([]byte, 258)
	n := uint32(len(answer))
	pci := ioRequest{protocol, uint32(unsafe.Sizeof(ioRequest{}))}
	code, _, _ := procTransmit.Call(card, uintptr(unsafe.Pointer(&pci)), uintptr(unsafe.Pointer(&command[0])), uintptr(len(command)),
		0, uintptr(unsafe.Pointer(&answer[0])), uintptr(unsafe.Pointer(&n)))
	if uint32(code) != 0 {
		return nil, uint32(code)
	}
	return answer[:min(int(n), len(answer))], 0
}
