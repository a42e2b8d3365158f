package dialog

import (
	"context"
	"fmt"
	"html"
	"strconv"
	"strings"

	"mohur/agent/words"
)

// Zenity asks with zenity, the dialogs of GNOME.
type Zenity struct {
	Language words.Language
	Path     string
}

// text is the body as zenity takes it: it reads backslashes as escapes.
func (z Zenity) text(p Page) string { return "--text=" + strings.ReplaceAll(p.body(), `\`, `\\`) }

func (z Zenity) common(p Page) []string {
	return []string{"--title=" + p.Title, "--width=480", "--ok-label=" + z.Language.Say(words.Yes), "--cancel-label=" + z.Language.Say(words.Cancel)}
}

// Confirm implements Dialog.
func (z Zenity) Confirm(ctx context.Context, p Page) error {
	_, code, err := started(ctx, z.Path, append(z.common(p), "--question", "--default-cancel", "--no-markup", z.text(p))...)
	if err != nil {
		return err
	}
	return verdict(code)
}

// PIN implements Dialog.
func (z Zenity) PIN(ctx context.Context, p Page) ([]byte, error) {
	// In the text of an entry an underscore marks the next letter.
	text := strings.ReplaceAll(z.text(p), "_", "__")
	return secret(started(ctx, z.Path, append(z.common(p), "--entry", "--hide-text", text)...))
}

// Choose implements Dialog.
func (z Zenity) Choose(ctx context.Context, p Page, choices []string) (int, error) {
	// The text of a list is markup, and nothing switches that off.
	p.Lines, p.Warnings, p.Ask = []words.Line{{Label: html.EscapeString(p.body())}}, nil, ""
	args := append(z.common(p), "--list", "--hide-header", "--hide-column=1", "--print-column=1", "--column=1", "--column=2", z.text(p))
	for i, c := range numbered(choices) {
		args = append(args, strconv.Itoa(i+1), c)
	}
	out, code, err := started(ctx, z.Path, args...)
	return chosen(out, code, err, len(choices))
}

// Tell implements Dialog.
func (z Zenity) Tell(ctx context.Context, p Page) error {
	_, _, err := started(ctx, z.Path, "--title="+p.Title, "--width=480", "--info", "--no-markup", z.text(p))
	return err
}

// numbered puts a number before each choice, so that none is taken for an option.
func numbered(choices []string) []string {
	all := make([]string, len(choices))
	for i, c := range choices {
		all[i] = fmt.Sprintf("%d. %s", i+1, c)
	}
	return all
}

func chosen(out []byte, code int, err error, choices int) (int, error) {
	if err == nil {
		err = verdict(code)
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(string(out))
	if err != nil || n < 1 || n > choices {
		return 0, ErrCancelled
	}
	return n - 1, nil
}
