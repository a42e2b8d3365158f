package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mohur/audit"
	"mohur/authn"
	"mohur/ident"
	"mohur/parties"
	"mohur/payment"
	"mohur/settle"
	"mohur/store"
	"mohur/tokens"
)

// sampleFile returns the bytes of a store with something of everything: deep
// trees, small buckets inside of others, and values that need many pages.
func sampleFile(t testing.TB) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sample.db")
	s, err := Open(Options{Path: path, Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		c := settle.Command{Entries: []audit.Draft{testDraft("sample")}}
		c.Entries[0].Sealed = make([]byte, 20<<10)
		for n := range 150 {
			id := fmt.Sprintf("%d-%d", i, n)
			c.Effects = append(c.Effects,
				tokens.SaveToken{Token: tokens.Token{ID: id, Serial: id, Customer: "cu", Version: 1}},
				settle.SwapHot{Hot: settle.Hot{ID: id, State: settle.HotLive, Version: 1}},
				authn.SaveAttempt{Attempt: authn.Attempt{ID: id, Customer: "cu", State: authn.Pending, SHA256: []byte(id), Version: 1}})
		}
		c.Effects = append(c.Effects, payment.SaveTransaction{Transaction: payment.Transaction{ID: fmt.Sprint(i), Reference: fmt.Sprint(i), Version: 1}})
		if r, err := s.Settle(t.Context(), c); err != nil || r.Outcome != settle.Done {
			t.Fatal(r.Outcome, err)
		}
	}
	var copied bytes.Buffer
	if _, err := s.WriteTo(t.Context(), &copied); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return copied.Bytes()
}

// openBytes opens a file of these bytes and, if it opens, reads and writes in
// all of it. Whatever is wrong with it must be an error, never the end of the
// process.
func openBytes(t testing.TB, file []byte) error {
	path := filepath.Join(t.TempDir(), "damaged.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(Options{Path: path, Node: "n1"})
	if err != nil {
		if strings.Contains(err.Error(), "freepages") {
			t.Errorf("bbolt was given pages it panics on: %v", err)
		}
		return err
	}
	defer s.Close()
	ctx := t.Context()
	s.Entries(ctx, 0, 1000)
	s.Tokens(ctx, tokens.Filter{Query: "none"}, "", 100)
	s.TokensOf(ctx, "cu")
	s.OpenAttempts(ctx, "cu", authn.Attempt{}.ExpiresAt)
	s.Transactions(ctx, payment.Filter{}, "", 100)
	s.Clients(ctx)
	var ids []string
	for i := range 900 {
		ids = append(ids, fmt.Sprintf("%d-%d", i/150, i%150))
	}
	s.Hot(ctx, ids...)
	s.Settle(ctx, testCommand("3-77", 2))
	s.Settle(ctx, testCommand("new", 1))
	return nil
}

// TestCutOff: a file cut off anywhere below its last page is refused in words.
func TestCutOff(t *testing.T) {
	file := sampleFile(t)
	if err := openBytes(t, file); err != nil {
		t.Fatal(err)
	}
	sizes := []int{1, 15, 80, 1023, 1024, 4095, 4096, 4097, 8191, 8192, 16384, len(file) / 2, len(file) - 4096, len(file) - 1}
	for range 40 {
		sizes = append(sizes, 1+rand.IntN(len(file)-1))
	}
	for _, size := range sizes {
		if err := openBytes(t, file[:size]); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("cut off at %d of %d: %v, want ErrDamaged", size, len(file), err)
		}
	}
}

