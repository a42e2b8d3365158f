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

func (p *program) clientListCommand() *cobra.Command {
	return p.jsonFlag(p.configFlag(&cobra.Command{
		Use: "list", Short: "list the clients and their keys", Example: "  mohur client list", Args: exactly(),
		Long: "Lists every client with its roles and its keys, by id; a key itself is shown by\nnobody. Those that have ended are listed too.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withHost(cmd.Context(), p.listClients(cmd.Context()))
		},
	}))
}

func (p *program) clientRotateCommand() *cobra.Command {
	var days int
	cmd := p.jsonFlag(p.configFlag(&cobra.Command{
		Use: "rotate ID", Short: "make a further key of a client and print it, once",
		Long: `Makes a key for a client to change over to. The keys it has stay valid, two at most:
give the client the new one, then end the old one with ` + "`mohur client end ID --key KEY`" + `.`,
		Example: "  mohur client rotate cl_7z2k\n  mohur client end cl_7z2k --key ck_0q4m",
		Args:    exactly("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withHost(cmd.Context(), p.rotateClient(cmd.Context(), args[0], days))
		},
	}))
	cmd.Flags().IntVar(&days, "days", 0, "the life of the key in `DAYS` (default a year)")
	return cmd
}

func (p *program) clientEndCommand() *cobra.Command {
	var key string
	cmd := p.configFlag(&cobra.Command{
		Use: "end ID", Short: "end a client, or one of its keys, at once",
		Long: `Ends a client with all its keys: whatever it sends from now on is answered 401. What
it began stays, and nobody acts on it any more. It does not come back; make another
client instead. With --key it ends that key only.`,
		Example: "  mohur client end cl_7z2k\n  mohur client end cl_7z2k --key ck_0q4m",
		Args:    exactly("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withHost(cmd.Context(), p.endClient(cmd.Context(), args[0], key))
		},
	})
	cmd.Flags().StringVar(&key, "key", "", "end the key with this `ID` only")
	return cmd
}

// listedClient is a client as the API lists it.
type listedClient struct {
	ID    string   `json:"id"`
	Name  string   `json:"name"`
	Roles []string `json:"roles"`
	Keys  []struct {
		ID        string     `json:"id"`
		ExpiresAt *time.Time `json:"expires_at,omitempty"`
	} `json:"keys"`
	EndedAt *time.Time `json:"ended_at,omitempty"`
}

func (c listedClient) keys() string {
	if c.EndedAt != nil {
		return "ended on " + c.EndedAt.Format(time.DateOnly)
	}
	var all []string
	for _, k := range c.Keys {
		until := "without end"
		if k.ExpiresAt != nil {
			until = "until " + k.ExpiresAt.Format(time.DateOnly)
		}
		all = append(all, k.ID+" "+until)
	}
	return strings.Join(all, ", ")
}

func (p *program) listClients(ctx context.Context) func(*client) error {
	return func(cl *client) error {
		var out struct {
			Items []listedClient `json:"items"`
		}
		if err := cl.call(ctx, http.MethodGet, "/v1/clients", nil, &out); err != nil {
			return err
		}
		if p.json {
			return p.print(out.Items)
		}
		w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
		for _, c := range out.Items {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", c.ID, c.Name, strings.Join(c.Roles, ","), c.keys())
		}
		return w.Flush()
	}
}

func (p *program) rotateClient(ctx context.Context, id string, days int) func(*client) error {
	return func(cl *client) error {
		var made madeClient
		if err := cl.call(ctx, http.MethodPost, clientPath(id)+"/keys", map[string]int{"days": days}, &made); err != nil {
			return err
		}
		if p.json {
			return p.print(map[string]string{"id": made.ID, "key_id": made.KeyID, "key": made.Key})
		}
		p.sayf("client  %s", made.ID)
		p.sayf("key id  %s", made.KeyID)
		p.sayf("key     %s", made.Key)
		p.notef("The key is shown this once. It ends on %s; those from before stay valid until they are ended.", made.ExpiresAt.Format(time.DateOnly))
		return nil
	}
}

func (p *program) endClient(ctx context.Context, id, key string) func(*client) error {
	return func(cl *client) error {
		path, what := clientPath(id), "the client "+id
		if key != "" {
			path, what = path+"/keys/"+url.PathEscape(key), "the key "+key
		}
		if err := cl.call(ctx, http.MethodDelete, path, nil, nil); err != nil {
			return err
		}
		p.sayf("%s has ended", what)
		return nil
	}
}

func clientPath(id string) string { return "/v1/clients/" + url.PathEscape(id) }
