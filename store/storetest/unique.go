package storetest

import (
	"fmt"
	"sync/atomic"
	"testing"

	"mohur/authn"
	"mohur/payment"
	"mohur/settle"
	"mohur/tokens"
)

// testUnique: a name is given once.
func testUnique(t *testing.T, s Store) {
	t.Run("key id", func(t *testing.T) { testKeyID(t, s) })
	t.Run("reference", func(t *testing.T) { testReference(t, s) })
	t.Run("at once", func(t *testing.T) { testUniqueAtOnce(t, s) })
}

func testKeyID(t *testing.T, s Store) {
	add := func(id, manufacturer, serial, keyID string) tokens.AddCredential {
		a := addCredential(id, serial)
		a.Manufacturer, a.Credential.KeyID = manufacturer, keyID
		return a
	}
	want(t, s, settle.Done, add("u1", "m", "s", "k"))
	want(t, s, settle.Exists, add("u2", "m", "s", "k"))
	rows, err := s.Hot(t.Context(), "u2")
	same(t, "row of the second", rows, err, []settle.HotRead{{Hot: settle.Hot{ID: "u2"}}})
	_, err = s.Credential(t.Context(), "u2")
	absent(t, "the second", err)

	want(t, s, settle.Done, add("u3", "m", "s", "k2"))
	want(t, s, settle.Done, add("u4", "m", "s2", "k"))
	want(t, s, settle.Done, add("u5", "m2", "s", "k"))
	want(t, s, settle.Done, add("u6", "ms", "", "k")) // the parts do not run together
	want(t, s, settle.Exists, add("u7", "m", "s3", "k3"), add("u8", "m", "s3", "k3"))
	// A name passes on from what is replaced, once, and from nothing else.
	replacing := func(id string, replaces ...string) tokens.AddCredential {
		a := add(id, "m", "s", "k")
		a.Replaces = replaces
		return a
	}
	want(t, s, settle.Exists, replacing("u11", "u3", ""))
	want(t, s, settle.Exists, replacing("u12", "u1"), add("u3", "m", "x", "x")) // with the whole command or not at all
	want(t, s, settle.Exists, replacing("u13", "u12"))
	want(t, s, settle.Done, replacing("u14", "u3", "u1"))
	want(t, s, settle.Exists, replacing("u15", "u1"))
	want(t, s, settle.Exists, add("u16", "m", "s", "k"))
	want(t, s, settle.Done, replacing("u17", "u1", "u14"))

	want(t, s, settle.Done, add("u9", "m", "", ""))
	want(t, s, settle.Done, add("u10", "m", "", "")) // nothing names it: nothing is taken
}

func testReference(t *testing.T, s Store) {
	save := func(id, reference string, version uint64) payment.SaveTransaction {
		tx := transaction(id, version)
		tx.Reference = reference
		return payment.SaveTransaction{Transaction: tx}
	}
	want(t, s, settle.Done, save("r1", "R", 1))
	want(t, s, settle.Exists, save("r2", "R", 1))
	want(t, s, settle.Done, save("r1", "R", 2))
	want(t, s, settle.Done, save("r2", "r", 1))
	want(t, s, settle.Exists, save("r2", "R", 2)) // nor does an update take one over
	want(t, s, settle.Done, save("r1", "R-new", 3))
	want(t, s, settle.Exists, save("r3", "R", 1)) // given up is not free
	refused(t, s, command(save("r4", "", 1)))

	got, err := s.TransactionByReference(t.Context(), "r")
	same(t, "by reference", got, err, save("r2", "r", 1).Transaction)
	_, err = s.TransactionByReference(t.Context(), "none")
	absent(t, "by reference", err)
	_, err = s.TransactionByReference(t.Context(), "")
	absent(t, "by no reference", err)
}

func testUniqueAtOnce(t *testing.T, s Store) {
	for name, effect := range map[string]func(i int) settle.Effect{
		"key id": func(i int) settle.Effect {
			a := addCredential(fmt.Sprint("p", i), "same")
			a.Credential.KeyID = "same"
			return a
		},
		"reference": func(i int) settle.Effect {
			tx := transaction(fmt.Sprint("p", i), 1)
			tx.Reference = "same"
			return payment.SaveTransaction{Transaction: tx}
		},
		"id": func(i int) settle.Effect {
			a := attempt("same", 1)
			a.Answers = i
			return authn.SaveAttempt{Attempt: a}
		},
	} {
		var done atomic.Int64
		parallel(32, func(i int) {
			switch r := settled(t, s, effect(i)); r.Outcome {
			case settle.Done:
				done.Add(1)
			case settle.Exists:
			default:
				t.Errorf("%s: outcome %s", name, r.Outcome)
			}
		})
		if done.Load() != 1 {
			t.Errorf("%s: given %d times", name, done.Load())
		}
	}
}
