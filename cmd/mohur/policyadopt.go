package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mohur/risk/policy"
)

// adoptedPolicy is a version of the policy as the API tells it.
type adoptedPolicy struct {
	Version    int        `json:"version"`
	State      string     `json:"state,omitempty"`
	Source     string     `json:"source,omitempty"`
	SHA256     string     `json:"sha256"`
	From       time.Time  `json:"effective_from"`
	Since      *time.Time `json:"in_force_since,omitempty"`
	Board      string     `json:"board_decision,omitempty"`
	ApprovedBy string     `json:"approved_by,omitempty"`
	YAML       string     `json:"yaml,omitempty"`

	Warnings []string     `json:"warnings,omitempty"` // of one that was adopted just now
	Approval *waitingView `json:"approval,omitempty"` // of one that waits
}

// presentPolicy is what is in force, with what is to come and what is tried.
type presentPolicy struct {
	adoptedPolicy
	Scheduled []adoptedPolicy `json:"scheduled"`
	Shadow    *adoptedPolicy  `json:"shadow,omitempty"`
}

// since is when a version came or comes into force.
func (a adoptedPolicy) since() string {
	if a.Since != nil {
		return a.Since.Format(time.RFC3339)
	}
	return a.From.Format(time.RFC3339)
}

// origin is where a version has its authority from.
func (a adoptedPolicy) origin() string {
	if a.Board == "" {
		return a.Source
	}
	by := ""
	if a.ApprovedBy != "" {
		by = ", approved by " + a.ApprovedBy
	}
	return "decision " + a.Board + " of the board" + by
}

// withSecurity runs f with the key of $MOHUR_KEY where there is one, else over the
// socket: outside development nobody has the role security there.
func (p *program) withSecurity(ctx context.Context, f func(*client) error) error {
	if os.Getenv(keyVariable) != "" {
		return p.withPeople(ctx, f)
	}
	return p.withHost(ctx, f)
}

func (p *program) policyShowCommand() *cobra.Command {
	var yaml bool
	cmd := p.jsonFlag(p.configFlag(&cobra.Command{
		Use: "show", Short: "show the policy in force, what is scheduled and what is tried",
		Long: `Says which policy is in force, since when and by whose decision, which versions are
scheduled, and which is tried in its shadow. With --yaml it prints the text in force.`,
		Example: "  mohur policy show\n  mohur policy show --yaml > policy.yaml",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withSecurity(cmd.Context(), func(cl *client) error {
				var now presentPolicy
				if err := cl.call(cmd.Context(), http.MethodGet, "/v1/policy", nil, &now); err != nil {
					return err
				}
				switch {
				case p.json:
					return p.print(now)
				case yaml:
					_, err := fmt.Fprint(p.out, now.YAML)
					return err
				}
				p.sayf("in force   version %d since %s: %s", now.Version, now.since(), now.origin())
				p.sayf("           sha256 %s", now.SHA256)
				for _, next := range now.Scheduled {
					p.sayf("scheduled  version %d from %s: %s", next.Version, next.since(), next.origin())
				}
				if now.Shadow != nil {
					p.sayf("shadow     version %d, sha256 %s; it decides nothing", now.Shadow.Version, now.Shadow.SHA256)
				}
				return nil
			})
		},
	}))
	cmd.Flags().BoolVar(&yaml, "yaml", false, "print the text in force")
	return cmd
}

func (p *program) policyVersionsCommand() *cobra.Command {
	return p.jsonFlag(p.configFlag(&cobra.Command{
		Use: "versions", Short: "list the versions of the policy", Example: "  mohur policy versions", Args: exactly(),
		Long: "Lists every version that was adopted and that of the configuration, the highest first.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withSecurity(cmd.Context(), func(cl *client) error {
				var all struct {
					Items []adoptedPolicy `json:"items"`
				}
				if err := cl.call(cmd.Context(), http.MethodGet, "/v1/policies", nil, &all); err != nil {
					return err
				}
				if p.json {
					return p.print(all)
				}
				w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "VERSION\tSTATE\tFROM\tBY\tSHA256")
				for _, a := range all.Items {
					fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%.16s\n", a.Version, a.State, a.since(), a.origin(), a.SHA256)
				}
				return w.Flush()
			})
		},
	}))
}

