package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"mohur/risk"
	"mohur/risk/policy"
)

// policyName is the file `mohur init` writes the recommended policy to.
const policyName = "policy.yaml"

// readPolicy reads a bank's own policy. Its version is never that of the one the
// server ships with: a version in the log means one text.
func readPolicy(path string) (risk.Policy, error) {
	f, err := os.Open(path)
	if err != nil {
		return risk.Policy{}, fmt.Errorf("policy: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return risk.Policy{}, fmt.Errorf("policy: %w", err)
	}
	p, err := policy.Parse(text)
	if err != nil {
		return risk.Policy{}, fmt.Errorf("policy: %s:\n%w", path, err)
	}
	if p.Version == policy.Default().Version && string(text) != string(policy.Default().Source) {
		return risk.Policy{}, fmt.Errorf("policy: %s:\nversion: %d is the policy the server ships with; a policy of the bank's own begins at %d", path, p.Version, p.Version+1)
	}
	return p, nil
}

// riskPolicy is the policy in force: that of the configuration, or the one the
// server ships with. One whose time has not come is refused: nobody knows what
// should be in force until then.
func (c *Config) riskPolicy(now time.Time) (risk.Policy, error) {
	if c.Policy == "" {
		return policy.Default(), nil
	}
	p, err := readPolicy(c.Policy)
	if err != nil {
		return p, err
	}
	if now.Before(p.From) {
		return p, fmt.Errorf("policy: %s: effective_from is %s, which is still to come; name the policy that is in force until then", c.Policy, p.From.Format(time.RFC3339))
	}
	return p, nil
}

// policy checks the file as the server would at its start.
func (x *examination) policy() {
	if x.config.Policy == "" {
		return
	}
	p, err := x.config.riskPolicy(time.Now())
	if err != nil {
		x.bad(failing, "policy", "correct the file, or leave the setting out", "%v", err)
		return
	}
	x.ok("policy", "version %d of %s is in order", p.Version, x.config.Policy)
}

func (p *program) policyCommand() *cobra.Command {
	check := &cobra.Command{
		Use:   "check FILE",
		Short: "check a policy, and try it over a grid of amounts and scores",
		Long: `Reads a policy as the server would at its start and prints every fault with its
line. Then it tries it over a grid of amounts, scores and circumstances and warns
where a higher amount or score asks for less, and of conditions on facts that the
server does not know. Warnings do not fail; see docs/policy.md.`,
		Example: "  mohur policy check policy.yaml",
		Args:    exactly("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			found, err := readPolicy(args[0])
			if err != nil {
				return err
			}
			warnings := policy.Check(found)
			if p.json {
				return p.print(map[string]any{
					"version": found.Version, "effective_from": found.From, "scores": len(found.Scores), "rules": len(found.Rules),
					"warnings": append([]string{}, warnings...),
				})
			}
			for _, w := range warnings {
				p.sayf("warning: %s", w)
			}
			p.sayf("%s is in order: version %d, in force from %s, %s, %s, %s", args[0], found.Version, found.From.Format(time.RFC3339),
				count(len(found.Scores), "score"), count(len(found.Rules), "rule"), count(len(warnings), "warning"))
			return nil
		},
	}
	var recommended bool
	show := &cobra.Command{
		Use:   "default",
		Short: "print the policy the server ships with, to begin one's own from",
		Long: `Prints the policy the server ships with, which is in force where the bank names
none of its own. With --recommended it prints another one, version 2: a policy for
an Azerbaijani bank that uses all the server knows of a payment. Read its first
lines: the front end has to send what it speaks of.`,
		Example: "  mohur policy default --recommended > policy.yaml",
		Args:    exactly(),
		RunE: func(*cobra.Command, []string) error {
			text := policy.Default().Source
			if recommended {
				text = policy.Recommended().Source
			}
			_, err := p.out.Write(text)
			return err
		},
	}
	show.Flags().BoolVar(&recommended, "recommended", false, "the recommended policy of a bank, version 2")
	return p.group("policy", "check how strong a proof is asked for, and change it", "", "  mohur policy check policy.yaml\n  mohur policy put policy.yaml --board 17/2027",
		p.jsonFlag(check), show, p.simulateCommand(), p.policyShowCommand(), p.policyVersionsCommand(), p.policyPutCommand(), p.policyShadowCommand())
}

// policyMark tells in the log which policy the server started with.
func (s *server) policyMark() map[string]any {
	e := s.book.Present()
	p := e.Rules
	return map[string]any{"version": p.Version, "sha256": fmt.Sprintf("%x", sha256.Sum256(p.Source)), "effective_from": p.From, "built_in": p.BuiltIn, "board_decision": e.Record.Board}
}
