package main

import (
	"context"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (p *program) caCommand() *cobra.Command {
	return p.group("ca", "the bank's own certificate authority, for keys of E-tokens",
		"The key is in the HSM. The authority is its own root, or stands under a root the bank has already.",
		"  mohur ca create 'A Bank E-token CA'", p.caCreateCommand(), p.caRequestCommand(), p.caAdoptCommand(), p.caShowCommand())
}

// madeAuthority is what the API tells of the authority.
type madeAuthority struct {
	Subject     string    `json:"subject"`
	Certificate string    `json:"certificate"`
	Chain       string    `json:"chain,omitempty"`
	SHA256      string    `json:"sha256"`
	NotAfter    time.Time `json:"not_after"`
	CRLNumber   uint64    `json:"crl_number"`
}

func (p *program) showAuthority(a madeAuthority) error {
	if p.json {
		return p.print(a)
	}
	p.sayf("authority  %s", a.Subject)
	p.sayf("sha256     %s", a.SHA256)
	p.sayf("until      %s", a.NotAfter.Format(time.RFC3339))
	p.sayf("%s", strings.TrimSpace(a.Certificate))
	return nil
}

func (p *program) caCreateCommand() *cobra.Command {
	return p.jsonFlag(p.configFlag(&cobra.Command{
		Use: "create NAME", Short: "make the authority as a root of its own",
		Long: `Makes the authority's certificate, signed by its own key in the HSM, valid for 20 years.
There is one, and it stays: a bank that has a root already uses "mohur ca request"
and "mohur ca adopt" instead.`,
		Example: "  mohur ca create 'A Bank E-token CA'", Args: exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.askAuthority(cmd.Context(), http.MethodPost, map[string]string{"name": args[0]})
		},
	}))
}

func (p *program) caShowCommand() *cobra.Command {
	return p.jsonFlag(p.configFlag(&cobra.Command{
		Use: "show", Short: "show the authority's certificate", Long: "Shows the authority's certificate, PEM, and its SHA-256.",
		Example: "  mohur ca show", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return p.askAuthority(cmd.Context(), http.MethodGet, nil) },
	}))
}

func (p *program) askAuthority(ctx context.Context, method string, body any) error {
	return p.withHost(ctx, func(cl *client) error {
		var a madeAuthority
		if err := cl.call(ctx, method, "/v1/ca", body, &a); err != nil {
			return err
		}
		return p.showAuthority(a)
	})
}

func (p *program) caRequestCommand() *cobra.Command {
	return p.jsonFlag(p.configFlag(&cobra.Command{
		Use: "request NAME", Short: "print a certificate request for the authority's key",
		Long: `Prints a PKCS#10 request, PEM, signed by the authority's key in the HSM, for a root that
the bank has already. Nothing changes by it.`,
		Example: "  mohur ca request 'A Bank E-token CA' > ca.csr", Args: exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withHost(cmd.Context(), func(cl *client) error {
				var out struct {
					Request string `json:"request"`
				}
				if err := cl.call(cmd.Context(), http.MethodPost, "/v1/ca/requests", map[string]string{"name": args[0]}, &out); err != nil {
					return err
				}
				if p.json {
					return p.print(out)
				}
				p.sayf("%s", strings.TrimSpace(out.Request))
				return nil
			})
		},
	}))
}

func (p *program) caAdoptCommand() *cobra.Command {
	var chain string
	cmd := p.jsonFlag(p.configFlag(&cobra.Command{
		Use: "adopt FILE --chain FILE", Short: "take the certificate that the bank's root gave",
		Long: `Takes the certificate that another authority gave for the request of "mohur ca request".
The certificates above it are needed up to the root, each signing the one before.`,
		Example: "  mohur ca adopt ca.pem --chain root.pem", Args: exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if chain == "" {
				return usagef("needs --chain FILE, the certificates above it up to the root")
			}
			own, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			above, err := os.ReadFile(chain)
			if err != nil {
				return err
			}
			return p.askAuthority(cmd.Context(), http.MethodPut, map[string]string{"certificate": string(own), "chain": string(above)})
		},
	}))
	cmd.Flags().StringVar(&chain, "chain", "", "the certificates above it, the root last, PEM, as a `FILE`")
	return cmd
}
