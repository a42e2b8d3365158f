package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"mohur/hsm"
)

func (p *program) keysCommand() *cobra.Command {
	return p.group("keys", "the keys in the HSM", "",
		"  mohur keys list\n  mohur keys import-transport acme\n  mohur keys make-transport acme --rsa",
		p.keysListCommand(), p.rotateCommand(), p.importTransportCommand(), p.halvesCommand(), p.cancelHalfCommand(),
		p.makeTransportCommand(), p.showTransportCommand(), p.deleteTransportCommand())
}

func (p *program) keysListCommand() *cobra.Command {
	return p.jsonFlag(p.configFlag(&cobra.Command{
		Use: "list", Short: "list the keys of the house in the HSM",
		Long: `Lists every version of every key: what it is and what for, never its value. Where no
server runs, the command opens the HSM itself.`,
		Example: "  mohur keys list --json",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withHost(cmd.Context(), func(cl *client) error { return p.listKeys(cmd.Context(), cl) })
		},
	}))
}

func (p *program) listKeys(ctx context.Context, cl *client) error {
	var page struct {
		Items []hsm.KeyInfo `json:"items"`
	}
	if err := cl.call(ctx, http.MethodGet, "/v1/keys", nil, &page); err != nil {
		return err
	}
	if p.json {
		return p.print(page)
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tVERSION\tTYPE\tUSE\tID")
	for _, k := range page.Items {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", k.Key, k.Version, k.Type, k.Use, k.ID)
	}
	return w.Flush()
}

func (p *program) rotateCommand() *cobra.Command {
	return p.jsonFlag(p.configFlag(&cobra.Command{
		Use:   "rotate KEY",
		Short: "make the next version of seed-kek, pin-seal or data-kek",
		Long: `Makes the next version of a key in the HSM. What is made from then on is made with
it: the seeds of new imports, the PINs that are set, the keys of new persons. What
the versions before have wrapped or sealed stays as it is and stays readable, so
they stay in the HSM. A key that wraps seeds retires with its tokens.

The MAC keys and the signing keys cannot be followed by this: what they have made
does not say which version it was.`,
		Example: "  mohur keys rotate seed-kek",
		Args:    exactly("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withHost(cmd.Context(), func(cl *client) error {
				var k hsm.KeyInfo
				if err := cl.callLong(cmd.Context(), "/v1/keys/rotations", map[string]string{"key": args[0]}, &k); err != nil {
					return err
				}
				if p.json {
					return p.print(k)
				}
				p.sayf("%s has the version %d, which serves from now on; those before are needed for what they have made", k.Key, k.Version)
				return nil
			})
		},
	}))
}

func (p *program) deleteTransportCommand() *cobra.Command {
	return p.configFlag(&cobra.Command{
		Use: "delete-transport NAME", Short: "delete a transport key once its files are imported",
		Example: "  mohur keys delete-transport acme",
		Args:    exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withHost(cmd.Context(), func(cl *client) error {
				if err := cl.call(cmd.Context(), http.MethodDelete, "/v1/keys/transport/"+url.PathEscape(args[0]), nil, nil); err != nil {
					return err
				}
				p.sayf("the HSM has no key transport-%s any more", args[0])
				return nil
			})
		},
	})
}
