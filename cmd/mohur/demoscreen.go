package main

import (
	"fmt"
	"io"
	"strings"
)

// screen writes the story for people.
type screen struct {
	w      io.Writer
	colour bool
}

const (
	bold  = "\x1b[1m"
	faint = "\x1b[2m"
	green = "\x1b[32m"
	red   = "\x1b[31m"
	plain = "\x1b[0m"
)

func (sc screen) paint(code, text string) string {
	if !sc.colour {
		return text
	}
	return code + text + plain
}

func (sc screen) line(format string, args ...any) { fmt.Fprintf(sc.w, format+"\n", args...) }

// chapter writes one step with its exchanges.
func (sc screen) chapter(n int, title string, told []exchange, says []string) {
	sc.line("\n%s", sc.paint(bold, fmt.Sprintf("%2d. %s", n, title)))
	for _, x := range told {
		sc.line("    %s %s %s %s", sc.paint(faint, x.Who), x.Method, x.Path, clip(string(x.Sent), showLine))
		sc.line("    %s %s", sc.status(x.Status), clip(string(x.Answer), showLine))
	}
	for _, s := range says {
		sc.line("    %s %s", sc.paint(green, "✓"), strings.ReplaceAll(s, "\n", "\n      "))
	}
}

func (sc screen) status(code int) string {
	text := fmt.Sprintf("→ %d", code)
	if code >= 400 {
		return sc.paint(red, text)
	}
	return sc.paint(green, text)
}

func (sc screen) failed(err error) { sc.line("    %s %v", sc.paint(red, "✗"), err) }
