package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mohur/hsm"
	"mohur/ident"
	"mohur/tokens/pskc"
	"mohur/tokens/pskc/pskctest"
)

// secret is something that must not be in the memory of the server.
type secret struct {
	name  string
	bytes []byte
}

// needle is one form of a secret, as it would stand in memory.
type needle struct {
	name string
	text []byte
}

// leastNeedle is the shortest form that chance does not put there.
const leastNeedle = 7

// needles are all forms of a secret: as it is, in hexadecimal, in base64 and in
// base32, these two at every alignment in a longer text. A long secret is sought
// by its halves: whoever frees memory writes over its beginning.
func (s secret) needles() (found []needle) {
	add := func(form string, text []byte) {
		if len(text) >= leastNeedle && !slices.ContainsFunc(found, func(n needle) bool { return bytes.Equal(n.text, text) }) {
			found = append(found, needle{s.name + " " + form, text})
		}
	}
	parts := [][]byte{s.bytes}
	if len(s.bytes) >= 16 {
		parts = [][]byte{s.bytes[:len(s.bytes)/2], s.bytes[len(s.bytes)/2:]}
	}
	for _, part := range parts {
		add("raw", part)
		digits := hex.EncodeToString(part)
		add("hex", []byte(digits))
		add("HEX", []byte(strings.ToUpper(digits)))
		for at := range 3 {
			for name, enc := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
				add(name, inside(enc.EncodeToString(padded(at, part, 3)), at, len(part), 3, 4))
			}
		}
		for at := range 5 {
			text := inside(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(padded(at, part, 5)), at, len(part), 5, 8)
			add("base32", text)
			add("base32 small", bytes.ToLower(text))
		}
	}
	return found
}

// padded puts part at a place in a block.
func padded(at int, part []byte, block int) []byte {
	return append(append(make([]byte, at), part...), make([]byte, block)...)
}

// inside is what of an encoding depends on nothing but the part: of blocks of so
// many bytes, written as so many characters.
func inside(text string, at, n, block, characters int) []byte {
	first := (at*8*characters + block*8 - 1) / (block * 8)
	last := (at + n) * characters / block
	return []byte(text[first:last])
}

// TestNeedles: the search finds a secret in whatever it is written.
func TestNeedles(t *testing.T) {
	s := secret{"s", make([]byte, 20)}
	rand.Read(s.bytes)
	for before := range 6 {
		text := append(append(make([]byte, before), s.bytes...), 1, 2, 3)
		for form, written := range map[string]string{
			"raw": string(text), "hex": hex.EncodeToString(text), "HEX": fmt.Sprintf("%X", text),
			"base64": base64.StdEncoding.EncodeToString(text), "base64url": base64.URLEncoding.EncodeToString(text),
			"base32": base32.StdEncoding.EncodeToString(text),
		} {
			hits := 0
			for _, n := range s.needles() {
				hits += strings.Count(written, string(n.text))
			}
			if hits < 2 { // both halves
				t.Errorf("%s after %d bytes is not found", form, before)
			}
		}
	}
}

// bearer is a customer with a token and a PIN of his own.
type bearer struct {
	*person
	device *demoToken
	pin    string
}

// keyed gives every request an Idempotency-Key: the server writes the body down
// once more for it, in canonical form.
type keyed struct{ *http.Transport }

func (k keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		r = r.Clone(r.Context())
		r.Header.Set("Idempotency-Key", ident.New("key"))
	}
	return k.Transport.RoundTrip(r)
}

func (b *bearer) answer(code string) string {
	var a attempt
	err := b.cl.call(context.Background(), http.MethodPost, "/v1/authentications", map[string]any{
		"customer": b.id, "purpose": "login", "channel": "pc",
		"responses": []map[string]string{{"method": "otp", "code": code}, {"method": "pin", "pin": b.pin}},
	}, &a)
	var refused *problemError
	switch {
	case errors.As(err, &refused):
		return strings.TrimPrefix(refused.Type, "urn:mohur:problem:")
	case err != nil:
		return err.Error()
	}
	return a.State
}

