package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// pairFor is how long an HSM may take to find the primes of a key.
const pairFor = 3 * time.Minute

// publicTransport is what the API says of an RSA transport key.
type publicTransport struct {
	Key       string `json:"key"`
	Type      string `json:"type"`
	PublicKey string `json:"public_key"`
	SHA256    string `json:"sha256"`
}

func (p *program) makeTransportCommand() *cobra.Command {
	var rsa bool
	var bits int
	var out string
	cmd := p.jsonFlag(p.configFlag(&cobra.Command{
		Use:   "make-transport NAME --rsa",
		Short: "make an RSA transport key in the HSM and print its public half",
		Long: `Makes an RSA key pair in the HSM and prints the public half (SubjectPublicKeyInfo,
PEM) for the manufacturer, who encrypts seed files under it. The private half
decrypts, does nothing else, and does not come out: no secret passes through
anybody's hands, so one custodian is enough. It may take a minute.

Send the manufacturer the file, and read him the SHA-256 over another channel: who
swaps the key on its way reads the seeds.`,
		Example: "  mohur keys make-transport acme --rsa --out acme.pem",
		Args:    exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !rsa {
				return usagef("needs --rsa, the one sort of key it makes")
			}
			in := struct {
				Name string `json:"name"`
				Bits int    `json:"bits"`
			}{args[0], bits}
			return p.withHost(cmd.Context(), func(cl *client) error {
				var k publicTransport
				if err := cl.callLong(cmd.Context(), "/v1/keys/pairs", in, &k); err != nil {
					return err
				}
				return p.showPublic(k, out)
			})
		},
	}))
	cmd.Flags().BoolVar(&rsa, "rsa", false, "an RSA key")
	cmd.Flags().IntVar(&bits, "bits", 3072, "size of the key: 2048, 3072 or 4096 `BITS`")
	cmd.Flags().StringVarP(&out, "out", "o", "", "write the public key to `FILE`, which must not exist")
	return cmd
}

func (p *program) showTransportCommand() *cobra.Command {
	var out string
	cmd := p.jsonFlag(p.configFlag(&cobra.Command{
		Use: "show-transport NAME", Short: "print the public half of an RSA transport key again",
		Example: "  mohur keys show-transport acme",
		Args:    exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withHost(cmd.Context(), func(cl *client) error {
				var k publicTransport
				if err := cl.call(cmd.Context(), http.MethodGet, "/v1/keys/transport/"+url.PathEscape(args[0]), nil, &k); err != nil {
					return err
				}
				return p.showPublic(k, out)
			})
		},
	}))
	cmd.Flags().StringVarP(&out, "out", "o", "", "write the public key to `FILE`, which must not exist")
	return cmd
}

func (p *program) showPublic(k publicTransport, file string) error {
	if p.json {
		return p.print(k)
	}
	if file == "" {
		fmt.Fprint(p.out, k.PublicKey)
	} else {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			return fmt.Errorf("%s is in the HSM, and its public key could not be written (get it with `mohur keys show-transport`): %w", k.Key, err)
		}
		_, err = f.WriteString(k.PublicKey)
		if shut := f.Close(); err == nil {
			err = shut
		}
		if err != nil {
			return err
		}
	}
	p.notef("%s, %s; SHA-256 of the public key: %s", k.Key, k.Type, k.SHA256)
	return nil
}

// callLong is call for a request that may take as long as making a key.
func (c *client) callLong(ctx context.Context, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, pairFor)
	defer cancel()
	text, err := json.Marshal(in)
	if err != nil {
		return err
	}
	resp, err := c.send(ctx, http.MethodPost, path, "application/json", strings.NewReader(string(text)))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("the server's answer cannot be read: %w", err)
	}
	return nil
}