// TestOverwritten: bytes anywhere in the file overwritten are an error or go
// unseen by the pages; they do not end the process.
func TestOverwritten(t *testing.T) {
	file := sampleFile(t)
	rounds, refused := 150, 0
	if testing.Short() {
		rounds = 30
	}
	for range rounds {
		damaged := bytes.Clone(file)
		at, n := rand.IntN(len(file)), 1+rand.IntN(64)
		if rand.IntN(2) == 0 {
			at = at / 4096 * 4096 // the heads of pages are where it hurts
		}
		for i := at; i < min(at+n, len(file)); i++ {
			damaged[i] = byte(rand.IntN(256))
		}
		t.Logf("%d bytes at %d", n, at)
		if openBytes(t, damaged) != nil {
			refused++
		}
	}
	if refused == 0 {
		t.Error("nothing was refused: this test shows nothing")
	}
	for name, damaged := range map[string][]byte{
		"zeros":   make([]byte, len(file)),
		"foreign": bytes.Repeat([]byte("not a database. "), 4096),
		"heads":   append(make([]byte, 8192), file[8192:]...),
	} {
		if err := openBytes(t, damaged); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("%s: %v, want ErrDamaged", name, err)
		}
	}
	// One head of two is what a power failure leaves.
	if err := openBytes(t, append(make([]byte, 4096), file[4096:]...)); err != nil {
		t.Errorf("with the second head alone: %v", err)
	}
}

// TestKeysOutOfBounds: a key changed so that it is in order on its own page and
// not in the tree is found before bbolt finds it.
func TestKeysOutOfBounds(t *testing.T) {
	file := sampleFile(t)
	found, opened := 0, 0
	for at := 2 * 4096; at < len(file); at += 4096 {
		page := file[at : at+4096]
		if native.Uint16(page[8:]) != pageLeaf || native.Uint16(page[10:]) < 2 || native.Uint64(page) != uint64(at/4096) {
			continue
		}
		n := int(native.Uint16(page[10:]))
		for i, to := range map[int]byte{0: 0x00, n - 1: 0xff} {
			damaged := bytes.Clone(file)
			e, err := readElement(damaged[at+pageHeader+i*elementSize:at+4096], false)
			if err != nil || len(e.key) == 0 {
				continue
			}
			e.key[0] = to
			if err := checkPages(bytes.NewReader(damaged), int64(len(damaged))); errors.Is(err, store.ErrDamaged) {
				found++
			} else if opened++; opened < 10 {
				openBytes(t, damaged) // which fails if it is bbolt that finds it
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d changed keys were found: this test shows nothing", found)
	}
}

// FuzzOverwritten is TestOverwritten with a patch of the fuzzer's choice.
func FuzzOverwritten(f *testing.F) {
	file := sampleFile(f)
	f.Add(uint32(0), []byte{0})
	f.Add(uint32(4096+16), []byte("\xED\xDA\x0C\xED"))
	f.Add(uint32(3*4096+8), []byte{0x01, 0, 0xff, 0xff, 0xff, 0, 0, 0})
	f.Fuzz(func(t *testing.T, at uint32, patch []byte) {
		damaged := bytes.Clone(file)
		copy(damaged[int(at)%len(file):], patch)
		if err := openBytes(t, damaged); err == nil && int(at)%len(file) >= 8192 && len(patch) > 0 {
			if err := checkPages(bytes.NewReader(damaged), int64(len(damaged))); err != nil {
				t.Errorf("opened, and yet %v", err)
			}
		}
	})
}

// TestDamagedRecord: a record that is not what was written is an error, not
// another record, and not "not found".
func TestDamagedRecord(t *testing.T) {
	s := openTest(t, Options{})
	for _, id := range []string{"C-one", "C-two"} {
		mustSettle(t, s, settle.Command{
			Effects: []settle.Effect{parties.SaveCustomer{Customer: parties.Customer{ID: id, Version: 1}}, settle.Reserve{Key: id, Amount: 1, Ceiling: 9}},
			Entries: []audit.Draft{testDraft("saved")},
		})
	}
	var other []byte
	edited(t, s, inCustomers, "C-two", func(b []byte) []byte { other = b; return b })
	edits := map[string]func([]byte) []byte{
		"empty JSON":    func(b []byte) []byte { return b[:10] },
		"cut":           func(b []byte) []byte { return b[:len(b)-1] },
		"one byte":      func(b []byte) []byte { return b[:1] },
		"format":        func(b []byte) []byte { b[0]++; return b },
		"version":       func(b []byte) []byte { b[8]++; return b },
		"another's":     func([]byte) []byte { return other },
		"too many rows": func(b []byte) []byte { b[9] = 0x7f; return b },
	}
	var whole []byte
	edited(t, s, inCustomers, "C-one", func(b []byte) []byte { whole = b; return b })
	for name, edit := range edits {
		edited(t, s, inCustomers, "C-one", func([]byte) []byte { return edit(bytes.Clone(whole)) })
		if c, err := s.Customer(t.Context(), "C-one"); !errors.Is(err, store.ErrDamaged) || c.ID != "" {
			t.Errorf("%s: %+v, %v; want ErrDamaged", name, c, err)
		} else if strings.Contains(err.Error(), "C-one") || strings.Contains(err.Error(), "C-two") || !strings.Contains(err.Error(), ident.Digest("C-one")) {
			t.Errorf("%s: the error names a customer: %v", name, err)
		}
	}
	edited(t, s, inSums, "C-one", func(b []byte) []byte { b[0] = 0xff; return b })
	if _, err := s.Reserved(t.Context(), "C-one", s.now()); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("a sum below zero: %v, want ErrDamaged", err)
	}
	if r, err := s.Settle(t.Context(), settle.Command{Effects: []settle.Effect{settle.Reserve{Key: "C-one", Amount: 1, Ceiling: 9}}, Entries: []audit.Draft{testDraft("x")}}); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("a reservation on it: %s, %v; want ErrDamaged", r.Outcome, err)
	}
	mustSettle(t, s, testCommand("c", 1)) // others are served
}

