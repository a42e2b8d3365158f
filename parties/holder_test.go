package parties_test

import (
	"testing"

	"mohur/parties"
)

// What a payment takes rises with its amount and never ends below one, whatever the
// record says; an amount nobody knows takes as many as the largest.
func TestHowManySign(t *testing.T) {
	h := parties.Holder{Signers: []string{"a", "b", "c"}, Rules: []parties.SigningRule{{UpTo: 100, Required: 1}, {UpTo: 200, Required: 2}, {Required: 3}}}
	for home, want := range map[int64]int{-1: 3, 0: 3, 1: 1, 100: 1, 101: 2, 200: 2, 201: 3, 1 << 62: 3} {
		if got := h.Required(home); got != want {
			t.Errorf("%d takes %d, want %d", home, got, want)
		}
	}
	if got := (parties.Holder{Signers: []string{"a", "b"}}).Required(1); got != 2 {
		t.Errorf("without rules %d", got)
	}
	if got := (parties.Holder{}).Required(1); got != 1 {
		t.Errorf("of nobody %d", got)
	}
	if h.Signs("d") || h.Signs("") || !h.Signs("c") {
		t.Error("who signs")
	}
}
