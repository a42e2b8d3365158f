package dialog

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"mohur/agent/words"
)

// hand is the customer's: it waits for the window and does something with it.
func hand(t *testing.T, does func(handle uintptr)) {
	t.Helper()
	go func() {
		for range 400 {
			time.Sleep(25 * time.Millisecond)
			if w := current; w != nil {
				w.mu.Lock()
				handle := w.handle
				w.mu.Unlock()
				if handle != 0 {
					does(handle)
					return
				}
			}
		}
	}()
}

func press(handle uintptr, id int) { _, _, _ = postMessage.Call(handle, wmCommand, uintptr(id), 0) }

func textOf(handle uintptr, id int) string {
	buf := make([]uint16, 4096)
	n, _, _ := getDlgItemText.Call(handle, uintptr(id), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
	return windows.UTF16ToString(buf[:n])
}

func TestWindow(t *testing.T) {
	w := Window{words.AZ}
	page := Page{Title: "Ödənişin təsdiqi", Lines: []words.Line{{Label: "Alan", Value: `<b>Şıxəliyev & A_B</b>`}}, Warnings: []string{"DİQQƏT"}, Ask: "PIN"}
	shown := ""
	hand(t, func(h uintptr) {
		shown = textOf(h, idText)
		press(h, idOK) // nothing was entered: it stays
		setText(h, idPIN, "12ə4")
		press(h, idOK)
	})
	pin, err := w.PIN(t.Context(), page)
	if err != nil || string(pin) != "12ə4" {
		t.Errorf("%q, %v", pin, err)
	}
	if want := strings.ReplaceAll(page.body(), "\n", "\r\n"); shown != want {
		t.Errorf("it shows %q, want %q", shown, want)
	}
	hand(t, func(h uintptr) { setText(h, idPIN, "1234"); press(h, idCancel) })
	if pin, err := w.PIN(t.Context(), page); !errors.Is(err, ErrCancelled) || pin != nil {
		t.Errorf("cancelled: %q, %v", pin, err)
	}
	hand(t, func(h uintptr) { press(h, idOK) })
	if err := w.Confirm(t.Context(), page); err != nil {
		t.Error(err)
	}
	hand(t, func(h uintptr) { _, _, _ = postMessage.Call(h, wmClose, 0, 0) })
	if err := w.Confirm(t.Context(), page); !errors.Is(err, ErrCancelled) {
		t.Errorf("closed: %v", err)
	}
	hand(t, func(h uintptr) {
		_, _, _ = sendDlgItemMessage.Call(h, idList, lbSetCurSel, 1, 0)
		press(h, idOK)
	})
	if n, err := w.Choose(t.Context(), page, []string{"one", "two"}); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	hand(t, func(h uintptr) { press(h, idCancel) })
	if err := w.Tell(t.Context(), page); err != nil {
		t.Errorf("told: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	hand(t, func(uintptr) { cancel() })
	if _, err := w.PIN(ctx, page); !errors.Is(err, context.Canceled) {
		t.Errorf("the page is gone: %v", err)
	}
	if _, err := w.PIN(ctx, page); !errors.Is(err, context.Canceled) {
		t.Errorf("it was gone before: %v", err)
	}
}
