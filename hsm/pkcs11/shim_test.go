package pkcs11_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"mohur/hsm/pkcs11"
)

// Functions of the shim, numbered as in CK_FUNCTION_LIST.
const (
	initialize = 0
	finalize   = 1
	opening    = 12 // C_OpenSession
	login      = 18
	creating   = 20 // C_CreateObject
	copying    = 21 // C_CopyObject
	finding    = 26 // C_FindObjectsInit
	decrypting = 34
	signInit   = 42
	signing    = 43
	generating = 58
	wrapping   = 60
	unwrapping = 61
	functions  = 68

	forever = 1 << 62
)

// order is struct order of testdata/shim.c.
type order struct {
	rv, left, hang, count, held, slow uint64
}

// shim is a PKCS#11 library made for these tests: SoftHSM that fails, hangs and
// counts on command.
type shim struct {
	path   string
	orders *[functions]order
}

var theShim shim

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "mohur-shim-")
	if err == nil {
		theShim, err = buildShim(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the PKCS#11 shim of these tests cannot be built:", err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func buildShim(dir string) (s shim, err error) {
	s.path = filepath.Join(dir, "shim.so")
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "gcc" // as cgo does, without which nothing here compiles
	}
	out, err := exec.Command(cc, "-O1", "-Wall", "-shared", "-fPIC", "-o", s.path, "testdata/shim.c", "-ldl").CombinedOutput()
	if err != nil {
		return s, fmt.Errorf("%w: %s", err, out)
	}
	library, err := pkcs11.FindSoftHSM()
	if err != nil {
		return s, err
	}
	file, err := os.Create(filepath.Join(dir, "orders"))
	if err != nil {
		return s, err
	}
	defer file.Close()
	if err := file.Truncate(4096); err != nil {
		return s, err
	}
	mapped, err := syscall.Mmap(int(file.Fd()), 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return s, err
	}
	s.orders = (*[functions]order)(unsafe.Pointer(&mapped[0]))
	os.Setenv("MOHUR_SHIM_ORDERS", file.Name())
	os.Setenv("MOHUR_SHIM_MODULE", library)
	return s, nil
}

// fail makes the next calls of a function answer rv.
func (s shim) fail(function int, rv uint64, times uint64) {
	atomic.StoreUint64(&s.orders[function].rv, rv)
	atomic.StoreUint64(&s.orders[function].left, times)
}

func (s shim) heal(function int) { s.fail(function, 0, 0) }

func (s shim) hang(function int)    { atomic.StoreUint64(&s.orders[function].hang, 1) }
func (s shim) release(function int) { atomic.StoreUint64(&s.orders[function].hang, 0) }

// slow makes each call of a function take longer.
func (s shim) slow(function int, by time.Duration) {
	atomic.StoreUint64(&s.orders[function].slow, uint64(by.Microseconds()))
}

func (s shim) count(function int) uint64 { return atomic.LoadUint64(&s.orders[function].count) }
func (s shim) held(function int) uint64  { return atomic.LoadUint64(&s.orders[function].held) }

// reset takes all orders back at the end of a test.
func (s shim) reset() {
	for n := range functions {
		s.heal(n)
		s.release(n)
		s.slow(n, 0)
	}
}

// eventually waits for something that happens in the background.
func eventually(t *testing.T, within time.Duration, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatalf("%s: not within %v", what, within)
}
