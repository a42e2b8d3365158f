package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"mohur/agent"
	"mohur/agent/browser"
	"mohur/agent/device"
	"mohur/agent/doctor"
	"mohur/agent/words"
)

// visit is how long a doctor's round may take: a module that hangs is ended after 25 s.
const visit = 3 * time.Minute

func (p *program) doctorCommand() *cobra.Command {
	lang, offline := "", false
	cmd := p.jsonFlag(p.configFlag(&cobra.Command{
		Use: "doctor", Short: "find out why a card does not work, and what to do",
		Long: `It looks at the program, its configuration, the bank's pages, the clock, the browsers,
the smart card service, readers and their drivers, the card, its software, its
certificates and the tries left of its PIN. It enters no PIN. The exit code is 1 if there
is a fault.`,
		Example: "  mohur-card doctor --lang az\n  mohur-card doctor --json > report.json", Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), visit)
			defer cancel()
			return p.doctor(ctx, lang, offline)
		},
	}))
	cmd.Flags().StringVar(&lang, "lang", "", "`LANGUAGE` of the report: az, en, ru")
	cmd.Flags().BoolVar(&offline, "offline", false, "do not ask the bank's pages")
	return cmd
}

func (p *program) doctor(ctx context.Context, lang string, offline bool) error {
	c, unread := agent.LoadConfig(p.config)
	known := &agent.Config{}
	if c != nil {
		known = c
	}
	l := words.Pick(lang, known.Language, os.Getenv("LC_ALL"), os.Getenv("LANG"))
	cards, err := devices(known)
	if err != nil { // the bank's own profiles: the house's are there in any case
		catalog, e := device.Load("")
		if e != nil {
			return e
		}
		c, unread, cards = nil, err, &agent.Devices{Catalog: catalog, Modules: known.Modules}
	}
	m, err := browser.Here()
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	d := &doctor.Doctor{
		Language: l, Version: version, Program: program, Release: itself, Config: c, Unread: unread, Catalog: cards.Catalog, Cards: cards, Machine: m,
		Dialogs: func() error { _, err := dialogs(l, false); return err },
	}
	if !offline && c != nil {
		transport, err := transport(c.CAFile)
		if err != nil {
			d.Config, d.Unread = nil, err
		} else {
			d.Bank = func(ctx context.Context, origin string) (time.Time, error) { return visited(ctx, transport, origin) }
		}
	}
	report := d.Examine(ctx)
	if p.json {
		err = p.print(report)
	} else {
		_, err = fmt.Fprint(p.out, report.Text(l))
	}
	if err == nil && report.Faults > 0 {
		err = errFound
	}
	return err
}

// errFound: the report has said everything.
var errFound = errors.New("faults were found")

// visited asks a page for nothing but an answer, and returns its server's time.
func visited(ctx context.Context, transport http.RoundTripper, origin string) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodHead, origin+"/", nil)
	if err != nil {
		return time.Time{}, err
	}
	answer, err := transport.RoundTrip(q)
	if err != nil {
		return time.Time{}, err
	}
	_ = answer.Body.Close()
	at, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return time.Time{}, nil // it answers, and does not tell its time
	}
	return at, nil
}
