package pcsc

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

func TestReturnValues(t *testing.T) {
	for code, want := range map[uint32]error{0: nil, codeNoService: ErrNoService, codeServiceStop: ErrNoService, codeRemoved: ErrNoCard, codeNoSmartcard: ErrNoCard} {
		if got := fault("x", code); !errors.Is(got, want) || want == nil && got != nil {
			t.Errorf("0x%X: %v, want %v", code, got, want)
		}
	}
	var e *Error
	if err := fault("SCardConnect", 0x8010002F); !errors.As(err, &e) || e.Error() != "SCardConnect failed with 0x8010002F" {
		t.Errorf("%v", err)
	}
}

func TestWhatAStateSays(t *testing.T) {
	atr := []byte{0x3B, 0x00}
	for _, c := range []struct {
		state uint32
		want  Reader
	}{
		{0x10 | stateChanged, Reader{}}, {statePresent, Reader{Present: true, ATR: atr}}, {statePresent | stateMute, Reader{Present: true, Mute: true, ATR: atr}},
		{statePresent | stateInUse, Reader{Present: true, InUse: true, ATR: atr}}, {statePresent | stateExclusive, Reader{Present: true, InUse: true, ATR: atr}},
		{stateUnknown | statePresent, Reader{Present: true}},
	} {
		r := Reader{ATR: []byte{1}}
		r.take(c.state, atr)
		if r.Present != c.want.Present || r.Mute != c.want.Mute || r.InUse != c.want.InUse || !bytes.Equal(r.ATR, c.want.ATR) || r.state&stateChanged != 0 {
			t.Errorf("0x%X: %+v", c.state, r)
		}
	}
}

func TestShortCommandsGoToNoCard(t *testing.T) {
	if _, err := (&Card{}).Transmit([]byte{0, 0, 0}); err == nil {
		t.Error("3 bytes are a command")
	}
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte("one\x00two\x00\x00"))
	f.Add([]byte("\x00"))
	f.Add([]byte("no end"))
	f.Fuzz(func(t *testing.T, list []byte) {
		names := split(list)
		if slices.Contains(names, "") || !bytes.HasPrefix(list, bytes.Join(bytesOf(names), nil)) {
			t.Fatalf("%q: %q", list, names)
		}
	})
}

func bytesOf(names []string) (parts [][]byte) {
	for _, n := range names {
		parts = append(parts, append([]byte(n), 0))
	}
	return parts
}
