package etoken

import (
	"bytes"
	"context"
	"errors"

	"mohur/agent/dialog"
	"mohur/agent/pkcs11"
	"mohur/agent/words"
)

// The least and the most that a PIV card takes as a PIN.
const (
	pivLeast = 6
	pivMost  = 8
)

// ChangePIN lets whoever holds the token set a PIN that nobody else knows. How many
// tries are left is shown before the old one is tried.
func (d *Desk) ChangePIN(ctx context.Context, c Choice) error {
	say := d.Language.Say
	p, err := d.choose(ctx, c, say(words.PINTitle))
	if err != nil {
		return err
	}
	page := dialog.Page{Title: say(words.PINTitle), Lines: d.lines(p)}
	if p.token.PINPad {
		return errors.New("the PIN is changed on the reader's own keys, with the program of its maker")
	}
	if p.reader != "" && p.profile.PIV {
		left, err := d.Runner.Tries(ctx, p.reader)
		switch {
		case err == nil && left == 0:
			return errors.New(say(words.Locked))
		case err == nil:
			page.Warnings = append(page.Warnings, say(words.TriesLeft, left))
			p.token.PINLast = left == 1
		}
	}
	if p.token.PINLocked {
		return errors.New(say(words.Locked))
	}
	next, err := d.newPIN(ctx, p, page)
	if err != nil {
		return err
	}
	defer clear(next)
	var e entered
	defer e.end()
	page.Lines = append(page.Lines, words.Line{Label: say(words.OldPIN)})
	if err := d.withPIN(ctx, p, page, &e, func(a pkcs11.Access) error {
		return d.Runner.ChangePIN(ctx, p.Place, a.PIN, next, a.LastTry)
	}); err != nil {
		return err
	}
	return d.Dialog.Tell(ctx, dialog.Page{Title: say(words.PINTitle), Lines: d.lines(p), Ask: say(words.PINChanged)})
}

// newPIN asks for it twice.
func (d *Desk) newPIN(ctx context.Context, p place, page dialog.Page) ([]byte, error) {
	say := d.Language.Say
	least, most := p.token.MinPIN, p.token.MaxPIN
	if p.piv() {
		least, most = pivLeast, pivMost
	}
	if least == 0 {
		least = 4
	}
	if most == 0 {
		most = 64
	}
	var why []string
	for range maxPINs {
		shown := page
		shown.Warnings = append(append([]string(nil), page.Warnings...), why...)
		shown.Ask = say(words.NewPIN)
		pin, err := d.Dialog.PIN(ctx, shown)
		if err != nil {
			return nil, err
		}
		if len(pin) < least || len(pin) > most {
			clear(pin)
			why = []string{say(words.PINLength, least, most)}
			continue
		}
		shown.Warnings, shown.Ask = page.Warnings, say(words.RepeatPIN)
		again, err := d.Dialog.PIN(ctx, shown)
		if err != nil {
			clear(pin)
			return nil, err
		}
		same := bytes.Equal(pin, again)
		clear(again)
		if same {
			return pin, nil
		}
		clear(pin)
		why = []string{say(words.PINsDiffer)}
	}
	return nil, errors.New(say(words.PINsDiffer))
}
