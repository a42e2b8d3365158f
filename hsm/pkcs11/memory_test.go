package pkcs11_test

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"math/big"
	"os"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"mohur/hsm"
	"mohur/hsm/pkcs11"
)

// memory searches the memory of this process, as a thief searches a core dump.
// What it seeks and what it reads lie in a mapping of their own, which is left
// out of the search.
type memory struct {
	file    *os.File
	mapping []byte
	buffer  []byte
	secret  []byte
}

func openMemory(t *testing.T) *memory {
	t.Helper()
	file, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	mapping, err := syscall.Mmap(-1, 0, 1<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Munmap(mapping) })
	return &memory{file: file, mapping: mapping, buffer: mapping[4096:]}
}

// remember says what find seeks: the secret but for its head, over which an
// allocator writes when memory is freed.
func (m *memory) remember(secret []byte) { m.secret = m.mapping[:copy(m.mapping, secret[16:])] }

// find counts the copies of the secret in everything writable.
func (m *memory) find(t *testing.T) (copies int) {
	t.Helper()
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var from, to uint64
		var rights string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &rights); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(rights, "rw") && !strings.Contains(lines.Text(), "[v") {
			copies += m.findIn(from, to)
		}
	}
	return copies
}

func (m *memory) findIn(from, to uint64) (copies int) {
	start := uint64(uintptr(unsafe.Pointer(&m.mapping[0])))
	end := start + uint64(len(m.mapping))
	for at := from; at < to; at += uint64(len(m.buffer) - len(m.secret)) {
		n, _ := m.file.ReadAt(m.buffer[:min(uint64(len(m.buffer)), to-at)], int64(at)) // unreadable pages are skipped
		for i := 0; ; i++ {
			// By its head alone: a search for the whole would hold it in a
			// vector register, which a signal writes to its stack.
			next := bytes.Index(m.buffer[i:n], m.secret[:8])
			if next < 0 {
				break
			}
			i += next
			here := at + uint64(i)
			if (here < start || here >= end) && bytes.HasPrefix(m.buffer[i:n], m.secret) {
				copies++
			}
		}
	}
	return copies
}

// TestNoSeedStaysInMemory lets secrets pass through the process in every way
// there is, and then looks for them in the whole of its memory, the C library's
// included. A signal may find a copy in a vector register and write it to its
// stack, which nobody can prevent; what is left every time is left by the code.
func TestNoSeedStaysInMemory(t *testing.T) {
	m := open(t, provisioned(t))
	if err := m.ImportTransport(t.Context(), "x", bytes.Clone(transportValue)); err != nil {
		t.Fatal(err)
	}
	public, err := m.MakeTransport(t.Context(), "pair", 2048)
	if err != nil {
		t.Fatal(err)
	}
	mem := openMemory(t)
	for name, pass := range map[string]func(*testing.T, *pkcs11.Module, *memory){
		"wrapping":   passWrapSeed,
		"drawing":    passRandom,
		"decrypting": passDecrypt,
		"unwrapping": passUnwrap,
		"PKCS1v15":   passRSA(hsm.PKCS1v15, public),
		"OAEP":       passRSA(hsm.OAEP, public),
	} {
		left := 0
		for range 4 {
			pass(t, m, mem)
			if mem.find(t) != 0 {
				left++
			}
		}
		if left == 4 {
			t.Errorf("%s leaves copies", name)
		}
	}
}

func passWrapSeed(t *testing.T, m *pkcs11.Module, mem *memory) {
	onHeap := make(chan []byte, 1) // a stack that grows leaves copies of its own
	onHeap <- make([]byte, hsm.MaxSeed)
	seed := <-onHeap
	_, _ = rand.Read(seed) // never fails
	mem.remember(seed)
	if mem.find(t) < 1 {
		t.Fatal("the search does not find a seed that is there")
	}
	if _, err := m.WrapSeed(t.Context(), seed); err != nil {
		t.Fatal(err)
	}
}

func passRandom(t *testing.T, m *pkcs11.Module, mem *memory) {
	seed, err := m.Random(t.Context(), hsm.MaxSeed)
	if err != nil {
		t.Fatal(err)
	}
	mem.remember(seed)
	clear(seed)
}

func passDecrypt(t *testing.T, m *pkcs11.Module, mem *memory) {
	box := make([]byte, hsm.MaxSeed+16)
	_, _ = rand.Read(box) // another text each time
	text, err := m.DecryptCBC(t.Context(), hsm.Transport("x"), box[:16], box[16:])
	if err != nil {
		t.Fatal(err)
	}
	mem.remember(text)
	clear(text)
}

// passUnwrap wraps in place: nothing of the text is left by the test itself.
func passUnwrap(t *testing.T, m *pkcs11.Module, mem *memory) {
	c, err := aes.NewCipher(transportValue)
	if err != nil {
		t.Fatal(err)
	}
	box, block := bytes.Repeat([]byte{0xA6}, 8+hsm.MaxSeed), make([]byte, aes.BlockSize)
	_, _ = rand.Read(box[8:]) // never fails
	for s := range 6 * hsm.MaxSeed / 8 {
		r := box[8+s*8%hsm.MaxSeed:][:8]
		copy(block, box[:8])
		copy(block[8:], r)
		c.Encrypt(block, block)
		binary.BigEndian.PutUint64(box, binary.BigEndian.Uint64(block)^uint64(s+1))
		copy(r, block[8:])
	}
	text, err := m.DecryptKW(t.Context(), hsm.Transport("x"), box)
	if err != nil {
		t.Fatal(err)
	}
	mem.remember(text)
	clear(text)
}

// encryptedPKCS1 encrypts with a padding of its own, which it clears.
func encryptedPKCS1(public *rsa.PublicKey, text []byte) []byte {
	em := bytes.Repeat([]byte{1}, public.Size())
	defer clear(em)
	em[0], em[1], em[len(em)-len(text)-1] = 0, 2, 0
	copy(em[len(em)-len(text):], text)
	c := new(big.Int).Exp(new(big.Int).SetBytes(em), big.NewInt(int64(public.E)), public.N)
	return c.FillBytes(make([]byte, public.Size()))
}

func passRSA(padding hsm.RSAPadding, public *rsa.PublicKey) func(*testing.T, *pkcs11.Module, *memory) {
	return func(t *testing.T, m *pkcs11.Module, mem *memory) {
		text := make([]byte, hsm.MaxSeed)
		_, _ = rand.Read(text) // never fails
		var box []byte
		var err error
		if padding == hsm.OAEP {
			box, err = rsa.EncryptOAEP(sha1.New(), rand.Reader, public, text, nil)
		} else {
			box = encryptedPKCS1(public, text)
		}
		clear(text)
		if err != nil {
			t.Fatal(err)
		}
		text, err = m.DecryptRSA(t.Context(), hsm.Transport("pair"), padding, box)
		if err != nil {
			t.Fatal(err)
		}
		mem.remember(text)
		clear(text)
	}
}