func (p *program) policyPutCommand() *cobra.Command {
	var board, effective string
	cmd := p.jsonFlag(p.configFlag(&cobra.Command{
		Use: "put FILE", Short: "ask for a policy to be adopted",
		Long: `Checks a policy as the server does and sends it, under the number of the decision of
the bank's board. Outside development it takes the role security ($MOHUR_KEY) and
waits for a supervisor; nobody approves what he asked for. It comes into force by
itself at its effective_from, or when it is approved if that is later. A version is
above every version there is, and means one text for ever.`,
		Example: "  mohur policy put policy.yaml --board 17/2027",
		Args:    exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if board == "" {
				return usagef("needs --board with the number of the board's decision")
			}
			found, err := readPolicy(args[0])
			if err != nil {
				return err
			}
			if effective != "" {
				at, err := time.Parse(time.RFC3339, effective)
				if err != nil {
					return usagef("--effective needs a time such as 2027-01-01T00:00:00+04:00")
				}
				if !at.Equal(found.From) {
					return fmt.Errorf("%s says effective_from: %s; what is adopted is the text, so write the time there", args[0], found.From.Format(time.RFC3339))
				}
			}
			for _, w := range policy.Check(found) {
				p.notef("warning: %s", w)
			}
			return p.withSecurity(cmd.Context(), p.putPolicy(cmd.Context(), map[string]any{"yaml": string(found.Source), "effective_from": found.From, "board_decision": board}))
		},
	}))
	cmd.Flags().StringVar(&board, "board", "", "the `NUMBER` of the decision of the bank's board")
	cmd.Flags().StringVar(&effective, "effective", "", "a `TIME` that effective_from of the file has to be, else nothing is sent")
	return cmd
}

func (p *program) putPolicy(ctx context.Context, in map[string]any) func(*client) error {
	return func(cl *client) error {
		var made adoptedPolicy
		if err := cl.call(ctx, http.MethodPut, "/v1/policy", in, &made); err != nil {
			return err
		}
		switch {
		case p.json:
			return p.print(made)
		case made.Approval != nil:
			p.sayf("waits for a supervisor: approval %s, until %s", made.Approval.ID, made.Approval.ExpiresAt.Format(time.RFC3339))
			return nil
		}
		p.sayf("adopted: version %d, in force from %s, sha256 %s", made.Version, made.since(), made.SHA256)
		return nil
	}
}

func (p *program) policyShadowCommand() *cobra.Command {
	var remove bool
	cmd := p.jsonFlag(p.configFlag(&cobra.Command{
		Use: "shadow [FILE]", Short: "try a policy beside the one in force",
		Long: `Has every payment judged by a policy that decides nothing: what it would have decided
goes on record beside the decision. There is one at a time; --remove ends the trial.
Outside development it takes the role security ($MOHUR_KEY).`,
		Example: "  mohur policy shadow next.yaml\n  mohur policy shadow --remove",
		Args:    between(0, 1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if remove == (len(args) == 1) {
				return usagef("needs FILE, or --remove")
			}
			return p.withSecurity(cmd.Context(), func(cl *client) error {
				if remove {
					if err := cl.call(cmd.Context(), http.MethodDelete, "/v1/policy/shadow", nil, nil); err != nil {
						return err
					}
					p.sayf("no policy is tried any more")
					return nil
				}
				found, err := readPolicy(args[0])
				if err != nil {
					return err
				}
				var made adoptedPolicy
				if err := cl.call(cmd.Context(), http.MethodPut, "/v1/policy/shadow", map[string]string{"yaml": string(found.Source)}, &made); err != nil {
					return err
				}
				if p.json {
					return p.print(made)
				}
				p.sayf("version %d is tried from now on and decides nothing", made.Version)
				return nil
			})
		},
	}))
	cmd.Flags().BoolVar(&remove, "remove", false, "end the trial")
	return cmd
}

// inForce tells which policy the running server decides by.
func (x *examination) inForce(ctx context.Context, cl *client) {
	var now presentPolicy
	if err := cl.call(ctx, http.MethodGet, "/v1/policy", nil, &now); err != nil {
		x.bad(failing, "in force", "see the server's log", "the server does not say which policy is in force: %v", err)
		return
	}
	more := ""
	for _, next := range now.Scheduled {
		more += fmt.Sprintf("; version %d from %s", next.Version, next.since())
	}
	if now.Shadow != nil {
		more += fmt.Sprintf("; version %d is tried in the shadow", now.Shadow.Version)
	}
	x.ok("in force", "policy version %d since %s: %s%s", now.Version, now.since(), now.origin(), more)
}
