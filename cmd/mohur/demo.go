package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"mohur/ident"
)

func (p *program) demoCommand() *cobra.Command {
	var url string
	cmd := p.jsonFlag(p.configFlag(&cobra.Command{
		Use:   "demo",
		Short: "tell the whole story against a running development server",
		Long: `Plays everybody in turn: the manufacturer, the branch, the customer with the token
in his hand, the e-banking front end, the core banking system, a thief and an
auditor. A batch of tokens is imported and one handed out; its owner logs in and
pays; what must be refused is refused; and the audit log is verified from outside.

Each step shows what was sent and answered, secrets shortened. It ends with 1 at
the first step that does not go as told. It can be repeated: every run has
customers and tokens of its own. The server has to be one of
` + "`mohur init --development`" + `.`,
		Example: "  mohur demo\n  mohur demo --config var/dev/mohur.yaml --json",
		Args:    exactly(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.demo(cmd.Context(), url) },
	}))
	cmd.Flags().StringVar(&url, "url", "", "the server's `URL` (default: where the running server says it is)")
	return cmd
}

// chapters are the story, in order.
func chapters() []chapter {
	var all []chapter
	for _, part := range [][]chapter{openingChapters(), handoverChapters(), loginChapters(), paymentChapters(), closingChapters()} {
		all = append(all, part...)
	}
	return all
}

// played is a chapter as `--json` tells it.
type played struct {
	Number    int        `json:"number"`
	Title     string     `json:"title"`
	Exchanges []exchange `json:"exchanges"`
	Findings  []string   `json:"findings"`
	Error     string     `json:"error,omitempty"`
}

func (p *program) demo(ctx context.Context, url string) error {
	c, err := loadConfig(p.config)
	if err != nil {
		return err
	}
	s, err := newStory(ctx, c, url)
	if err != nil {
		return err
	}
	sc := screen{w: p.out, colour: isTerminal(p.out)}
	if !p.json {
		sc.line("The story of one token at %s", s.base)
	}
	all, err := s.tell(ctx, chapters(), func(n int, title string, told []exchange, says []string, err error) {
		if p.json {
			return
		}
		sc.chapter(n, title, told, says)
		if err != nil {
			sc.failed(err)
		}
	})
	switch {
	case p.json:
		if err := p.print(map[string]any{"ok": err == nil, "steps": all}); err != nil {
			return err
		}
	case err == nil:
		sc.line("\n%s", sc.paint(green, fmt.Sprintf("All %d steps went as told, in %d requests.", len(all), requests(all))))
	}
	if err != nil {
		return fmt.Errorf("step %d did not go as told", len(all))
	}
	return nil
}

func requests(all []played) (n int) {
	for _, x := range all {
		n += len(x.Exchanges)
	}
	return n
}

// newStory finds the server and the key of development.
func newStory(ctx context.Context, c *Config, url string) (*story, error) {
	if !c.Development {
		return nil, fmt.Errorf("%s is not for development; the demonstration makes customers and payments: make a server for it with `mohur init --dir DIR --development`", c.File)
	}
	path := filepath.Join(c.Dir, adminKeyFile)
	if err := private(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the admin key: %w", err)
	}
	if url == "" {
		if _, err := running(c); err != nil {
			return nil, err
		}
		url = c.address(ctx)
	}
	return &story{
		http: overNetwork(c, url, "").http, base: strings.TrimSuffix(url, "/"), c: c, run: strings.ToUpper(ident.Text(8)[:6]),
		keys: map[string]string{admin: strings.TrimSpace(string(key))},
	}, nil
}

// tell plays the chapters until one fails.
func (s *story) tell(ctx context.Context, all []chapter, each func(n int, title string, told []exchange, says []string, err error)) ([]played, error) {
	var done []played
	for i, ch := range all {
		s.told, s.says = []exchange{}, []string{}
		err := ch.play(ctx, s)
		x := played{Number: i + 1, Title: ch.title, Exchanges: s.told, Findings: s.says}
		if err != nil {
			x.Error = err.Error()
		}
		done = append(done, x)
		each(i+1, ch.title, s.told, s.says, err)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}
