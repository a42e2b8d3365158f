/* A PKCS#11 module for tests: it carries the mechanisms that p11-kit's protocol
 * does not know through it. p11-kit hides AES key wrapping, GCM and CBC, whatever
 * the module behind it can do; it does carry OAEP, whose parameters have a field
 * of free bytes. The near side, in front of p11-kit-client.so, packs a mechanism
 * into that field; the far side, between p11-kit's server and the real module,
 * unpacks it. With MOHUR_TUNNEL_HIDES the near side lets p11-kit hide what it
 * hides. It also has one function list, where p11-kit's client makes another one,
 * with a state of its own, for everyone who asks. */
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long ck;
typedef unsigned char byte;
typedef ck (*any)();
typedef struct { byte version[2]; any call[68]; } ck_list;
typedef struct { ck type; void *value; ck len; } mechanism;
typedef struct { ck hash, mgf, source; void *data; ck len; } oaep;
typedef struct { void *iv; ck ivlen, ivbits; void *aad; ck aadlen, tagbits; } gcm;

enum { OAEP = 0x9, AES_CBC = 0x1082, AES_GCM = 0x1087, AES_KEY_WRAP = 0x2109 };
enum { encrypt_init = 29, decrypt_init = 33, wrap_key = 60, unwrap_key = 61 };
enum { room = 4096 };

static ck_list *real, list;
static int near, hides;

/* box is a mechanism with everything that it points to. */
struct box { mechanism m; oaep o; gcm g; byte data[room]; };

static mechanism *pack(mechanism *m, struct box *b) {
	ck n = 0;
	if (m == NULL || hides) return m;
	if (m->type == AES_GCM) {
		gcm *g = m->value;
		if (1 + g->ivlen + g->aadlen > room || g->ivlen > 255) return m;
		b->data[n++] = g->ivlen;
		memcpy(b->data + n, g->iv, g->ivlen);
		n += g->ivlen;
		if (g->aadlen) memcpy(b->data + n, g->aad, g->aadlen);
		n += g->aadlen;
	} else if (m->type == AES_CBC && m->len <= room) {
		memcpy(b->data, m->value, n = m->len);
	} else if (m->type != AES_KEY_WRAP) {
		return m;
	}
	b->o = (oaep){ m->type, 1, 1, b->data, n };
	b->m = (mechanism){ OAEP, &b->o, sizeof b->o };
	return &b->m;
}

static mechanism *unpack(mechanism *m, struct box *b) {
	if (m == NULL || m->type != OAEP || m->len != sizeof(oaep)) return m;
	oaep *o = m->value;
	b->m = (mechanism){ o->hash, NULL, 0 };
	if (o->hash == AES_GCM) {
		byte *d = o->data;
		b->g = (gcm){ d + 1, d[0], d[0] * 8, d + 1 + d[0], o->len - 1 - d[0], 128 };
		b->m = (mechanism){ AES_GCM, &b->g, sizeof b->g };
	} else if (o->hash == AES_CBC) {
		b->m = (mechanism){ AES_CBC, o->data, o->len };
	} else if (o->hash != AES_KEY_WRAP) {
		return m;
	}
	return &b->m;
}

static mechanism *through(mechanism *m, struct box *b) { return near ? pack(m, b) : unpack(m, b); }

static ck do_encrypt_init(ck s, mechanism *m, ck key) {
	struct box b;
	return real->call[encrypt_init](s, through(m, &b), key);
}
static ck do_decrypt_init(ck s, mechanism *m, ck key) {
	struct box b;
	return real->call[decrypt_init](s, through(m, &b), key);
}
static ck do_wrap(ck s, mechanism *m, ck kek, ck key, byte *out, ck *n) {
	struct box b;
	return real->call[wrap_key](s, through(m, &b), kek, key, out, n);
}
static ck do_unwrap(ck s, mechanism *m, ck kek, byte *in, ck n, void *t, ck tn, ck *key) {
	struct box b;
	return real->call[unwrap_key](s, through(m, &b), kek, in, n, t, tn, key);
}

ck C_GetFunctionList(ck_list **out) {
	if (real == NULL) {
		/* The far side is told by its own variable: a near side in the same
		 * process does not exist. */
		const char *far = getenv("MOHUR_TUNNEL_FAR"), *path = far ? far : getenv("MOHUR_TUNNEL_NEAR");
		void *h = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
		ck (*get)(ck_list **) = h ? (ck (*)(ck_list **))dlsym(h, "C_GetFunctionList") : NULL;
		if (get == NULL || get(&real) != 0) return 5;
		near = far == NULL;
		hides = getenv("MOHUR_TUNNEL_HIDES") != NULL;
		memcpy(&list, real, sizeof list);
		list.call[encrypt_init] = (any)do_encrypt_init;
		list.call[decrypt_init] = (any)do_decrypt_init;
		list.call[wrap_key] = (any)do_wrap;
		list.call[unwrap_key] = (any)do_unwrap;
	}
	*out = &list;
	return 0;
}
