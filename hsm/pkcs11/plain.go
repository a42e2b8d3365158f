package pkcs11

/*
#cgo linux LDFLAGS: -ldl
#include <dlfcn.h>
#include <stddef.h>

typedef unsigned long ck;
typedef struct { ck type; void *value; ck len; } ck_attribute;

// The head of CK_FUNCTION_LIST, whose order the standard fixes.
enum { create_object = 20, decrypt = 34, generate_random = 64, functions = 68 };
typedef struct { unsigned char version[2]; void *call[functions]; } ck_list;

static ck_list *list_of(const char *path) {
	ck_list *l = NULL;
	void *h = dlopen(path, RTLD_LAZY);
	if (h == NULL) return NULL;
	ck (*get)(ck_list **) = (ck (*)(ck_list **))dlsym(h, "C_GetFunctionList");
	if (get == NULL || get(&l) != 0) return NULL;
	return l;
}

static ck call_create(ck_list *l, ck session, ck_attribute *a, ck n, ck *object) {
	return ((ck (*)(ck, ck_attribute *, ck, ck *))l->call[create_object])(session, a, n, object);
}

static ck call_decrypt(ck_list *l, ck session, unsigned char *in, ck inlen, unsigned char *out, ck *outlen) {
	return ((ck (*)(ck, unsigned char *, ck, unsigned char *, ck *))l->call[decrypt])(session, in, inlen, out, outlen);
}

static ck call_random(ck_list *l, ck session, unsigned char *out, ck n) {
	return ((ck (*)(ck, unsigned char *, ck))l->call[generate_random])(session, out, n);
}
*/
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"

	p11 "github.com/miekg/pkcs11"
)

// plain makes the three calls through which a seed passes in the clear: making
// an object of it, decrypting a seed file, and drawing it at random. The wrapper
// used for everything else copies arguments and results through C memory that it
// frees without clearing, where a memory dump finds them. Here the module reads
// and writes the caller's own buffers, which the caller clears.
type plain struct{ list *C.ck_list }

func newPlain(path string) (*plain, error) {
	name := append([]byte(path), 0)
	list := C.list_of((*C.char)(unsafe.Pointer(&name[0])))
	if list == nil {
		return nil, configFault(fmt.Sprintf("%s is not a PKCS#11 library", path))
	}
	return &plain{list}, nil
}

// createObject is C_CreateObject. No attribute may be empty.
func (p *plain) createObject(sh p11.SessionHandle, template []*p11.Attribute) (p11.ObjectHandle, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	list := make([]C.ck_attribute, len(template))
	for i, a := range template {
		pin.Pin(&a.Value[0])
		list[i] = C.ck_attribute{C.ck(a.Type), unsafe.Pointer(&a.Value[0]), C.ck(len(a.Value))}
	}
	var object C.ck
	rv := C.call_create(p.list, C.ck(sh), &list[0], C.ck(len(list)), &object)
	return p11.ObjectHandle(object), returned(rv)
}

// decrypt is C_Decrypt after a C_DecryptInit, for mechanisms whose result is as
// long as in.
func (p *plain) decrypt(sh p11.SessionHandle, in []byte) ([]byte, error) {
	out := make([]byte, len(in))
	n := C.ck(len(out))
	rv := C.call_decrypt(p.list, C.ck(sh), (*C.uchar)(&in[0]), C.ck(len(in)), (*C.uchar)(&out[0]), &n)
	if err := returned(rv); err != nil {
		clear(out)
		return nil, err
	}
	return out[:n], nil
}

// random fills out, which may not be empty.
func (p *plain) random(sh p11.SessionHandle, out []byte) error {
	return returned(C.call_random(p.list, C.ck(sh), (*C.uchar)(&out[0]), C.ck(len(out))))
}

func returned(rv C.ck) error {
	if rv == p11.CKR_OK {
		return nil
	}
	return p11.Error(rv)
}
