package fido

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// A panic of a library on hostile bytes is a refusal: nothing opens, and nothing
// takes the process down.
func TestAPanicIsARefusal(t *testing.T) {
	refused, err := guarded(func() error {
		var list []int
		return errors.New(string(rune(list[7])))
	})
	if err != nil || refused == nil || refused.reason != LibraryFault || !strings.Contains(refused.detail, "out of range") {
		t.Errorf("%+v, %v", refused, err)
	}
	if refused, err := guarded(func() error { return refuse(WrongType, "%q", "x\n") }); err != nil || refused.reason != WrongType {
		t.Errorf("%+v, %v", refused, err)
	}
	broken := errors.New("broken")
	if refused, err := guarded(func() error { return broken }); refused != nil || err != broken {
		t.Errorf("%+v, %v", refused, err)
	}
	if refused, err := guarded(func() error { return nil }); refused != nil || err != nil {
		t.Errorf("%+v, %v", refused, err)
	}
}

func TestDetailsArePrintableAndShort(t *testing.T) {
	for _, in := range []string{"a\nb", "\x00\x1b[31m", "\xff\xfe", "\u202e\u200b", strings.Repeat("ə", 500)} {
		got := clip(in)
		if len(got) > 1000 || strings.ContainsAny(got, "\n\x00\x1b") || !utf8.ValidString(got) || strings.ContainsRune(got, '\u202e') {
			t.Errorf("%q became %q", in, got)
		}
	}
}
