package custody_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"strings"
	"testing"
	"time"

	"mohur/audit"
	"mohur/custody"
	"mohur/problem"
)

// What a writer of the store changes about a half makes it useless, and is told.
func TestClause5_3_6_AHalfEditedInTheStoreIsRefused(t *testing.T) {
	for name, edit := range map[string]func(*custody.Half){
		"its person":      func(h *custody.Half) { h.By = "cl_carol" },
		"its time":        func(h *custody.Half) { h.ExpiresAt = h.ExpiresAt.Add(48 * time.Hour) },
		"its ceremony":    func(h *custody.Half) { h.Ceremony = "kc_other" },
		"its seal":        func(h *custody.Half) { h.Sealed[20] ^= 1 },
		"no seal":         func(h *custody.Half) { h.Sealed = nil },
		"its claim":       func(h *custody.Half) { h.ClaimedUntil = h.CreatedAt },
		"its size":        func(h *custody.Half) { h.Size = 16 },
		"what it expects": func(h *custody.Half) { h.Expected = nil },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			h := b.waits(b.anna, b.one, func(c *custody.BringCommand) { c.OfKey = &custody.Expected{Form: custody.CMAC, Value: "000000"} })
			h, err := b.Engine.Half(t.Context(), h.Name)
			if err != nil {
				t.Fatal(err)
			}
			edit(&h)
			h.Version++
			b.thief(custody.SaveHalf{Half: h})
			b.refused(problem.Conflict, "changed", b.boris, b.two)
			b.refused(problem.Conflict, "changed", b.anna, b.two)
			if n := b.Count("incident.opened", "", "record.tampered"); n != 1 {
				t.Errorf("%d incidents", n)
			}
			// Cancelled, the ceremony begins again.
			if err := b.service().Cancel(t.Context(), b.boris, b.name); err != nil {
				t.Fatal(err)
			}
			b.waits(b.anna, b.one)
			b.makes(b.boris, b.two)
		})
	}
}

// The seal alone, without the MAC of the record, binds a half to name and person.
func TestAHalfOpensForItsPlaceOnly(t *testing.T) {
	for name, edit := range map[string]func(*custody.Half){
		"person":   func(h *custody.Half) { h.By = "cl_carol" },
		"ceremony": func(h *custody.Half) { h.Ceremony = "kc_other" },
		"name":     func(h *custody.Half) { h.Name += "-x" },
		"seal":     func(h *custody.Half) { h.Sealed = h.Sealed[:len(h.Sealed)-1] },
	} {
		b := newBank(t)
		h := b.waits(b.anna, b.one)
		edit(&h)
		h.Version = 2
		if h.Name != b.name {
			h.Version, b.name = 1, h.Name
		}
		b.thief(custody.SaveHalf{Half: h})
		s := b.service()
		s.Store = b.Engine
		if out, err := s.Bring(t.Context(), custody.BringCommand{Caller: b.boris, Name: b.name, Half: bytes.Clone(b.two)}); !problem.Is(err, problem.Conflict) || b.inside() {
			t.Errorf("%s: %+v, %v", name, out, err)
		}
	}
}

// Nothing of a half or key is in the store, in whatever encoding, nor in what the
// audit log keeps sealed.
func TestClause5_11_NothingOfAHalfIsKeptInTheClear(t *testing.T) {
	b := newBank(t)
	b.waits(b.anna, b.one)
	look := func(what string, text []byte) {
		t.Helper()
		for name, secret := range map[string][]byte{"the first half": b.one, "the second half": b.two, "the key": b.key} {
			for encoding, form := range map[string]string{
				"raw": string(secret), "hex": hex.EncodeToString(secret), "HEX": strings.ToUpper(hex.EncodeToString(secret)), "base64": base64.StdEncoding.EncodeToString(secret)[:40],
			} {
				if bytes.Contains(text, []byte(form)) {
					t.Errorf("%s is in %s (%s)", name, what, encoding)
				}
			}
		}
	}
	rows := func() {
		t.Helper()
		h, err := b.Engine.Half(t.Context(), b.name)
		if err == nil {
			look("the row", h.Sealed)
		}
		entries, err := b.Engine.Entries(t.Context(), 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			header, err := audit.ParseHeader(e.Header)
			if err != nil {
				t.Fatal(err)
			}
			look("a header", e.Header)
			if !strings.HasPrefix(header.Event, "key.") {
				continue
			}
			body, err := b.Audit.Open(t.Context(), audit.Person{}, e)
			if err != nil {
				t.Fatal(err)
			}
			look("a body", body)
			kcv, _ := custody.KCVOf(b.one)
			if bytes.Contains(body, []byte(kcv.CMAC)) || bytes.Contains(body, []byte(kcv.ECB)) {
				t.Errorf("the check value of a half is on record: %s", body)
			}
		}
	}
	rows()
	b.makes(b.boris, b.two)
	rows()
	text, err := os.ReadFile(b.Path)
	if err != nil {
		t.Fatal(err)
	}
	look("the store's file", text)
}
