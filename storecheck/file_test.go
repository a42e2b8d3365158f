package storecheck_test

import (
	"os"
	"testing"

	"mohur/banktest"
)

// file is the bank's file as it is.
func file(t *testing.T, b *banktest.Bank) []byte {
	t.Helper()
	must(t, b.Engine.Close())
	content, err := os.ReadFile(b.Path)
	must(t, err)
	b.Open()
	return content
}

// restore puts a file back and opens it.
func restore(t *testing.T, b *banktest.Bank, content []byte) {
	t.Helper()
	must(t, b.Engine.Close())
	must(t, os.WriteFile(b.Path, content, 0o600))
	b.Open()
}
