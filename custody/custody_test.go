package custody_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"mohur/custody"
	"mohur/ident"
	"mohur/parties"
	"mohur/problem"
)

// Clause 5.3.6: a key comes in by two people, of whom neither has the whole.
func TestClause5_3_6_TwoCustodiansMakeAKey(t *testing.T) {
	b := newBank(t)
	h := b.waits(b.anna, b.one)
	if h.ByName != "anna" || !h.ExpiresAt.Equal(h.CreatedAt.Add(24*time.Hour)) || len(b.waiting()) != 1 {
		t.Errorf("what waits: %+v", h)
	}
	if b.inside() {
		t.Fatal("one half is in the HSM")
	}
	b.makes(b.boris, b.two)
	if len(b.waiting()) != 0 {
		t.Error("a half still waits")
	}
	b.record("key.half waiting cl_anna", "key.import begun cl_boris", "key.import done cl_boris")
	// The name is taken now.
	b.refused(problem.Conflict, "", b.anna, b.one)
	if err := b.service().Delete(t.Context(), b.anna, b.name); err != nil || b.inside() {
		t.Errorf("deleting: %v", err)
	}
}

// Clause 5.3.6: the same person does not bring both halves, on whatever day.
func TestClause5_3_6_OnePersonDoesNotBringBothHalves(t *testing.T) {
	b := newBank(t)
	b.waits(b.anna, b.one)
	for range 2 {
		b.refused(problem.Conflict, "same-person", b.anna, b.two)
	}
	again := b.anna // another of her keys, another terminal
	again.Name, again.Source, again.Request, again.Development = "somebody else", "192.0.2.9", ident.New("rq"), true
	b.refused(problem.Conflict, "same-person", again, b.two)
	b.restart()
	b.Clock.Forward(23 * time.Hour)
	b.refused(problem.Conflict, "same-person", b.anna, b.two)
	b.makes(b.boris, b.two)
}

// In development one person brings a whole key, and nowhere else.
func TestClause5_3_6_AWholeKeyIsForDevelopment(t *testing.T) {
	b := newBank(t)
	key := bytes.Clone(b.key)
	if _, err := b.service().Import(t.Context(), b.anna, b.name, key, nil); !problem.Is(err, problem.Forbidden) || b.inside() {
		t.Errorf("a whole key: %v", err)
	}
	if !bytes.Equal(key, make([]byte, 32)) {
		t.Error("the key is still in its buffer")
	}
	b.record()
	s := b.service()
	s.Development = true
	if _, err := s.Import(t.Context(), b.anna, b.name, bytes.Clone(b.key), &custody.Expected{Form: custody.ECB, Value: "000000"}); !problem.Is(err, problem.Invalid) || b.inside() {
		t.Errorf("a key of another check value: %v", err)
	}
	if _, err := s.Import(t.Context(), b.anna, b.name, bytes.Clone(b.key), nil); err != nil {
		t.Fatal(err)
	}
	b.works()
	b.record("key.import begun cl_anna", "key.import done cl_anna")
}

