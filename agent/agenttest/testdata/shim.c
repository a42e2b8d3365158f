/* A PKCS#11 module for tests: SoftHSM that counts PIN tries, hangs, crashes, is
 * taken out or knows one mechanism only, as files in $MOHUR_CARD_SHIM say. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long ck;
typedef ck (*any)(ck, ck, ck, ck, ck, ck, ck, ck);
typedef struct { unsigned char version[2]; any call[68]; } ck_list;

static ck_list *real;
static ck_list list;

/* Functions by their place in CK_FUNCTION_LIST. */
enum { initialize = 0, slots = 4, token_info = 6, login = 18, sign_init = 42, sign = 43 };

/* number reads a file of the directory; -1 when it is not there. */
static long number(const char *name) {
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", getenv("MOHUR_CARD_SHIM"), name);
	FILE *f = fopen(path, "r");
	long n = -1;
	if (f == NULL) return -1;
	if (fscanf(f, "%ld", &n) != 1) n = -1;
	fclose(f);
	return n;
}

static void set(const char *name, long n) {
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", getenv("MOHUR_CARD_SHIM"), name);
	FILE *f = fopen(path, "w");
	if (f == NULL) abort();
	fprintf(f, "%ld", n);
	fclose(f);
}

static void gate(int n) {
	if (number("noise") >= 0) {
		puts("a module that talks to whoever started it");
		fflush(stdout);
	}
	if (number("crash") == n) abort();
	if (number("hang") == n) {
		if (number("fork") >= 0 && fork() == 0) for (;;) pause();
		for (;;) pause();
	}
}

static ck do_initialize(ck a, ck b, ck c, ck d, ck e, ck f, ck g, ck h) {
	gate(initialize);
	return real->call[initialize](a, b, c, d, e, f, g, h);
}

static ck do_slots(ck present, ck ids, ck count, ck d, ck e, ck f, ck g, ck h) {
	gate(slots);
	if (number("gone") >= 0) {
		*(ck *)count = 0;
		return 0;
	}
	return real->call[slots](present, ids, count, d, e, f, g, h);
}

static ck do_token_info(ck slot, ck info, ck c, ck d, ck e, ck f, ck g, ck h) {
	gate(token_info);
	ck rv = real->call[token_info](slot, info, c, d, e, f, g, h);
	long left = number("tries");
	if (rv == 0 && left >= 0) {
		ck *flags = (ck *)(info + 96);
		*flags &= ~0x70000UL;
		if (left < 3) *flags |= 0x10000;
		if (left == 1) *flags |= 0x20000;
		if (left == 0) *flags |= 0x40000;
	}
	return rv;
}

static ck do_login(ck session, ck user, ck pin, ck len, ck e, ck f, ck g, ck h) {
	gate(login);
	set("logins", number("logins") < 0 ? 1 : number("logins") + 1);
	long left = number("tries");
	if (left == 0) return 0xA4; /* CKR_PIN_LOCKED */
	ck rv = real->call[login](session, user, pin, len, e, f, g, h);
	if (left > 0 && rv == 0xA0) set("tries", left - 1);
	if (left > 0 && rv == 0) set("tries", 3);
	return rv;
}

static ck do_sign_init(ck session, ck mechanism, ck key, ck d, ck e, ck f, ck g, ck h) {
	gate(sign_init);
	if (number("only") >= 0 && *(ck *)mechanism != (ck)number("only")) return 0x70; /* CKR_MECHANISM_INVALID */
	return real->call[sign_init](session, mechanism, key, d, e, f, g, h);
}

static ck do_sign(ck session, ck data, ck len, ck out, ck out_len, ck f, ck g, ck h) {
	gate(sign);
	if (number("lost") >= 0) return 0x32; /* CKR_DEVICE_REMOVED */
	ck rv = real->call[sign](session, data, len, out, out_len, f, g, h);
	if (rv == 0 && out != 0 && number("wrong") >= 0) *(unsigned char *)out ^= 1;
	return rv;
}

ck C_GetFunctionList(ck_list **out) {
	if (real == NULL) {
		void *h = dlopen(getenv("MOHUR_CARD_MODULE"), RTLD_NOW);
		if (h == NULL) return 5;
		ck (*get)(ck_list **) = (ck (*)(ck_list **))dlsym(h, "C_GetFunctionList");
		if (get == NULL || get(&real) != 0) return 5;
		memcpy(&list, real, sizeof list);
		list.call[initialize] = do_initialize;
		list.call[slots] = do_slots;
		list.call[token_info] = do_token_info;
		list.call[login] = do_login;
		list.call[sign_init] = do_sign_init;
		list.call[sign] = do_sign;
	}
	*out = &list;
	return 0;
}
