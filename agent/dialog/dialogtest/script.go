// Package dialogtest has a dialog for tests that answers as it was told and keeps
// what it showed. It is never part of a program that is handed out.
package dialogtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"mohur/agent/dialog"
)

// Answer is what the made-up customer does at one dialog.
type Answer struct {
	PIN    string // entered
	Yes    bool   // goes on
	Choice int    // takes this one
	Cancel bool
	Hang   bool   // does nothing until the context ends
	Before func() `json:"-"` // runs before the answer, such as to take out the card
}

// Script answers one dialog after the other. Telling something uses up no answer.
type Script struct {
	mu      sync.Mutex
	answers []Answer
	pages   []Shown
}

// Shown is a page and the kind of dialog that showed it: "confirm", "pin",
// "choose" or "tell".
type Shown struct {
	Kind    string
	Page    dialog.Page
	Choices []string
}

// Text is all that was to be read, in lines.
func (s Shown) Text() string {
	var b strings.Builder
	fmt.Fprintln(&b, s.Page.Title)
	for _, l := range s.Page.Lines {
		fmt.Fprintf(&b, "%s: %s\n", l.Label, l.Value)
	}
	for _, w := range s.Page.Warnings {
		fmt.Fprintf(&b, "! %s\n", w)
	}
	fmt.Fprintln(&b, s.Page.Ask)
	for _, c := range s.Choices {
		fmt.Fprintf(&b, "- %s\n", c)
	}
	return b.String()
}

// New returns a script.
func New(answers ...Answer) *Script { return &Script{answers: answers} }

// Shown returns what was shown so far.
func (s *Script) Shown() []Shown {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Shown(nil), s.pages...)
}

// All is the text of all pages.
func (s *Script) All() string {
	var b strings.Builder
	for _, p := range s.Shown() {
		b.WriteString("[" + p.Kind + "] " + p.Text())
	}
	return b.String()
}

// Left is how many answers were not used.
func (s *Script) Left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.answers)
}

func (s *Script) next(ctx context.Context, shown Shown) (Answer, error) {
	s.mu.Lock()
	s.pages = append(s.pages, shown)
	if len(s.answers) == 0 {
		s.mu.Unlock()
		return Answer{}, errors.New("dialogtest: the customer was not told what to do here: " + shown.Text())
	}
	a := s.answers[0]
	s.answers = s.answers[1:]
	s.mu.Unlock()
	if a.Before != nil {
		a.Before()
	}
	if a.Hang {
		<-ctx.Done()
		return a, ctx.Err()
	}
	if a.Cancel {
		return a, dialog.ErrCancelled
	}
	return a, nil
}

// Confirm implements dialog.Dialog.
func (s *Script) Confirm(ctx context.Context, p dialog.Page) error {
	a, err := s.next(ctx, Shown{Kind: "confirm", Page: p})
	if err == nil && !a.Yes {
		return errors.New("dialogtest: a confirmation was not expected here")
	}
	return err
}

// PIN implements dialog.Dialog.
func (s *Script) PIN(ctx context.Context, p dialog.Page) ([]byte, error) {
	a, err := s.next(ctx, Shown{Kind: "pin", Page: p})
	if err == nil && a.PIN == "" {
		return nil, errors.New("dialogtest: a PIN was not expected here")
	}
	return []byte(a.PIN), err
}

// Choose implements dialog.Dialog.
func (s *Script) Choose(ctx context.Context, p dialog.Page, choices []string) (int, error) {
	a, err := s.next(ctx, Shown{Kind: "choose", Page: p, Choices: choices})
	return a.Choice, err
}

// Tell implements dialog.Dialog.
func (s *Script) Tell(_ context.Context, p dialog.Page) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages = append(s.pages, Shown{Kind: "tell", Page: p})
	return nil
}