// A key whose check value is not the expected one does not reach the HSM,
// whichever of the two expected it; the right half may still come.
func TestClause5_11_AWrongCheckValueImportsNothing(t *testing.T) {
	b := newBank(t)
	half, _ := custody.KCVOf(b.one)
	kcv, _ := custody.KCVOf(b.key)
	of := func(form custody.Form, value string) func(*custody.BringCommand) {
		return func(c *custody.BringCommand) { c.OfKey = &custody.Expected{Form: form, Value: value} }
	}
	ofHalf := func(form custody.Form, value string) func(*custody.BringCommand) {
		return func(c *custody.BringCommand) { c.OfHalf = &custody.Expected{Form: form, Value: value} }
	}
	b.refused(problem.Invalid, "wrong-half-kcv", b.anna, b.one, ofHalf(custody.CMAC, half.ECB))
	b.refused(problem.Invalid, "", b.anna, b.one, ofHalf("des", half.ECB))
	b.refused(problem.Invalid, "", b.anna, b.one, of(custody.CMAC, kcv.CMAC[:4]))
	if len(b.waiting()) != 0 {
		t.Fatal("a half of another check value waits")
	}
	b.waits(b.anna, b.one, ofHalf(custody.CMAC, strings.ToLower(half.CMAC)), of(custody.CMAC, kcv.CMAC))
	b.refused(problem.Invalid, "wrong-kcv", b.boris, b.two, of(custody.ECB, kcv.CMAC))
	wrong := bytes.Clone(b.two)
	wrong[31] ^= 1
	b.refused(problem.Conflict, "wrong-kcv", b.boris, wrong) // anna has said what it will be
	wrongKCV, _ := custody.KCVOf(wrong)
	b.refused(problem.Conflict, "wrong-kcv", b.boris, wrong, ofHalf(custody.ECB, wrongKCV.ECB))
	if n := b.Count("key.import", "", ""); n != 0 {
		t.Errorf("%d imports were begun", n)
	}
	b.makes(b.boris, b.two, of(custody.ECB, kcv.ECB))
}

// A half waits for a day and not a second more.
func TestClause5_11_AHalfExpires(t *testing.T) {
	b := newBank(t)
	b.waits(b.anna, b.one)
	b.Clock.Forward(24*time.Hour + time.Second)
	if len(b.waiting()) != 0 {
		t.Error("it is still listed")
	}
	// The second half finds nothing, and waits itself.
	if h := b.waits(b.boris, b.two); h.ByName != "boris" {
		t.Errorf("%+v waits", h)
	}
	b.record("key.half waiting cl_anna", "key.half expired server", "key.half waiting cl_boris")
	b.makes(b.anna, b.one)

	b = newBank(t)
	b.waits(b.anna, b.one)
	if err := b.service().Expire(t.Context()); err != nil || len(b.waiting()) != 1 {
		t.Errorf("before its time: %v", err)
	}
	b.Clock.Forward(25 * time.Hour)
	for range 2 { // once only
		if err := b.service().Expire(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if _, err := b.Engine.Half(t.Context(), b.name); !errors.Is(err, parties.ErrNotFound) {
		t.Errorf("it is still in the store: %v", err)
	}
	b.record("key.half waiting cl_anna", "key.half expired server")
}

func TestClause5_11_AHalfIsCancelled(t *testing.T) {
	b := newBank(t)
	b.waits(b.anna, b.one)
	for _, name := range []string{"another", "", "../x"} {
		if err := b.service().Cancel(t.Context(), b.boris, name); !problem.Is(err, problem.NotFound) {
			t.Errorf("cancelling %q: %v", name, err)
		}
	}
	if err := b.service().Cancel(t.Context(), b.boris, b.name); err != nil {
		t.Fatal(err)
	}
	if err := b.service().Cancel(t.Context(), b.boris, b.name); !problem.Is(err, problem.NotFound) {
		t.Errorf("cancelled twice: %v", err)
	}
	b.waits(b.boris, b.two) // not the second of a pair
	b.record("key.half waiting cl_anna", "key.half cancelled cl_boris", "key.half waiting cl_boris")
}

func TestHalvesThatMakeNoKey(t *testing.T) {
	b := newBank(t)
	for _, n := range []int{0, 15, 24, 31, 33, 64} {
		b.refused(problem.Invalid, "", b.anna, bytes.Repeat([]byte{1}, n))
	}
	b.refused(problem.Invalid, "", b.anna, make([]byte, 32))
	for _, name := range []string{"", "UPPER", "a/b", strings.Repeat("x", 33)} {
		b.refused(problem.Invalid, "", b.anna, b.one, func(c *custody.BringCommand) { c.Name = name })
	}
	b.waits(b.anna, b.one)
	b.refused(problem.Invalid, "other-length", b.boris, b.two[:16])
	b.refused(problem.Invalid, "same-halves", b.boris, b.one)
	b.refused(problem.Invalid, "", b.boris, make([]byte, 32)) // the key would be anna's half
	b.makes(b.boris, b.two)
}
