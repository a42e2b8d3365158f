package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func (p *program) tokenCommand() *cobra.Command {
	return p.group("token", "import tokens, look at them, report one lost",
		`Commands on tokens call the API with the key in $MOHUR_KEY. In development they also
work without one, as the user who runs them.`,
		"  mohur token import batch.xml --transport-key acme\n  mohur token list --state in_stock",
		p.tokenImportCommand(), p.tokenListCommand(), p.tokenShowCommand(), p.tokenReportCommand())
}

// tokenView is a token as the API tells it.
type tokenView struct {
	ID           string `json:"id"`
	Manufacturer string `json:"manufacturer"`
	Model        string `json:"model"`
	Serial       string `json:"serial"`
	Profile      string `json:"profile"`
	State        string `json:"state"`
	Customer     string `json:"customer,omitempty"`
	Branch       string `json:"branch,omitempty"`
	Batch        string `json:"batch,omitempty"`
	Credentials  []struct {
		ID     string `json:"id"`
		Kind   string `json:"kind"`
		Label  string `json:"label"`
		State  string `json:"state"`
		Locked bool   `json:"locked"`
	} `json:"credentials"`
	History []struct {
		At     time.Time `json:"at"`
		From   string    `json:"from"`
		To     string    `json:"to"`
		Reason string    `json:"reason,omitempty"`
		By     string    `json:"by"`
	} `json:"history"`
}

func (t tokenView) kinds() string {
	var kinds []string
	for _, c := range t.Credentials {
		kinds = append(kinds, c.Kind)
	}
	return strings.Join(kinds, "+")
}

// tokenRef is a token in a path: its id, or its serial.
func tokenRef(arg string) string {
	if strings.HasPrefix(arg, tokenPrefix) || strings.HasPrefix(arg, "serial:") {
		return url.PathEscape(arg)
	}
	return url.PathEscape("serial:" + arg)
}

const tokenPrefix = "tk_"

// pageSize is how many the API gives at once.
const pageSize = 200

func (p *program) tokenListCommand() *cobra.Command {
	filter := map[string]*string{}
	limit := 0
	cmd := p.jsonFlag(p.configFlag(&cobra.Command{
		Use: "list", Short: "list tokens, the newest first",
		Example: "  mohur token list --state in_stock --batch 2026-11\n  mohur token list --customer C-1001 --json",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			query := url.Values{}
			for name, value := range filter {
				if *value != "" {
					query.Set(name, *value)
				}
			}
			return p.tokenList(cmd.Context(), query, limit)
		},
	}))
	for _, name := range []string{"state", "kind", "customer", "batch", "branch", "serial", "q"} {
		filter[name] = new(string)
		cmd.Flags().StringVar(filter[name], name, "", "only those with this `"+strings.ToUpper(name)+"`")
	}
	cmd.Flags().IntVar(&limit, "limit", 100, "at most `N` tokens")
	return cmd
}

func (p *program) tokenList(ctx context.Context, query url.Values, limit int) error {
	if limit < 1 {
		return usagef("--limit needs to be 1 or more")
	}
	return p.withPeople(ctx, func(cl *client) error {
		all := []tokenView{}
		for more := true; more && len(all) < limit; {
			var page struct {
				Items []tokenView `json:"items"`
				Next  string      `json:"next_cursor"`
			}
			query.Set("limit", fmt.Sprint(min(pageSize, limit-len(all))))
			if err := cl.call(ctx, http.MethodGet, "/v1/tokens?"+query.Encode(), nil, &page); err != nil {
				return err
			}
			all = append(all, page.Items...)
			query.Set("cursor", page.Next)
			more = page.Next != ""
		}
		if p.json {
			return p.print(map[string]any{"items": all})
		}
		w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "TOKEN\tSERIAL\tMODEL\tKINDS\tSTATE\tCUSTOMER")
		for _, t := range all {
			fmt.Fprintf(w, "%s\t%s\t%s %s\t%s\t%s\t%s\n", t.ID, t.Serial, t.Manufacturer, t.Model, t.kinds(), t.State, t.Customer)
		}
		return w.Flush()
	})
}

func (p *program) tokenShowCommand() *cobra.Command {
	return p.jsonFlag(p.configFlag(&cobra.Command{
		Use: "show TOKEN", Short: "show a token with its history", Long: "TOKEN is the id of a token or its serial.",
		Example: "  mohur token show S00000042",
		Args:    exactly("TOKEN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withPeople(cmd.Context(), func(cl *client) error {
				var t tokenView
				if err := cl.call(cmd.Context(), http.MethodGet, "/v1/tokens/"+tokenRef(args[0]), nil, &t); err != nil {
					return err
				}
				return p.tellToken(t)
			})
		},
	}))
}

func (p *program) tokenReportCommand() *cobra.Command {
	var kind, details string
	cmd := p.jsonFlag(p.configFlag(&cobra.Command{
		Use: "report TOKEN --kind KIND", Short: "report a token lost, stolen, damaged or suspected",
		Long: `Takes a token out of use at once: one that is active is suspended, one that is on
its way is revoked. TOKEN is the id of a token or its serial.`,
		Example: `  mohur token report S00000042 --kind lost --details "left in a taxi"`,
		Args:    exactly("TOKEN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if kind == "" {
				return usagef("needs --kind lost, stolen, damaged or suspected")
			}
			return p.withPeople(cmd.Context(), func(cl *client) error {
				var t tokenView
				in := map[string]string{"kind": kind, "details": details}
				if err := cl.call(cmd.Context(), http.MethodPost, "/v1/tokens/"+tokenRef(args[0])+"/report", in, &t); err != nil {
					return err
				}
				return p.tellToken(t)
			})
		},
	}))
	cmd.Flags().StringVar(&kind, "kind", "", "`KIND` of the report: lost, stolen, damaged or suspected")
	cmd.Flags().StringVar(&details, "details", "", "what the customer says, in his `WORDS`")
	return cmd
}

func (p *program) tellToken(t tokenView) error {
	if p.json {
		return p.print(t)
	}
	p.sayf("%s  %s  %s", t.ID, t.Serial, t.State)
	p.sayf("  %s %s, profile %s", t.Manufacturer, t.Model, t.Profile)
	if t.Customer != "" {
		p.sayf("  customer %s", t.Customer)
	}
	for _, c := range t.Credentials {
		locked := ""
		if c.Locked {
			locked = ", locked"
		}
		p.sayf("  %s %s: %s%s", c.Kind, c.ID, c.State, locked)
	}
	for _, h := range t.History {
		p.sayf("  %s  %s → %s  by %s  %s", h.At.Format(time.RFC3339), h.From, h.To, h.By, h.Reason)
	}
	return nil
}
