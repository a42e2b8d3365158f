package storetest

import (
	"testing"
	"time"

	"mohur/authn"
	"mohur/settle"
)

func saveAttempt(t testing.TB, s Store, id string, edit func(*authn.Attempt)) authn.Attempt {
	t.Helper()
	a := attempt(id, 1)
	edit(&a)
	want(t, s, settle.Done, authn.SaveAttempt{Attempt: a})
	return a
}

// testAttempts: the open ones of a customer, oldest first, and the last one with
// a challenge.
func testAttempts(t *testing.T, s Store) {
	open := func(customer string, now time.Time) []string {
		list, err := s.OpenAttempts(t.Context(), customer, now)
		if err != nil {
			t.Fatal(err)
		}
		return ids(list, func(a authn.Attempt) string { return a.ID })
	}
	// Those that were begun first are not those that expire first.
	for i, id := range []string{"a", "b", "c"} {
		saveAttempt(t, s, id, func(a *authn.Attempt) {
			a.CreatedAt = epoch.Add(time.Duration(i) * time.Second)
			a.ExpiresAt = epoch.Add(time.Duration(10-i) * time.Minute)
		})
	}
	saveAttempt(t, s, "other", func(a *authn.Attempt) { a.Customer = "cu-2" })
	saveAttempt(t, s, "nameless", func(a *authn.Attempt) { a.Customer, a.Nameless = "", true })
	saveAttempt(t, s, "granted", func(a *authn.Attempt) { a.State = authn.Granted })
	expect(t, "open", open("cu-1", epoch), "a", "b", "c")
	expect(t, "a moment before c expires", open("cu-1", epoch.Add(8*time.Minute-time.Microsecond)), "a", "b", "c")
	expect(t, "as c expires", open("cu-1", epoch.Add(8*time.Minute)), "a", "b")
	expect(t, "all expired", open("cu-1", epoch.Add(time.Hour)))
	expect(t, "nobody's", open("cu-", epoch))

	answered := attempt("b", 2)
	answered.State = authn.Denied
	want(t, s, settle.Done, authn.SaveAttempt{Attempt: answered})
	expect(t, "after a verdict", open("cu-1", epoch), "a", "c")
	expect(t, "another customer", open("cu-2", epoch), "other")
	named := attempt("nameless", 2) // whose it is, its verdict says
	named.Customer, named.Nameless, named.State = "cu-2", true, authn.Granted
	want(t, s, settle.Done, authn.SaveAttempt{Attempt: named})
	expect(t, "after the verdict of one without a name", open("cu-2", epoch), "other")
	expect(t, "without a name", open("", epoch))
	testChallenges(t, s)
}

func testChallenges(t *testing.T, s Store) {
	sum := bytesOf("the same text")
	_, err := s.AttemptByChallenge(t.Context(), sum)
	absent(t, "by challenge", err)
	first := saveAttempt(t, s, "z-first", func(a *authn.Attempt) { a.SHA256 = sum })
	got, err := s.AttemptByChallenge(t.Context(), sum)
	same(t, "by challenge", got, err, first)
	second := saveAttempt(t, s, "a-second", func(a *authn.Attempt) { a.SHA256, a.CreatedAt = sum, epoch.Add(time.Second) })
	got, err = s.AttemptByChallenge(t.Context(), sum)
	same(t, "the last one with it", got, err, second)

	first.Version, first.State = 2, authn.Granted
	want(t, s, settle.Done, authn.SaveAttempt{Attempt: first})
	got, err = s.AttemptByChallenge(t.Context(), sum)
	same(t, "still the last one opened", got, err, second)
	longer := [][]byte{append(bytesOf("48"), bytesOf("bytes")[:16]...), append(bytesOf("64"), bytesOf("bytes")...)}
	third := saveAttempt(t, s, "third", func(a *authn.Attempt) { a.SHA256, a.Longer = bytesOf("another text"), longer })
	for _, sum := range append(longer, third.SHA256) {
		got, err = s.AttemptByChallenge(t.Context(), sum)
		same(t, "by any of its hashes", got, err, third)
	}
	for _, none := range [][]byte{nil, {}, sum[:31], append(bytesOf("the same text"), 0)} {
		_, err = s.AttemptByChallenge(t.Context(), none)
		absent(t, "by another challenge", err)
	}
}