// TestDamagedIndex: an index that leads nowhere is an error, and a damaged
// record does not keep the others from being swept.
func TestDamagedIndex(t *testing.T) {
	s := openTest(t, Options{})
	c := settle.Command{Entries: []audit.Draft{testDraft("saved")}}
	for _, id := range []string{"a", "b", "c"} {
		c.Effects = append(c.Effects, tokens.SaveToken{Token: tokens.Token{ID: id, Version: 1}}, authn.SaveAttempt{Attempt: authn.Attempt{ID: id, Version: 1}})
	}
	mustSettle(t, s, c)
	edited(t, s, inTokens, "b", func([]byte) []byte { return nil })
	if list, _, err := s.Tokens(t.Context(), tokens.Filter{}, "", 10); !errors.Is(err, store.ErrDamaged) || errors.Is(err, parties.ErrNotFound) {
		t.Errorf("%d tokens, %v; want ErrDamaged", len(list), err)
	}
	edited(t, s, inAttempts, "b", func(b []byte) []byte { return b[:5] })
	orphan := removal(s.now().Add(-time.Hour), inAttempts, "orphan")
	edited(t, s, expiry, orphan.key, func([]byte) []byte { return []byte("orphan") })
	for _, whole := range []int{3, 0} { // two attempts and the row that leads nowhere
		n, err := s.Sweep(t.Context(), s.now(), 100)
		if n != whole || !errors.Is(err, store.ErrDamaged) {
			t.Errorf("swept %d of the %d that can be, %v; want ErrDamaged", n, whole, err)
		}
	}
	edited(t, s, inEntries, sequence(0), func(b []byte) []byte { return b[:len(b)-1] })
	if e, err := s.Entries(t.Context(), 0, 10); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("%d entries, %v; want ErrDamaged", len(e), err)
	}
}

// TestDamagedHot: a row that cannot be read and whose index is gone is not taken
// for a place that is free.
func TestDamagedHot(t *testing.T) {
	s := openTest(t, Options{})
	mustSettle(t, s, testCommand("a", 1))
	edited(t, s, inHot, "a", func(b []byte) []byte { return b[:9] })
	edited(t, s, inHotVersion, "a", func([]byte) []byte { return nil })
	if r, err := s.Settle(t.Context(), testCommand("a", 1)); err != nil || r.Outcome != settle.Stale {
		t.Errorf("%s, %v; want stale", r.Outcome, err)
	}
	rows, err := s.Hot(t.Context(), "a")
	if err != nil || rows[0].Found || rows[0].Hot.State != settle.HotQuarantined {
		t.Errorf("%+v, %v", rows, err)
	}
}
