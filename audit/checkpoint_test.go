package audit_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"mohur/audit"
	"mohur/audit/audittest"
	"mohur/hsm"
)

var head = audit.Head{
	Origin: origin, Size: 42, Root: tlog.RecordHash([]byte("x")),
	Time: time.Date(2026, 11, 22, 9, 30, 0, 120_000_000, time.UTC),
}

func TestCheckpointText(t *testing.T) {
	want := "bank.example/mohur\n42\n" + head.Root.String() + "\ntime 2026-11-22T09:30:00.12Z\n"
	got := head.Text()
	if got != want {
		t.Errorf("text %q, want %q", got, want)
	}
	if h, err := audit.ParseHead(got); err != nil || h != head {
		t.Errorf("ParseHead = %+v, %v", h, err)
	}
	for name, bad := range map[string]string{
		"empty": "", "no time": strings.Join(strings.SplitAfter(got, "\n")[:3], ""),
		"another extension": got + "more\n", "no line end": strings.TrimSuffix(got, "\n"),
		"leading zero": strings.Replace(got, "\n42\n", "\n042\n", 1), "sign": strings.Replace(got, "\n42\n", "\n+42\n", 1),
		"huge":      strings.Replace(got, "\n42\n", "\n999999999999999\n", 1),
		"no origin": strings.TrimPrefix(got, origin), "origin with a space": "a b" + strings.TrimPrefix(got, origin),
		"other form of the time": strings.Replace(got, ".12Z", ".120Z", 1), "local time": strings.Replace(got, ".12Z", ".12+00:00", 1),
		"nanoseconds": strings.Replace(got, ".12Z", ".120000001Z", 1), "no word time": strings.Replace(got, "time ", "", 1),
		"short root": strings.Replace(got, "=\n", "\n", 1),
	} {
		if h, err := audit.ParseHead(bad); err == nil {
			t.Errorf("%s: %q read as %+v", name, bad, h)
		}
	}
}

func TestCheckpointSignature(t *testing.T) {
	s, other := audittest.NewSigner(t), audittest.NewSigner(t)
	msg, err := head.Sign(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if h, err := audit.OpenCheckpoint(msg, s.Verifier(t, origin)); err != nil || h != head {
		t.Errorf("%+v, %v", h, err)
	}
	if h, err := audit.OpenCheckpoint(msg, other.Verifier(t, origin), s.Verifier(t, origin)); err != nil || h != head {
		t.Errorf("with two keys: %+v, %v", h, err)
	}
	if _, err := audit.OpenCheckpoint(msg, other.Verifier(t, origin)); err == nil {
		t.Error("another key opens it")
	}
	if _, err := audit.OpenCheckpoint(msg, s.Verifier(t, "other.example")); err == nil {
		t.Error("another name opens it")
	}
	if _, err := audit.OpenCheckpoint(msg); err == nil {
		t.Error("no key opens it")
	}
	changed := strings.Replace(string(msg), "\n42\n", "\n43\n", 1)
	if _, err := audit.OpenCheckpoint([]byte(changed), s.Verifier(t, origin)); err == nil {
		t.Error("a changed one opens")
	}
}

func TestCheckpointOfABadOriginIsNotSigned(t *testing.T) {
	s := audittest.NewSigner(t)
	for _, bad := range []string{"", "a b", "a+b", "a\nb", "a\x00"} {
		h := head
		h.Origin = bad
		if _, err := h.Sign(t.Context(), s); err == nil {
			t.Errorf("%q was signed", bad)
		}
	}
	if s.Calls() != 0 {
		t.Error("the HSM was asked")
	}
}

// oddSigner returns what a broken module might.
type oddSigner struct {
	*audittest.Signer
	sig []byte
}

func (s oddSigner) Sign(context.Context, hsm.Key, []byte) ([]byte, error) { return s.sig, nil }

func TestBrokenSignatureIsNoCheckpoint(t *testing.T) {
	for name, sig := range map[string][]byte{"empty": nil, "short": make([]byte, 63), "zero": make([]byte, 64)} {
		if _, err := head.Sign(t.Context(), oddSigner{audittest.NewSigner(t), sig}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	s := audittest.NewSigner(t)
	away := errors.New("away")
	s.Fail(away)
	if _, err := head.Sign(t.Context(), s); !errors.Is(err, away) {
		t.Errorf("%v", err)
	}
}
