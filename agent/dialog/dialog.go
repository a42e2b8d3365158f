// Package dialog asks the customer: whether to go on, for the PIN, which card. It
// uses what the desktop has, or a terminal. What is shown has been made harmless by
// its caller; a PIN is returned in memory that the caller clears, and kept nowhere.
package dialog

import (
	"context"
	"errors"
	"strings"

	"mohur/agent/words"
)

// The errors of every dialog; others are failures of the program that shows it.
var (
	ErrCancelled = errors.New("the customer cancelled")
	ErrNone      = errors.New("there is neither a desktop nor a terminal to ask the customer: install zenity, kdialog or pinentry, or use a terminal")
)

// Page is what one dialog shows.
type Page struct {
	Title    string
	Lines    []words.Line
	Warnings []string // what went wrong before, and what may go wrong now
	Ask      string   // what the customer is to do
}

// Dialog asks the customer. A call ends with ctx. One call at a time.
type Dialog interface {
	// Confirm returns nil when the customer wants to go on.
	Confirm(ctx context.Context, p Page) error
	// PIN returns what was entered, never empty. The caller clears it.
	PIN(ctx context.Context, p Page) ([]byte, error)
	// Choose returns the index of one of the choices.
	Choose(ctx context.Context, p Page, choices []string) (int, error)
	// Tell shows something until the customer has read it.
	Tell(ctx context.Context, p Page) error
}

// maxPIN is beyond every card's PIN, in bytes.
const maxPIN = 64

// body is a page as plain text without its title.
func (p Page) body() string {
	var b strings.Builder
	for _, l := range p.Lines {
		b.WriteString(l.Label)
		if l.Value != "" {
			b.WriteString(": " + l.Value)
		}
		b.WriteByte('\n')
	}
	for _, part := range append(p.Warnings, p.Ask) {
		if part != "" {
			b.WriteString("\n" + part + "\n")
		}
	}
	return strings.Trim(b.String(), "\n")
}
