package dialog

import (
	"context"
	"fmt"
	"strings"

	"mohur/agent/words"
)

// AppleScript asks with the dialogs of macOS, by osascript. Texts are arguments of
// the script, never parts of it.
type AppleScript struct {
	Language words.Language
	Path     string
}

// appleAsk is a dialog with two buttons, the first of which cancels; osascript ends with 1 when it is cancelled.
const appleAsk = `display dialog (item 1 of a) with title (item 2 of a) buttons {item 3 of a, item 4 of a} default button 1 cancel button 1`

// run runs a script of which a are the arguments.
func (s AppleScript) run(ctx context.Context, script string, args ...string) ([]byte, int, error) {
	return started(ctx, s.Path, append([]string{"-e", "on run a", "-e", script, "-e", "end run", "--"}, args...)...)
}

func (s AppleScript) common(p Page) []string {
	return []string{p.body(), p.Title, s.Language.Say(words.Cancel), s.Language.Say(words.Yes)}
}

// Confirm implements Dialog.
func (s AppleScript) Confirm(ctx context.Context, p Page) error {
	_, code, err := s.run(ctx, appleAsk, s.common(p)...)
	if err != nil {
		return err
	}
	return verdict(code)
}

// PIN implements Dialog.
func (s AppleScript) PIN(ctx context.Context, p Page) ([]byte, error) {
	script := `return text returned of (` + strings.Replace(appleAsk, "default button 1", "default button 2", 1) + ` default answer "" with hidden answer)`
	return secret(s.run(ctx, script, s.common(p)...))
}

// Choose implements Dialog.
func (s AppleScript) Choose(ctx context.Context, p Page, choices []string) (int, error) {
	var shown strings.Builder
	for i, c := range choices {
		fmt.Fprintf(&shown, "\n%d. %s", i+1, c)
	}
	for {
		page := p
		page.Ask += "\n" + shown.String()
		script := `return text returned of (` + strings.Replace(appleAsk, "default button 1", "default button 2", 1) + ` default answer "1")`
		out, code, err := s.run(ctx, script, s.common(page)...)
		if err != nil {
			return 0, err
		}
		if err := verdict(code); err != nil {
			return 0, err
		}
		if n, err := chosen(out, 0, nil, len(choices)); err == nil {
			return n, nil
		}
	}
}

// Tell implements Dialog.
func (s AppleScript) Tell(ctx context.Context, p Page) error {
	_, _, err := s.run(ctx, `display dialog (item 1 of a) with title (item 2 of a) buttons {item 3 of a} default button 1`, p.body(), p.Title, s.Language.Say(words.OK))
	return err
}
