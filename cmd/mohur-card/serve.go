package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (p *program) serveCommand() *cobra.Command {
	return p.configFlag(&cobra.Command{
		Use: "serve", Short: "answer pages of the bank over HTTP on this machine",
		Long: `For browsers without the extension. It listens on 127.0.0.1, takes requests from
the bank's pages only and asks the customer before anything else.`,
		Example: "  mohur-card serve", Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := p.agent(false)
			if err != nil {
				return err
			}
			return a.Serve(cmd.Context(), func(addr string) { fmt.Fprintf(p.err, "mohur-card listens on http://%s\n", addr) })
		},
	})
}
