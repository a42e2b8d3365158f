/* A PKCS#11 module for tests: SoftHSM, but for calls that fail, hang or are
 * counted on command. The commands come through a shared file, so that they
 * reach a call that is already under way. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef unsigned long ck;
typedef ck (*any)(ck, ck, ck, ck, ck, ck, ck, ck);
typedef struct { unsigned char version[2]; any call[68]; } ck_list;

/* One per function, in the order of CK_FUNCTION_LIST. */
struct order {
	uint64_t rv;    /* what to answer, while left is not 0 */
	uint64_t left;  /* how often */
	uint64_t hang;  /* stay inside while this is not 0 */
	uint64_t count; /* calls so far */
	uint64_t held;  /* calls that hang now */
	uint64_t slow;  /* microseconds that each takes longer */
};

static struct order *orders;
static ck_list *real;
static ck_list list;

static ck gate(int n) {
	struct order *o = &orders[n];
	__atomic_add_fetch(&o->count, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&o->hang, __ATOMIC_SEQ_CST)) {
		__atomic_add_fetch(&o->held, 1, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(&o->hang, __ATOMIC_SEQ_CST)) usleep(1000);
		__atomic_sub_fetch(&o->held, 1, __ATOMIC_SEQ_CST);
	}
	uint64_t slow = __atomic_load_n(&o->slow, __ATOMIC_SEQ_CST);
	if (slow) usleep(slow);
	uint64_t left = __atomic_load_n(&o->left, __ATOMIC_SEQ_CST);
	while (left > 0)
		if (__atomic_compare_exchange_n(&o->left, &left, left - 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) return o->rv;
	return 0;
}

#define WRAP(n) \
	static ck call_##n(ck a, ck b, ck c, ck d, ck e, ck f, ck g, ck h) { \
		ck rv = gate(n); \
		return rv ? rv : real->call[n](a, b, c, d, e, f, g, h); \
	}
WRAP(0) WRAP(1) WRAP(12) WRAP(18) WRAP(20) WRAP(21) WRAP(22) WRAP(26) WRAP(29) WRAP(30) WRAP(33) WRAP(34)
WRAP(42) WRAP(43) WRAP(58) WRAP(60) WRAP(61) WRAP(64)

ck C_GetFunctionList(ck_list **out) {
	if (real == NULL) {
		int fd = open(getenv("MOHUR_SHIM_ORDERS"), O_RDWR);
		if (fd < 0) return 5;
		orders = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		close(fd);
		void *h = dlopen(getenv("MOHUR_SHIM_MODULE"), RTLD_NOW);
		if (orders == MAP_FAILED || h == NULL) return 5;
		ck (*get)(ck_list **) = (ck (*)(ck_list **))dlsym(h, "C_GetFunctionList");
		if (get == NULL || get(&real) != 0) return 5;
		memcpy(&list, real, sizeof list);
#define PUT(n) list.call[n] = call_##n;
		PUT(0) PUT(1) PUT(12) PUT(18) PUT(20) PUT(21) PUT(22) PUT(26) PUT(29) PUT(30) PUT(33) PUT(34)
		PUT(42) PUT(43) PUT(58) PUT(60) PUT(61) PUT(64)
	}
	*out = &list;
	return 0;
}
