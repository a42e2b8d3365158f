package storetest

import (
	"testing"

	"mohur/settle"
	"mohur/tokens"
)

// testMetadata: one record for each signer, replaced only by who knows it.
func testMetadata(t *testing.T, s Store) {
	_, err := s.Metadata(t.Context(), "mds.test")
	absent(t, "metadata", err)
	first := tokens.Metadata{Signer: "mds.test", No: 7, SHA256: "aa", At: epoch, Version: 1, MAC: bytesOf("mac")}
	want(t, s, settle.Done, tokens.SaveMetadata{Metadata: first})
	want(t, s, settle.Exists, tokens.SaveMetadata{Metadata: first})
	second := first
	second.No, second.SHA256, second.Version = 9, "bb", 2
	want(t, s, settle.Done, tokens.SaveMetadata{Metadata: second})
	want(t, s, settle.Stale, tokens.SaveMetadata{Metadata: second})
	got, err := s.Metadata(t.Context(), "mds.test")
	same(t, "metadata", got, err, second)
	_, err = s.Metadata(t.Context(), "mds.other")
	absent(t, "another signer's", err)
}
