package main

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mohur/parties"
)

func (p *program) clientCommand() *cobra.Command {
	var roles, channels []string
	create := p.jsonFlag(p.configFlag(&cobra.Command{
		Use:   "create NAME --role ROLE",
		Short: "make a client of the API and print its key, once",
		Long: `Makes a client: a system that calls the API, such as an e-banking front end or the
core banking system. Its key is printed once; the server keeps only a hash of it.

Roles: ` + names(parties.Roles()) + `.
Without --channel it serves all channels: ` + names(parties.Channels()) + `.
Where no server runs, the command opens the store itself.`,
		Example: `  mohur client create e-banking --role frontend --channel internet --channel mobile
  MOHUR_KEY=$(mohur client create branch-import --role operator --json | jq -r .key)`,
		Args: exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(roles) == 0 {
				return usagef("needs --role ROLE")
			}
			return p.createClient(cmd.Context(), newClient{Name: args[0], Roles: roles, Channels: channels})
		},
	}))
	create.Flags().StringArrayVar(&roles, "role", nil, "a `ROLE` of the client; may be given more than once")
	create.Flags().StringArrayVar(&channels, "channel", nil, "a `CHANNEL` it serves; may be given more than once")
	return p.group("client", "the systems that call the API", "", "  mohur client create e-banking --role frontend",
		create, p.clientListCommand(), p.clientRotateCommand(), p.clientEndCommand())
}

// names lists roles or channels in a help text.
func names[T ~string](all []T) string {
	words := make([]string, len(all))
	for i, a := range all {
		words[i] = string(a)
	}
	return strings.Join(words, ", ")
}

// newClient is the request of the API.
type newClient struct {
	Name     string   `json:"name"`
	Roles    []string `json:"roles"`
	Channels []string `json:"channels,omitempty"`
}

// madeClient is what the API answers, as far as it is needed here.
type madeClient struct {
	ID        string    `json:"id"`
	KeyID     string    `json:"key_id"`
	Key       string    `json:"key"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (p *program) createClient(ctx context.Context, in newClient) error {
	return p.withHost(ctx, func(cl *client) error {
		var made madeClient
		if err := cl.call(ctx, http.MethodPost, "/v1/clients", in, &made); err != nil {
			return err
		}
		if p.json {
			return p.print(struct {
				ID  string `json:"id"`
				Key string `json:"key"`
			}{made.ID, made.Key})
		}
		p.sayf("client  %s", made.ID)
		p.sayf("key     %s", made.Key)
		p.notef("The key is shown this once; keep it where only %s can read it.", in.Name)
		if !made.ExpiresAt.IsZero() {
			p.notef("It ends on %s.", made.ExpiresAt.Format(time.DateOnly))
		}
		return nil
	})
}
