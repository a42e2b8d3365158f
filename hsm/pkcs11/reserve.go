package pkcs11

/*
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef unsigned long ck;
typedef struct { void *mutex[4]; ck flags; void *reserved; } ck_args;
typedef ck (*ck_initialize)(void *);

// A few modules at most are loaded in a process.
enum { most = 8 };
static struct { void **entry; ck_initialize real; char *reserved; } slots[most];

#define SLOT(n) static ck initialize_##n(void *given) { \
	ck_args args; \
	memset(&args, 0, sizeof args); \
	if (given != NULL) args = *(ck_args *)given; \
	args.reserved = slots[n].reserved; \
	return slots[n].real(&args); \
}
SLOT(0) SLOT(1) SLOT(2) SLOT(3) SLOT(4) SLOT(5) SLOT(6) SLOT(7)
static const ck_initialize own[most] = { initialize_0, initialize_1, initialize_2,
	initialize_3, initialize_4, initialize_5, initialize_6, initialize_7 };

// reserve puts a function of ours into the entry C_Initialize of a function
// list. A list may lie in memory that was made read-only after relocation.
static int reserve(void **entry, char *text) {
	for (int n = 0; n < most; n++) {
		if (slots[n].entry != NULL && slots[n].entry != entry) continue;
		if (slots[n].entry == NULL) {
			uintptr_t size = sysconf(_SC_PAGESIZE), page = (uintptr_t)entry & ~(size - 1);
			if (mprotect((void *)page, size, PROT_READ | PROT_WRITE) != 0) return 0;
			slots[n].real = (ck_initialize)*entry;
			slots[n].entry = entry;
			*entry = (void *)own[n];
		}
		slots[n].reserved = text;
		return 1;
	}
	return 0;
}
*/
import "C"

import (
	"fmt"
	"sync"
	"unsafe"
)

var reserved struct {
	sync.Mutex
	byList map[unsafe.Pointer]string
}

// reserve makes every later C_Initialize of the library hand over text as
// pReserved, which configures the few modules that have no configuration file.
//
// crypto11 initialises a library itself, at the first log-in and anew whenever
// the last one was given up, without a way to say anything with it; and a library
// that somebody else has initialised it refuses. So its call is completed on the
// way: the entry C_Initialize in the module's own function list leads to a
// function that adds the text and calls the original. Only a module with
// Config.Init is touched.
func (p *plain) reserve(text string) error {
	reserved.Lock()
	defer reserved.Unlock()
	list := unsafe.Pointer(p.list)
	switch was, known := reserved.byList[list]; {
	case known && was == text:
		return nil
	case known && connected.Load() > 0:
		return configFault("this process already uses the module with another hsm.init")
	}
	// The text stays for the life of the process, as the library does.
	if C.reserve(&p.list.call[0], C.CString(text)) == 0 {
		return configFault(fmt.Sprintf("hsm.init cannot be handed to the module: its function list does not change, or over %d modules are loaded", C.most))
	}
	if reserved.byList == nil {
		reserved.byList = map[unsafe.Pointer]string{}
	}
	reserved.byList[list] = text
	return nil
}
