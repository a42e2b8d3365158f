package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"mohur/agent"
)

func (p *program) trialCommand() *cobra.Command {
	every := false
	cmd := p.jsonFlag(p.configFlag(&cobra.Command{
		Use: "trial", Short: "sign with every certificate of the card, to see that it works here",
		Long: `It asks for the PIN and has the card sign a text that is worth nothing, with every
certificate that could be used, and checks the signatures. Nothing is sent anywhere. This
is how a card, its software and a system are tried before customers get them.`,
		Example: "  mohur-card trial\n  mohur-card trial --all --json", Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := p.agent(true)
			if err != nil {
				return err
			}
			done, err := a.Trial(cmd.Context(), every)
			return p.tried(done, err)
		},
	}))
	cmd.Flags().BoolVar(&every, "all", false, "with every algorithm that fits; each asks for the PIN")
	return cmd
}

func (p *program) tried(done []agent.Tried, err error) error {
	failed := false
	for _, t := range done {
		failed = failed || t.Fault != ""
	}
	if err == nil && failed {
		err = errors.New("not every signature was made")
	}
	if p.json {
		if e := p.print(map[string]any{"tried": append([]agent.Tried{}, done...)}); e != nil {
			return e
		}
		return err
	}
	for _, t := range done {
		result := "good"
		if t.Fault != "" {
			result = "FAULT: " + t.Fault
		}
		fmt.Fprintf(p.out, "%s: %s, %s, by %s, in %s with the time for the PIN: %s\n", t.Certificate, t.Key, t.Algorithm, t.Module, t.Took.Round(time.Millisecond), result)
	}
	return err
}
