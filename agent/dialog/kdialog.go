package dialog

import (
	"context"
	"html"
	"strconv"
	"strings"

	"mohur/agent/words"
)

// KDialog asks with kdialog, the dialogs of KDE.
type KDialog struct {
	Language words.Language
	Path     string
}

// text is the body as rich text, always: otherwise kdialog would guess, and a
// payee's name could be markup.
func (k KDialog) text(p Page) string {
	return "<qt>" + strings.ReplaceAll(html.EscapeString(p.body()), "\n", "<br/>") + "</qt>"
}

// Confirm implements Dialog.
func (k KDialog) Confirm(ctx context.Context, p Page) error {
	_, code, err := started(ctx, k.Path, "--title", p.Title, "--continue-label", k.Language.Say(words.Yes),
		"--cancel-label", k.Language.Say(words.Cancel), "--warningcontinuecancel", k.text(p))
	if err != nil {
		return err
	}
	return verdict(code)
}

// PIN implements Dialog.
func (k KDialog) PIN(ctx context.Context, p Page) ([]byte, error) {
	return secret(started(ctx, k.Path, "--title", p.Title, "--password", k.text(p)))
}

// Choose implements Dialog.
func (k KDialog) Choose(ctx context.Context, p Page, choices []string) (int, error) {
	args := []string{"--title", p.Title, "--menu", k.text(p)}
	for i, c := range numbered(choices) {
		args = append(args, strconv.Itoa(i+1), c)
	}
	out, code, err := started(ctx, k.Path, args...)
	return chosen(out, code, err, len(choices))
}

// Tell implements Dialog.
func (k KDialog) Tell(ctx context.Context, p Page) error {
	_, _, err := started(ctx, k.Path, "--title", p.Title, "--msgbox", k.text(p))
	return err
}
