//go:build linux || darwin

package pcsc

/*
#cgo linux LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

// As winscard.h of pcsc-lite and of Apple's PCSC framework have them.
#ifdef __APPLE__
#include <stdint.h>
typedef uint32_t mohur_dword;
typedef int32_t mohur_long;
#pragma pack(push, 1)
#else
typedef unsigned long mohur_dword;
typedef long mohur_long;
#endif
typedef struct {
	const char *reader;
	void *user;
	mohur_dword current, event, atr_len;
	unsigned char atr[33];
} mohur_state;
typedef struct {
	mohur_dword protocol, length;
} mohur_pci;
#ifdef __APPLE__
#pragma pack(pop)
typedef int32_t mohur_handle;
#else
typedef long mohur_handle;
#endif

static mohur_long (*f_establish)(mohur_dword, const void *, const void *, mohur_handle *);
static mohur_long (*f_release)(mohur_handle);
static mohur_long (*f_list)(mohur_handle, const char *, char *, mohur_dword *);
static mohur_long (*f_status)(mohur_handle, mohur_dword, mohur_state *, mohur_dword);
static mohur_long (*f_connect)(mohur_handle, const char *, mohur_dword, mohur_dword, mohur_handle *, mohur_dword *);
static mohur_long (*f_disconnect)(mohur_handle, mohur_dword);
static mohur_long (*f_transmit)(mohur_handle, const mohur_pci *, const unsigned char *, mohur_dword, mohur_pci *, unsigned char *, mohur_dword *);

static int mohur_load(const char *path) {
	void *h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!h) return 0;
	f_establish = dlsym(h, "SCardEstablishContext");
	f_release = dlsym(h, "SCardReleaseContext");
	f_list = dlsym(h, "SCardListReaders");
	f_status = dlsym(h, "SCardGetStatusChange");
	f_connect = dlsym(h, "SCardConnect");
	f_disconnect = dlsym(h, "SCardDisconnect");
	f_transmit = dlsym(h, "SCardTransmit");
	return f_establish && f_release && f_list && f_status && f_connect && f_disconnect && f_transmit;
}

static mohur_long mohur_establish(mohur_handle *h) { return f_establish(0, 0, 0, h); }
static mohur_long mohur_release(mohur_handle h) { return f_release(h); }
static mohur_long mohur_list(mohur_handle h, char *names, mohur_dword *len) { return f_list(h, 0, names, len); }
static mohur_long mohur_status(mohur_handle h, mohur_dword timeout, mohur_state *s, mohur_dword n) { return f_status(h, timeout, s, n); }
static mohur_long mohur_connect(mohur_handle h, const char *reader, mohur_handle *card, mohur_dword *protocol) {
	return f_connect(h, reader, 2, 3, card, protocol); // SCARD_SHARE_SHARED, T=0 or T=1
}
static mohur_long mohur_disconnect(mohur_handle card) { return f_disconnect(card, 0); } // SCARD_LEAVE_CARD
static mohur_long mohur_transmit(mohur_handle card, mohur_dword protocol, const unsigned char *in, mohur_dword n, unsigned char *out, mohur_dword *len) {
	mohur_pci pci = {protocol, sizeof(mohur_pci)};
	return f_transmit(card, &pci, in, n, 0, out, len);
}
*/
import "C"

import (
	"runtime"
	"sync"
	"time"
	"unsafe"
)

// paths are where the library is; fixed ones, so that no directory of the user
// decides what is loaded.
func paths() []string {
	if runtime.GOOS == "darwin" {
		return []string{"/System/Library/Frameworks/PCSC.framework/PCSC"}
	}
	return []string{"libpcsclite.so.1"}
}

var load = sync.OnceValue(func() error {
	for _, path := range paths() {
		name := C.CString(path)
		ok := C.mohur_load(name)
		C.free(unsafe.Pointer(name))
		if ok != 0 {
			return nil
		}
	}
	return ErrNoLibrary
})

func establish() (uintptr, uint32) {
	var h C.mohur_handle
	code := C.mohur_establish(&h)
	return uintptr(h), uint32(code)
}

func release(h uintptr) { C.mohur_release(C.mohur_handle(h)) }

func list(h uintptr) ([]string, uint32) {
	buf := make([]byte, 64<<10)
	n := C.mohur_dword(len(buf))
	code := C.mohur_list(C.mohur_handle(h), (*C.char)(unsafe.Pointer(&buf[0])), &n)
	if code != 0 {
		return nil, uint32(code)
	}
	return split(buf[:min(int(n), len(buf))]), 0
}

func status(h uintptr, timeout time.Duration, readers []Reader) uint32 {
	size := C.size_t(len(readers)) * C.size_t(unsafe.Sizeof(C.mohur_state{}))
	memory := C.calloc(1, size)
	defer C.free(memory)
	states := unsafe.Slice((*C.mohur_state)(memory), len(readers))
	for i, r := range readers {
		states[i].reader = C.CString(r.Name)
		states[i].current = C.mohur_dword(r.state)
	}
	code := C.mohur_status(C.mohur_handle(h), C.mohur_dword(timeout.Milliseconds()), &states[0], C.mohur_dword(len(readers)))
	for i := range states {
		s := &states[i]
		if code == 0 || uint32(code) == codeTimeout {
			n := min(int(s.atr_len), len(s.atr))
			readers[i].take(uint32(s.event), C.GoBytes(unsafe.Pointer(&s.atr[0]), C.int(n)))
		}
		C.free(unsafe.Pointer(s.reader))
	}
	return uint32(code)
}

func connect(h uintptr, reader string) (card uintptr, protocol, code uint32) {
	name := C.CString(reader)
	defer C.free(unsafe.Pointer(name))
	var ch C.mohur_handle
	var p C.mohur_dword
	rv := C.mohur_connect(C.mohur_handle(h), name, &ch, &p)
	return uintptr(ch), uint32(p), uint32(rv)
}

func disconnect(card uintptr) { C.mohur_disconnect(C.mohur_handle(card)) }

func transmit(card uintptr, protocol uint32, command []byte) ([]byte, uint32) {
	answer := make([]byte, 258)
	n := C.mohur_dword(len(answer))
	code := C.mohur_transmit(C.mohur_handle(card), C.mohur_dword(protocol),
		(*C.uchar)(unsafe.Pointer(&command[0])), C.mohur_dword(len(command)), (*C.uchar)(unsafe.Pointer(&answer[0])), &n)
	if code != 0 {
		return nil, uint32(code)
	}
	return answer[:min(int(n), len(answer))], 0
}
