package main

import (
	"github.com/spf13/cobra"

	"mohur/authn/revocation"
	"mohur/enrollment"
)

func (p *program) configCommand() *cobra.Command {
	check := p.configFlag(&cobra.Command{
		Use:   "check",
		Short: "check the configuration, and nothing else",
		Long: `Reads the configuration and prints every fault with its line. It opens neither
the HSM nor the store, so it can be run beside a server, before it is restarted.
What the configuration points at is for ` + "`mohur doctor`" + ` to check, but for the
certificates of card issuers, which are read.`,
		Example: "  mohur config check --config /etc/mohur/mohur.yaml",
		Args:    exactly(),
		RunE: func(*cobra.Command, []string) error {
			c, err := loadConfig(p.config)
			if err != nil {
				return err
			}
			if _, err := c.cards(new(revocation.Checker), enrollment.OwnCards{}); err != nil {
				return err
			}
			p.sayf("%s is in order", c.File)
			return nil
		},
	})
	return p.group("config", "check the configuration", "", "  mohur config check", check)
}
