package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"mohur/hsm"
)

func (p *program) keysCommand() *cobra.Command {
	return p.group("keys", "the keys in the HSM", "",
		"  mohur keys list\n  mohur keys import-transport acme --file acme.hex",
		p.keysListCommand(), p.importTransportCommand(), p.deleteTransportCommand())
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

func (p *program) importTransportCommand() *cobra.Command {
	var text, file string
	cmd := p.configFlag(&cobra.Command{
		Use:   "import-transport NAME",
		Short: "bring a manufacturer's transport key into the HSM (development)",
		Long: `Brings in the AES key under which a manufacturer encrypted a seed file: 16 or 32
bytes in hexadecimal, from --file, from standard input, or from --hex. What is
given with --hex can be seen by every user of this machine while the command
runs. Once inside, the key decrypts and does not come out again.

In development only. A bank's keys come in two halves by two people.`,
		Example: "  mohur keys import-transport acme --file acme.hex\n  pass show acme | mohur keys import-transport acme",
		Args:    exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := p.transportKey(text, file)
			if err != nil {
				return err
			}
			defer clear(key)
			return p.importTransport(cmd.Context(), args[0], key)
		},
	})
	cmd.Flags().StringVar(&text, "hex", "", "the `KEY` in hexadecimal")
	cmd.Flags().StringVar(&file, "file", "", "a `FILE` with the key in hexadecimal")
	return cmd
}

// maxKeyText is more than the longest key in hexadecimal.
const maxKeyText = 256

// transportKey reads the key from where it is.
func (p *program) transportKey(text, file string) ([]byte, error) {
	if text != "" && file != "" {
		return nil, usagef("takes --hex or --file, not both")
	}
	in := p.in
	switch {
	case text != "":
		in = bytes.NewReader([]byte(text))
	case file != "":
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	case isTerminal(p.in):
		return nil, usagef("needs the key: --file FILE, or on standard input")
	}
	read, err := io.ReadAll(io.LimitReader(in, maxKeyText))
	defer clear(read)
	if err != nil {
		return nil, err
	}
	digits := bytes.TrimSpace(read)
	key := make([]byte, hex.DecodedLen(len(digits)))
	if _, err := hex.Decode(key, digits); err != nil || len(key) != 16 && len(key) != 32 {
		clear(key)
		return nil, errors.New("the key needs to be 32 or 64 hexadecimal digits (16 or 32 bytes)")
	}
	return key, nil
}

func (p *program) importTransport(ctx context.Context, name string, key []byte) error {
	return p.withHost(ctx, func(cl *client) error {
		in := newTransport{Name: name, Hex: hex.EncodeToString(key)}
		if err := cl.call(ctx, http.MethodPost, "/v1/keys/transport", in, nil); err != nil {
			return err
		}
		p.sayf("the HSM has the key transport-%s; name it with `mohur token import FILE --transport-key %s`", name, name)
		return nil
	})
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

// newTransport is the request of the API.
type newTransport struct {
	Name string `json:"name"`
	Hex  string `json:"hex"`
}
