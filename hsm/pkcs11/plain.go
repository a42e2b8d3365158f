package pkcs11

/*
#cgo linux LDFLAGS: -ldl
#include <dlfcn.h>
#include <stddef.h>

typedef unsigned long ck;
typedef struct { ck type; void *value; ck len; } ck_attribute;
typedef struct { ck type; void *parameter; ck len; } ck_mechanism;

// The head of CK_FUNCTION_LIST, whose order the standard fixes.
enum { login = 18, create_object = 20, encrypt = 30, decrypt = 34,
	decrypt_update = 35, decrypt_final = 36, sign_init = 42, sign = 43, wrap_key = 60,
	generate_random = 64, functions = 68 };
typedef struct { unsigned char version[2]; void *call[functions]; } ck_list;

static ck_list *list_of(const char *path) {
	ck_list *l = NULL;
	void *h = dlopen(path, RTLD_LAZY);
	if (h == NULL) return NULL;
	ck (*get)(ck_list **) = (ck (*)(ck_list **))dlsym(h, "C_GetFunctionList");
	if (get == NULL || get(&l) != 0) return NULL;
	return l;
}

// one says whether a library has one function list, whoever asks.
static int one(const char *path) { return list_of(path) == list_of(path); }

static ck call_create(ck_list *l, ck session, ck_attribute *a, ck n, ck *object) {
	return ((ck (*)(ck, ck_attribute *, ck, ck *))l->call[create_object])(session, a, n, object);
}

static ck call_crypt(ck_list *l, int which, ck session, unsigned char *in, ck inlen, unsigned char *out, ck *outlen) {
	return ((ck (*)(ck, unsigned char *, ck, unsigned char *, ck *))l->call[which])(session, in, inlen, out, outlen);
}

static ck call_final(ck_list *l, ck session, unsigned char *out, ck *outlen) {
	return ((ck (*)(ck, unsigned char *, ck *))l->call[decrypt_final])(session, out, outlen);
}

static ck call_login(ck_list *l, ck session, unsigned char *pin, ck n) {
	enum { user = 1 };
	return ((ck (*)(ck, ck, unsigned char *, ck))l->call[login])(session, user, pin, n);
}

static ck call_sign(ck_list *l, ck session, ck mechanism, ck key, unsigned char *in, ck inlen, unsigned char *out, ck *outlen) {
	ck_mechanism m = { mechanism, NULL, 0 };
	ck rv = ((ck (*)(ck, ck_mechanism *, ck))l->call[sign_init])(session, &m, key);
	if (rv != 0) return rv;
	return ((ck (*)(ck, unsigned char *, ck, unsigned char *, ck *))l->call[sign])(session, in, inlen, out, outlen);
}

static ck call_wrap(ck_list *l, ck session, ck mechanism, ck kek, ck key, unsigned char *out, ck *outlen) {
	ck_mechanism m = { mechanism, NULL, 0 };
	return ((ck (*)(ck, ck_mechanism *, ck, ck, unsigned char *, ck *))l->call[wrap_key])(session, &m, kek, key, out, outlen);
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

// plain makes the calls through which a secret passes in the clear: making an
// object of a seed, decrypting a seed file, drawing a seed at random, sealing and
// opening what may be a customer's PIN, logging in. The wrapper
// used for everything else copies arguments and results through C memory that it
// frees without clearing, where a memory dump finds them. Here the module reads
// and writes the caller's own buffers, which the caller clears. MACs and wrapping
// are here because the wrapper calls the module twice for them.
type plain struct{ list *C.ck_list }

func newPlain(path string) (*plain, error) {
	name := append([]byte(path), 0)
	list := C.list_of((*C.char)(unsafe.Pointer(&name[0])))
	if list == nil {
		return nil, configFault(fmt.Sprintf("%s is not a PKCS#11 library", path))
	}
	if C.one((*C.char)(unsafe.Pointer(&name[0]))) == 0 {
		return nil, configFault(fmt.Sprintf("%s hands out another function list each time, none of which knows of the others' log-in (p11-kit's client does so): "+
			"name a module that does not, such as p11-kit-proxy.so", path))
	}
	return &plain{list}, nil
}

// login is C_Login as the user whose keys they are.
func (p *plain) login(sh p11.SessionHandle, pin []byte) error {
	return returned(C.call_login(p.list, C.ck(sh), (*C.uchar)(unsafe.SliceData(pin)), C.ck(len(pin))))
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

// encrypt is C_Encrypt after a C_EncryptInit. The size of the result is known:
// asking for it first costs a call, and NSS forgets GCM's tag in its answer.
func (p *plain) encrypt(sh p11.SessionHandle, in []byte, size int) ([]byte, error) {
	return p.crypt(C.encrypt, sh, in, size)
}

// decrypt is C_Decrypt after a C_DecryptInit, for mechanisms whose result is no
// longer than in.
func (p *plain) decrypt(sh p11.SessionHandle, in []byte) ([]byte, error) {
	return p.crypt(C.decrypt, sh, in, len(in))
}

func (p *plain) crypt(which C.int, sh p11.SessionHandle, in []byte, size int) ([]byte, error) {
	if len(in) == 0 {
		in = make([]byte, 1)[:0] // some modules take no input for no pointer
	}
	out := make([]byte, size)
	n := C.ck(size)
	rv := C.call_crypt(p.list, which, C.ck(sh), (*C.uchar)(unsafe.SliceData(in)), C.ck(len(in)), (*C.uchar)(&out[0]), &n)
	if err := returned(rv); err != nil {
		clear(out)
		return nil, err
	}
	return out[:n], nil
}

// decryptBlock is C_DecryptUpdate of one whole block, for mechanisms that give
// one back at once.
func (p *plain) decryptBlock(sh p11.SessionHandle, in, out []byte) error {
	n := C.ck(len(out))
	rv := C.call_crypt(p.list, C.decrypt_update, C.ck(sh), (*C.uchar)(&in[0]), C.ck(len(in)), (*C.uchar)(&out[0]), &n)
	if err := returned(rv); err != nil {
		return err
	}
	if int(n) != len(out) {
		return fmt.Errorf("a block of %d bytes decrypts to %d", len(in), n)
	}
	return nil
}

// decryptFinal is C_DecryptFinal after whole blocks, which leave nothing to give.
func (p *plain) decryptFinal(sh p11.SessionHandle, room []byte) error {
	n := C.ck(len(room))
	return returned(C.call_final(p.list, C.ck(sh), (*C.uchar)(&room[0]), &n))
}

// sign is C_SignInit and C_Sign under a mechanism without parameters whose result
// has size bytes. The wrapper would ask the module for that size each time.
func (p *plain) sign(sh p11.SessionHandle, mechanism uint, key p11.ObjectHandle, in []byte, size int) ([]byte, error) {
	if len(in) == 0 {
		in = make([]byte, 1)[:0] // some modules take no input for no pointer
	}
	out := make([]byte, size)
	n := C.ck(size)
	rv := C.call_sign(p.list, C.ck(sh), C.ck(mechanism), C.ck(key), (*C.uchar)(unsafe.SliceData(in)), C.ck(len(in)), (*C.uchar)(&out[0]), &n)
	if err := returned(rv); err != nil {
		return nil, err
	}
	if int(n) != size {
		return nil, fmt.Errorf("mechanism %#x makes %d bytes, not %d", mechanism, n, size)
	}
	return out, nil
}

// wrap is C_WrapKey under a mechanism without parameters. To be asked for the size
// first, as the wrapper does, most modules wrap twice. A blob longer than size is
// not returned; its length, where the module tells it, always is.
func (p *plain) wrap(sh p11.SessionHandle, mechanism uint, kek, key p11.ObjectHandle, size int) (blob []byte, length int, err error) {
	blob = make([]byte, size)
	n := C.ck(size)
	rv := C.call_wrap(p.list, C.ck(sh), C.ck(mechanism), C.ck(kek), C.ck(key), (*C.uchar)(&blob[0]), &n)
	if err := returned(rv); err != nil {
		return nil, int(n), err
	}
	return blob[:min(int(n), size)], int(n), nil
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
