package dialog

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"unicode/utf8"
	"unsafe"

	"golang.org/x/sys/windows"
)

var (
	user32             = windows.NewLazySystemDLL("user32.dll")
	dialogBoxIndirect  = user32.NewProc("DialogBoxIndirectParamW")
	endDialog          = user32.NewProc("EndDialog")
	setDlgItemText     = user32.NewProc("SetDlgItemTextW")
	getDlgItemText     = user32.NewProc("GetDlgItemTextW")
	sendDlgItemMessage = user32.NewProc("SendDlgItemMessageW")
	postMessage        = user32.NewProc("PostMessageW")
	setForeground      = user32.NewProc("SetForegroundWindow")
)

// As winuser.h has them.
const (
	wmInitDialog = 0x0110
	wmCommand    = 0x0111
	wmClose      = 0x0010
	emLimitText  = 0x00C5
	lbAddString  = 0x0180
	lbSetCurSel  = 0x0186
	lbGetCurSel  = 0x0188
	lbnDoubleClk = 2
)

// The window's controls. 1 and 2 are those that Enter and Esc press.
const (
	idOK     = 1
	idCancel = 2
	idText   = 100
	idPIN    = 101
	idList   = 102
)

// window is one dialog.
type window struct {
	page       Page
	ok, cancel string // labels; without cancel there is no such button
	secret     bool
	choices    []string

	pin    []byte
	chosen int

	ctx    context.Context
	mu     sync.Mutex
	handle uintptr // 0: it is not there
}

// one at a time: the system calls one procedure for all dialogs.
var (
	one     sync.Mutex
	current *window
	onEvent = sync.OnceValue(func() uintptr { return windows.NewCallback(event) })
)

// show opens the window and waits until it is closed, by the customer or with ctx.
// The error is nil for the first button, else ErrCancelled or that of ctx.
func (w *window) show(ctx context.Context) error {
	one.Lock()
	defer one.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	// A window belongs to the thread that made it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	w.ctx, current = ctx, w
	stop := context.AfterFunc(ctx, w.close)
	defer stop()
	t := w.template()
	result, _, err := dialogBoxIndirect.Call(0, uintptr(unsafe.Pointer(&t[0])), 0, onEvent(), 0)
	runtime.KeepAlive(t)
	w.mu.Lock()
	w.handle = 0
	w.mu.Unlock()
	switch {
	case int32(result) <= 0: // -1 is a failure
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case result != idOK && w.cancel != "":
		return ErrCancelled
	}
	return nil
}

// close closes the window from another thread.
func (w *window) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.handle != 0 {
		_, _, _ = postMessage.Call(w.handle, wmClose, 0, 0)
	}
}

// event is the window's procedure.
func event(handle, message, wParam, _ uintptr) uintptr {
	w := current
	switch message {
	case wmInitDialog:
		w.fill(handle)
		return 1
	case wmClose:
		_, _, _ = endDialog.Call(handle, idCancel)
		return 1
	case wmCommand:
		id, code := wParam&0xFFFF, wParam>>16&0xFFFF
		if id == idList && code == lbnDoubleClk {
			id = idOK
		}
		if id == idCancel || id == idOK && w.take(handle) {
			_, _, _ = endDialog.Call(handle, id)
			return 1
		}
	}
	return 0
}

func (w *window) fill(handle uintptr) {
	w.mu.Lock()
	w.handle = handle
	w.mu.Unlock()
	if w.ctx.Err() != nil {
		w.close()
	}
	setText(handle, idText, strings.ReplaceAll(w.page.body(), "\n", "\r\n"))
	if w.secret {
		_, _, _ = sendDlgItemMessage.Call(handle, idPIN, emLimitText, maxPIN, 0)
	}
	for _, c := range w.choices {
		if text, err := windows.UTF16PtrFromString(c); err == nil {
			_, _, _ = sendDlgItemMessage.Call(handle, idList, lbAddString, 0, uintptr(unsafe.Pointer(text)))
		}
	}
	if len(w.choices) > 0 {
		_, _, _ = sendDlgItemMessage.Call(handle, idList, lbSetCurSel, 0, 0)
	}
	_, _, _ = setForeground.Call(handle)
}

func setText(handle uintptr, id int, text string) {
	// A zero byte would end what is shown before it ends.
	if p, err := windows.UTF16PtrFromString(strings.ReplaceAll(text, "\x00", "�")); err == nil {
		_, _, _ = setDlgItemText.Call(handle, uintptr(id), uintptr(unsafe.Pointer(p)))
	}
}

