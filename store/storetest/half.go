package storetest

import (
	"testing"
	"time"

	"mohur/custody"
	"mohur/settle"
)

func keyHalf(name string, version uint64) custody.Half {
	return custody.Half{
		Name: name, Ceremony: "kc-" + name, By: "cl-1", ByName: "custodian 1", Size: 32, Sealed: bytesOf(name),
		Expected: &custody.Expected{Form: custody.CMAC, Value: "7A1B2C"}, CreatedAt: epoch, ExpiresAt: epoch.Add(24 * time.Hour), Version: version,
	}
}

// testHalves: one waits by a name, whoever comes first; it is removed once, and
// the name is free again.
func testHalves(t *testing.T, s Store) {
	names := func() []string {
		list, err := s.Halves(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return ids(list, func(h custody.Half) string { return h.Name })
	}
	expect(t, "none", names())
	for _, name := range []string{"b", "a"} {
		want(t, s, settle.Done, custody.SaveHalf{Half: keyHalf(name, 1)})
	}
	want(t, s, settle.Exists, custody.SaveHalf{Half: keyHalf("a", 1)})
	got, err := s.Half(t.Context(), "a")
	same(t, "half", got, err, keyHalf("a", 1))
	expect(t, "waiting", names(), "a", "b")

	claimed := keyHalf("a", 2)
	claimed.ClaimedUntil = epoch.Add(time.Minute)
	want(t, s, settle.Done, custody.SaveHalf{Half: claimed})
	want(t, s, settle.Stale, custody.SaveHalf{Half: claimed})
	got, err = s.Half(t.Context(), "a")
	same(t, "claimed half", got, err, claimed)
	want(t, s, settle.Stale, custody.RemoveHalf{Name: "a", Version: 1})
	want(t, s, settle.Done, custody.RemoveHalf{Name: "a", Version: 2})
	want(t, s, settle.Stale, custody.RemoveHalf{Name: "a", Version: 2})
	want(t, s, settle.Stale, custody.RemoveHalf{Name: "a"})
	_, err = s.Half(t.Context(), "a")
	absent(t, "removed half", err)
	want(t, s, settle.Done, custody.RemoveHalf{Name: "b"}) // whatever it is
	want(t, s, settle.Done, custody.SaveHalf{Half: keyHalf("a", 1)})
	expect(t, "again", names(), "a")
}
