package main

import (
	"testing"

	"mohur/audit"
)

// What an export does not hold is named, and what is not named is counted.
func TestErasedEntriesAreNamed(t *testing.T) {
	r := audit.Report{Erased: 5, ErasedIn: []audit.Range{{From: 0, To: 1}, {From: 3, To: 6}}}
	if text := erased(r); text != "entries 0, 3-5 and 1 more" {
		t.Error(text)
	}
	r.Erased = 4
	if text := erased(r); text != "entries 0, 3-5" {
		t.Error(text)
	}
}