// take reads what was entered. Without a PIN or a choice the window stays.
func (w *window) take(handle uintptr) bool {
	switch {
	case w.secret:
		buf := make([]uint16, maxPIN+1)
		defer clear(buf)
		n, _, _ := getDlgItemText.Call(handle, idPIN, uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
		if n == 0 {
			return false
		}
		w.pin = make([]byte, 0, maxPIN*utf8.UTFMax)
		for _, c := range buf[:n] { // a PIN with characters beyond 16 bits is none
			w.pin = utf8.AppendRune(w.pin, rune(c))
		}
		setText(handle, idPIN, strings.Repeat("0", int(n))) // over the control's own memory
		setText(handle, idPIN, "")
	case w.choices != nil:
		n, _, _ := sendDlgItemMessage.Call(handle, idList, lbGetCurSel, 0, 0)
		if w.chosen = int(int32(n)); w.chosen < 0 { // -1 is no choice
			return false
		}
	}
	return true
}

// Styles of winuser.h.
const (
	styleDialog = 0x80000000 | 0x00C00000 | 0x00080000 | 0x40 | 0x80 | 0x200 | 0x800 // WS_POPUP, WS_CAPTION, WS_SYSMENU, DS_SETFONT, DS_MODALFRAME, DS_SETFOREGROUND, DS_CENTER
	exTopmost   = 0x00000008
	visible     = 0x50000000 // WS_CHILD, WS_VISIBLE
	tabStop     = 0x00010000
	border      = 0x00800000
	scroll      = 0x00200000               // WS_VSCROLL
	editText    = 0x0004 | 0x0800 | 0x0040 // ES_MULTILINE, ES_READONLY, ES_AUTOVSCROLL
	editPIN     = 0x0020 | 0x0080          // ES_PASSWORD, ES_AUTOHSCROLL
	listNotify  = 0x0001
	pushDefault = 0x0001

	classButton = 0x0080
	classEdit   = 0x0081
	classList   = 0x0083
)

// The layout, in dialog units: a line of text has 8 of them, and some 80 characters.
const (
	width      = 320
	margin     = 7
	lineHeight = 8
	lineLength = 72
	mostLines  = 26
)

// template is the window as a DLGTEMPLATE of winuser.h, in 16-bit words. The control
// that comes first has the keyboard.
func (w *window) template() []uint16 {
	lines := 1
	for line := range strings.Lines(w.page.body()) {
		lines += 1 + utf8.RuneCountInString(line)/lineLength
	}
	textHeight := min(lines, mostLines)*lineHeight + 4
	below := margin + textHeight + 4
	type item struct {
		style        uint32
		x, y, cx, cy int
		id, class    uint16
		text         string
	}
	var items []item
	if w.secret {
		items = append(items, item{visible | tabStop | border | editPIN, margin, below, 120, 13, idPIN, classEdit, ""})
		below += 13 + 4
	}
	if w.choices != nil {
		height := min(len(w.choices)+1, 8) * lineHeight
		items = append(items, item{visible | tabStop | border | scroll | listNotify, margin, below, width - 2*margin, height, idList, classList, ""})
		below += height + 4
	}
	right := width - margin - 70
	if w.cancel != "" {
		items = append(items, item{visible | tabStop | pushDefault, right - 76, below, 70, 15, idOK, classButton, w.ok},
			item{visible | tabStop, right, below, 70, 15, idCancel, classButton, w.cancel})
	} else {
		items = append(items, item{visible | tabStop | pushDefault, right, below, 70, 15, idOK, classButton, w.ok})
	}
	items = append(items, item{visible | tabStop | scroll | editText, margin, margin, width - 2*margin, textHeight, idText, classEdit, ""})

	var t []uint16
	word := func(values ...int) {
		for _, v := range values {
			t = append(t, uint16(v)) // within the screen
		}
	}
	long := func(v uint32) { t = append(t, uint16(v), uint16(v>>16)) } // its halves
	text := func(s string) {
		u, err := windows.UTF16FromString(s)
		if err != nil {
			u = []uint16{0}
		}
		t = append(t, u...)
	}
	long(styleDialog)
	long(exTopmost)
	word(len(items), 0, 0, width, below+15+margin, 0, 0) // place, size, no menu, the usual class
	text(w.page.Title)
	word(9)
	text("Segoe UI")
	for _, i := range items {
		if len(t)%2 == 1 { // an item begins at a multiple of four bytes
			word(0)
		}
		long(i.style)
		long(0)
		word(i.x, i.y, i.cx, i.cy, int(i.id), 0xFFFF, int(i.class))
		text(i.text)
		word(0)
	}
	return t
}