// newPIN is twelve digits that follow no rule.
func newPIN(t *testing.T) string {
	t.Helper()
	digits := make([]byte, 12)
	rand.Read(digits)
	for i := range digits {
		digits[i] = '0' + digits[i]%10
	}
	return string(digits)
}

// seedFile is what a manufacturer sends: seeds under a transport key.
func seedFile(t *testing.T, key []byte, devices []*demoToken) (path string) {
	t.Helper()
	var file bytes.Buffer
	w := pskctest.NewEncryptedWriter(&file, key, "acme", hsm.SHA256)
	for _, d := range devices {
		w.Add(pskctest.Key{Serial: d.serial, Algorithm: pskc.HOTP, Digits: 6, Secret: bytes.Clone(d.hotpSeed)})
	}
	path = filepath.Join(t.TempDir(), "batch.xml")
	if err := errors.Join(w.Close(), os.WriteFile(path, file.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
	return path
}

func (r *remote) bearers(devices []*demoToken) (all []*bearer) {
	r.t.Helper()
	for i, d := range devices {
		b := &bearer{&person{t: r.t, cl: r.admin(), id: "C-" + d.serial}, d, newPIN(r.t)}
		if i%2 == 0 {
			b.cl.http.Transport = keyed{b.cl.http.Transport.(*http.Transport)}
		}
		b.call(http.MethodPut, "/v1/customers/"+b.id, map[string]any{
			"name": "A B", "locale": "en", "segment": "retail", "contacts": map[string]string{"phone": "+994501234567", "email": "a@b.example"},
			"contract_ref": "K", "contract_version": "1", "kyc_ref": "V",
		}, nil)
		b.call(http.MethodPut, "/v1/customers/"+b.id+"/pin", map[string]any{
			"pin": b.pin, "proof": map[string]string{"activation_secret": b.secret("pin", "")},
		}, nil)
		b.receive(d.serial, d.code)
		all = append(all, b)
	}
	return all
}

// check lets the bearers answer until so many answers were judged, one in four
// of them right.
func check(t *testing.T, all []*bearer, answers int) {
	t.Helper()
	var left atomic.Int64
	left.Store(int64(answers))
	var group sync.WaitGroup
	for _, b := range all {
		group.Go(func() {
			wrong := wrongCode(b.device)
			for n := 0; left.Add(-1) >= 0; n++ {
				want, code := "authentication-failed", wrong
				if n%4 == 3 {
					want, code = "granted", b.device.code()
				}
				if state := b.answer(code); state != want {
					t.Errorf("answer %d of %s is %s, not %s", n, b.id, state, want)
					return
				}
			}
		})
	}
	group.Wait()
}

// others lets requests of others pass, until the garbage of those before has been
// collected: what was typed last may lie in the buffers of the network till then.
func (r *remote) others() {
	r.t.Helper()
	cl := r.admin()
	collections := func() (n int) {
		resp, err := cl.http.Get(cl.base + "/metrics")
		if err != nil {
			r.t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			r.t.Fatal(err)
		}
		if m := regexp.MustCompile(`(?m)^go_gc_duration_seconds_count (\d+)$`).FindSubmatch(text); m != nil {
			n, _ = strconv.Atoi(string(m[1])) // digits
		}
		return n
	}
	for before, end := collections(), time.Now().Add(time.Minute); collections() < before+5; {
		if time.Now().After(end) {
			r.t.Fatal("nothing is collected")
		}
		for range 200 {
			if err := cl.call(context.Background(), http.MethodGet, "/v1/tokens", nil, nil); err != nil {
				r.t.Fatal(err)
			}
		}
	}
}

// core dumps the memory of the server's process.
func (r *remote) core() []byte {
	r.t.Helper()
	prefix := filepath.Join(r.t.TempDir(), "core")
	pid := fmt.Sprint(r.cmd.Process.Pid)
	out, err := exec.CommandContext(r.t.Context(), "gcore", "-o", prefix, pid).CombinedOutput()
	if err != nil {
		r.t.Fatalf("gcore (Debian package gdb; it needs the right to trace): %v\n%s", err, out)
	}
	file, err := os.Open(prefix + "." + pid)
	if err != nil {
		r.t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		r.t.Fatal(err)
	}
	dump, err := syscall.Mmap(int(file.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_PRIVATE)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = syscall.Munmap(dump) })
	return dump
}

// search calls found for every place of a needle in the dump. A dump has
// gigabytes, most of them zero, and there are hundreds of needles: one pass for
// all of them, by their first bytes.
func search(dump []byte, needles []needle, found func(n needle, at int)) {
	const page = 4096
	zero := make([]byte, page)
	heads := make([]bool, 1<<24)
	byHead := map[string][]needle{}
	for _, n := range needles {
		heads[head(n.text)] = true
		byHead[string(n.text[:leastNeedle])] = append(byHead[string(n.text[:leastNeedle])], n)
	}
	for at := 0; at+leastNeedle <= len(dump); at++ {
		// The last bytes before an empty page may begin nothing either.
		if at%page == 0 && at+page <= len(dump) && bytes.Equal(dump[at:at+page], zero) {
			at += page - 1
			continue
		}
		if !heads[head(dump[at:])] {
			continue
		}
		for _, n := range byHead[string(dump[at:at+leastNeedle])] {
			if bytes.HasPrefix(dump[at:], n.text) {
				found(n, at)
			}
		}
	}
}

func head(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }

// TestClause5_3_1_NoSecretInMemory is the thief who gets a dump of the server's
// memory, by a crash, a backup of the machine or as its administrator. The
// module is in another process, as an HSM is in another machine. After an import
// and a thousand answers he finds no seed, no PIN and no key, in any encoding. The
// server sees to it by itself that memory is overwritten when it is freed
// (clearing.go): without, a module's library leaves seeds and keys of an import
// there (p11-kit's does), and closed connections the PINs that came over them.
func TestClause5_3_1_NoSecretInMemory(t *testing.T) {
	r := newRemote(t, "call_timeout", "10s")
	r.serve()
	transport := make([]byte, 32)
	rand.Read(transport)
	keyFile := filepath.Join(t.TempDir(), "acme.hex")
	if err := os.WriteFile(keyFile, []byte(hex.EncodeToString(transport)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, "keys", "import-transport", "acme", "--file", keyFile, "--config", r.file)
	var devices []*demoToken
	for i := range 6 {
		devices = append(devices, newDemoToken(fmt.Sprintf("MEM-%d", i)))
	}
	if out := must(t, "token", "import", seedFile(t, transport, devices), "--transport-key", "acme", "--config", r.file); !strings.Contains(out, "6 of 6") {
		t.Fatal(out)
	}
	all := r.bearers(devices)
	began := time.Now()
	check(t, all, 1000)
	t.Logf("1,000 answers in %v", time.Since(began))
	for _, b := range all {
		b.cl.http.CloseIdleConnections() // a connection keeps the last that came over it
	}
	r.others()

	secrets := []secret{{"the transport key", transport}, {"the HSM's PIN", []byte(r.pin())}}
	for _, b := range all {
		secrets = append(secrets, secret{"the seed of " + b.device.serial, b.device.hotpSeed}, secret{"the PIN of " + b.id, []byte(b.pin)})
	}
	dump := r.core()
	if !bytes.Contains(dump, []byte("MEM-0")) {
		t.Fatal("the dump does not even hold a serial number: the search proves nothing")
	}
	t.Logf("a dump of %d MiB", len(dump)>>20)
	var needles []needle
	for _, s := range secrets {
		needles = append(needles, s.needles()...)
	}
	search(dump, needles, func(n needle, at int) {
		t.Errorf("%s: %q", n.name, dump[max(0, at-60):min(len(dump), at+len(n.text)+40)])
	})
}
