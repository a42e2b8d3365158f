package storetest

import (
	"testing"

	"mohur/parties"
	"mohur/seal"
	"mohur/settle"
)

// testHolders: a holder is replaced only by who knows it, and what is required of it
// is that very version.
func testHolders(t *testing.T, s Store) {
	_, err := s.Holder(t.Context(), "H-1")
	absent(t, "holder", err)
	first := parties.Holder{
		ID: "H-1", Key: seal.Key{Person: "holder/H-1", Wrapped: bytesOf("key")}, Sealed: bytesOf("name"), Signers: []string{"C-1", "C-2"}, Rules: []parties.SigningRule{{UpTo: 100_00, Required: 1}, {Required: 2}},
		CreatedAt: epoch, UpdatedAt: epoch, Version: 1, MAC: bytesOf("mac"),
	}
	want(t, s, settle.Stale, parties.RequireHolder{ID: "H-1", Version: 1})
	want(t, s, settle.Done, parties.RequireNoHolder{ID: "H-1"})
	want(t, s, settle.Done, parties.SaveHolder{Holder: first})
	want(t, s, settle.Stale, parties.RequireNoHolder{ID: "H-1"})
	want(t, s, settle.Exists, parties.SaveHolder{Holder: first})
	want(t, s, settle.Done, parties.RequireHolder{ID: "H-1", Version: 1})
	second := first
	second.Signers, second.Version = []string{"C-2"}, 2
	want(t, s, settle.Done, parties.SaveHolder{Holder: second})
	want(t, s, settle.Stale, parties.SaveHolder{Holder: second})
	want(t, s, settle.Stale, parties.RequireHolder{ID: "H-1", Version: 1})
	got, err := s.Holder(t.Context(), "H-1")
	same(t, "holder", got, err, second)
	_, err = s.Holder(t.Context(), "H-2")
	absent(t, "another", err)
}
