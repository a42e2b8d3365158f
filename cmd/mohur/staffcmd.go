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

	"mohur/parties"
)

func (p *program) staffCommand() *cobra.Command {
	return p.group("staff", "the bank's own people: who they are and what they may", "", "  mohur staff invite ayla --role supervisor --name 'Ayla Həsənova' --email ayla@bank.example",
		p.staffInviteCommand(), p.staffListCommand(), p.staffSuspendCommand())
}

func (p *program) staffInviteCommand() *cobra.Command {
	var in newStaff
	cmd := p.jsonFlag(p.configFlag(&cobra.Command{
		Use: "invite ID", Short: "make a member of staff and print the invitation, once",
		Long: `Makes a member of staff. The invitation is a one-time secret, good for 24 hours: with it
the person enrols a key and sets a PIN. Without --role it invites somebody who is there
already again; the invitations before end.

From the second supervisor on, and from the first who has logged in, a
supervisor has to approve it, and the invitation goes to the person's e-mail address.

Roles: ` + names(parties.StaffRoles()) + `.
Nobody is operator and supervisor, custodian and security, or auditor and anything else.`,
		Example: "  mohur staff invite ayla --role supervisor --name 'Ayla Həsənova' --email ayla@bank.example\n  mohur staff invite ayla",
		Args:    exactly("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.ID = args[0]
			return p.withHost(cmd.Context(), p.inviteStaff(cmd.Context(), in))
		},
	}))
	cmd.Flags().StringArrayVar(&in.Roles, "role", nil, "a `ROLE` of the person; may be given more than once")
	cmd.Flags().StringVar(&in.Name, "name", "", "the person's `NAME`; without it the ID")
	cmd.Flags().StringVar(&in.Contacts.Email, "email", "", "the person's e-mail `ADDRESS`")
	cmd.Flags().StringVar(&in.Contacts.Phone, "phone", "", "the person's phone `NUMBER`")
	return cmd
}

// newStaff is the request of the API.
type newStaff struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Roles    []string `json:"roles"`
	Contacts struct {
		Phone string `json:"phone"`
		Email string `json:"email"`
	} `json:"contacts"`
}

// madeStaff is what the API answers, as far as it is needed here: somebody who was
// made, or an approval that waits.
type madeStaff struct {
	ID         string `json:"id,omitempty"`
	Invitation *struct {
		Link      string    `json:"link,omitempty"`
		Secret    string    `json:"secret,omitempty"`
		ExpiresAt time.Time `json:"expires_at"`
	} `json:"invitation,omitempty"`
	Approval *waitingView `json:"approval,omitempty"`
}

// waitingView is an approval that waits for its second person.
type waitingView struct {
	ID        string    `json:"id"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (p *program) inviteStaff(ctx context.Context, in newStaff) func(*client) error {
	return func(cl *client) error {
		var made madeStaff
		var err error
		if len(in.Roles) == 0 {
			err = cl.call(ctx, http.MethodPost, staffPath(in.ID)+"/invitations", struct{}{}, &made)
		} else {
			if in.Name == "" {
				in.Name = in.ID
			}
			err = cl.call(ctx, http.MethodPost, "/v1/staff", in, &made)
		}
		switch {
		case err != nil:
			return err
		case p.json:
			return p.print(made)
		case made.Approval != nil:
			p.sayf("waits for a supervisor: approval %s, until %s", made.Approval.ID, made.Approval.ExpiresAt.Format(time.RFC3339))
			return nil
		case made.Invitation == nil:
			return fmt.Errorf("the server's answer has no invitation")
		}
		p.sayf("staff   %s", made.ID)
		p.sayf("link    %s", made.Invitation.Link)
		p.sayf("secret  %s", made.Invitation.Secret)
		p.notef("The invitation is shown this once; give it to %s and to nobody else. It ends on %s.", made.ID, made.Invitation.ExpiresAt.Format(time.RFC3339))
		return nil
	}
}

func (p *program) staffListCommand() *cobra.Command {
	return p.jsonFlag(p.configFlag(&cobra.Command{
		Use: "list", Short: "list the members of staff", Example: "  mohur staff list", Args: exactly(),
		Long: "Lists every member of staff with roles and state, by id.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withHost(cmd.Context(), p.listStaff(cmd.Context()))
		},
	}))
}

func (p *program) listStaff(ctx context.Context) func(*client) error {
	return func(cl *client) error {
		var out struct {
			Items []struct {
				ID    string   `json:"id"`
				Name  string   `json:"name,omitempty"`
				Roles []string `json:"roles"`
				State string   `json:"state"`
			} `json:"items"`
		}
		if err := cl.call(ctx, http.MethodGet, "/v1/staff", nil, &out); err != nil {
			return err
		}
		if p.json {
			return p.print(out.Items)
		}
		w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
		for _, s := range out.Items {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", s.ID, strings.Join(s.Roles, ","), s.State, s.Name)
		}
		return w.Flush()
	}
}

func (p *program) staffSuspendCommand() *cobra.Command {
	var reason string
	cmd := p.configFlag(&cobra.Command{
		Use: "suspend ID --reason TEXT", Short: "take a member of staff out at once",
		Long: `Ends the sessions and invitations of a member of staff; nothing of his is granted any
more. One person is enough for it; letting him back takes two.`,
		Example: "  mohur staff suspend ayla --reason 'left the bank'",
		Args:    exactly("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if reason == "" {
				return usagef("needs --reason TEXT")
			}
			return p.withHost(cmd.Context(), func(cl *client) error {
				if err := cl.call(cmd.Context(), http.MethodPost, staffPath(args[0])+"/suspend", map[string]string{"reason": reason}, nil); err != nil {
					return err
				}
				p.sayf("%s is suspended", args[0])
				return nil
			})
		},
	})
	cmd.Flags().StringVar(&reason, "reason", "", "why, as `TEXT`; it goes into the evidence")
	return cmd
}

func staffPath(id string) string { return "/v1/staff/" + url.PathEscape(id) }
