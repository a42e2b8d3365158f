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
	t.Run("name of a token", func(t *testing.T) { testTokenName(t, s) })
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
	u17 := replacing("u17").Credential
	got, err := s.CredentialByKey(t.Context(), "m", "s", "k")
	same(t, "who has the name now", got, err, u17)
	for _, none := range [][3]string{{"m", "s", ""}, {"ms", "", "k2"}, {"", "", "k"}, {"", "", ""}} {
		_, err = s.CredentialByKey(t.Context(), none[0], none[1], none[2])
		absent(t, "a name nobody has", err)
	}

	want(t, s, settle.Done, add("u9", "m", "", ""))
	want(t, s, settle.Done, add("u10", "m", "", "")) // nothing names it: nothing is taken
}

// testTokenName: one device is one token, whoever else would make another of it.
func testTokenName(t *testing.T, s Store) {
	name := func(manufacturer, serial, token string) tokens.NameToken {
		return tokens.NameToken{Manufacturer: manufacturer, Serial: serial, Token: token}
	}
	save := func(id string) tokens.SaveToken { return tokens.SaveToken{Token: token(id, 1)} }
	want(t, s, settle.Done, name("m", "s", "n1"), save("n1"))
	want(t, s, settle.Done, name("m", "s", "n1")) // it is his already
	want(t, s, settle.Exists, save("n2"), name("m", "s", "n2"))
	_, err := s.Token(t.Context(), "n2")
	absent(t, "the second token", err)
	want(t, s, settle.Done, name("m2", "s", "n2"), save("n2"))
	want(t, s, settle.Done, name("m", "s2", "n3"), save("n3"))
	want(t, s, settle.Done, name("ms", "2", "n4"), save("n4")) // the parts do not run together
	want(t, s, settle.Exists, name("m", "s3", "n5"), name("m", "s3", "n6"))
	want(t, s, settle.Done, name("m", "s3", "n6"), save("n6"))
	refused(t, s, command(name("m", "", "n7")))
	refused(t, s, command(name("m", "s4", "")))
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
		"name of a token": func(i int) settle.Effect {
			return tokens.NameToken{Manufacturer: "m", Serial: "same", Token: fmt.Sprint("p", i)}
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
