package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mohur/agent"
	"mohur/agent/etoken"
	"mohur/agent/pkcs11"
	"mohur/agent/words"
)

// keyVariable holds the operator's API key: it is on no command line.
const keyVariable = "MOHUR_KEY"

// branch are the flags of the commands for a branch.
type branch struct {
	choice     etoken.Choice
	lang, typ  string
	modules    []string
	management string
	renew      bool
}

// tokenFlags give a command those that say which token is meant.
func (p *program) tokenFlags(cmd *cobra.Command, b *branch) *cobra.Command {
	cmd.Args = none
	cmd.Flags().StringVar(&b.choice.Reader, "reader", "", "a part of the reader's `NAME`, of the token's label, or its serial, where there are several")
	cmd.Flags().BoolVar(&b.choice.PIV, "piv", false, "speak to a PIV card whose ATR no profile knows directly, not through a module")
	cmd.Flags().StringSliceVar(&b.modules, "module", nil, "a PKCS#11 `LIBRARY` to use before those of the profiles, with its directory")
	cmd.Flags().StringVar(&b.lang, "lang", "", "`LANGUAGE` of the dialogs: az, en, ru")
	return p.configFlag(cmd)
}

// keyFlags give a command those that say what is made.
func (p *program) keyFlags(cmd *cobra.Command, b *branch) *cobra.Command {
	cmd.Flags().StringVar(&b.typ, "key-type", pkcs11.RSA2048, "`TYPE` of the key: rsa2048, which every card can, p256, p384")
	cmd.Flags().BoolVar(&b.renew, "renew", false, "make a new key in the place of one that has a certificate")
	return p.managementFlag(p.tokenFlags(cmd, b), b)
}

func (p *program) managementFlag(cmd *cobra.Command, b *branch) *cobra.Command {
	cmd.Flags().StringVar(&b.management, "management-key-file", "", "`FILE` with a PIV card's management key, hexadecimal; else it is asked for")
	return cmd
}

func (b *branch) check() error {
	if b.typ != "" && !slices.Contains([]string{pkcs11.RSA2048, pkcs11.P256, pkcs11.P384}, b.typ) {
		return usagef("--key-type needs to be rsa2048, p256 or p384")
	}
	return nil
}

// managementKey reads the file; nil when there is none.
func (b *branch) managementKey() ([]byte, error) {
	if b.management == "" {
		return nil, nil
	}
	text, err := os.ReadFile(b.management)
	if err != nil {
		return nil, fmt.Errorf("the management key cannot be read: %w", err)
	}
	defer clear(text)
	return etoken.ManagementKey(text)
}

// desk is where the token is worked on. It needs no configuration, but uses one.
func (p *program) desk(b *branch) (*etoken.Desk, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	if _, err := itself(); err != nil {
		return nil, err
	}
	c, err := agent.LoadConfig(p.config)
	if err != nil && p.config != "" {
		return nil, err
	}
	if err != nil {
		c = &agent.Config{}
	}
	own := *c
	own.Modules = append(slices.Clone(b.modules), c.Modules...)
	cards, err := devices(&own)
	if err != nil {
		return nil, err
	}
	l := words.Pick(b.lang, c.Language, os.Getenv("LC_ALL"), os.Getenv("LANG"))
	asks, err := dialogs(l, true)
	if err != nil {
		return nil, err
	}
	return &etoken.Desk{Scan: cards.Scan, Runner: cards.Runner, Dialog: asks, Language: l}, nil
}

func (p *program) issueCommand() *cobra.Command {
	b, o := branch{}, etoken.Order{}
	server, caFile := "", ""
	cmd := p.jsonFlag(p.keyFlags(&cobra.Command{
		Use: "issue", Short: "at a branch: make the key of an E-token and have the bank certify it",
		Long: `It shows the card, the token and its customer, makes a key pair on the card, which never
leaves it, has the bank's authority certify it, and writes the certificate to the card.
Interrupted, it goes on where it stopped when it is run again. Nothing of it logs anybody
in: that takes the customer's activation secret and his PIN. The API key of a client with
the role operator is in $` + keyVariable + `.`,
		Example: "  mohur-card issue --server https://auth.bank.example --token serial:0451",
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Choice, o.Type, o.Renew = b.choice, b.typ, b.renew
			return p.issue(cmd.Context(), &b, o, server, caFile)
		},
	}, &b))
	cmd.Flags().StringVar(&server, "server", "", "`URL` of the bank's server")
	cmd.Flags().StringVar(&caFile, "ca-file", "", "`FILE` with certificates to trust for the server instead of the system's, PEM")
	cmd.Flags().StringVar(&o.Token, "token", "", "the token's `ID`, or serial:… as printed on it")
	cmd.Flags().BoolVar(&o.Attestation, "attestation", false, "send the device's own proof that it made the key (YubiKey)")
	return cmd
}

func (p *program) issue(ctx context.Context, b *branch, o etoken.Order, server, caFile string) error {
	u, err := url.Parse(server)
	key := os.Getenv(keyVariable)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https":
		return usagef("needs --server with the address of the bank's server, such as https://auth.bank.example")
	case o.Token == "":
		return usagef("needs --token with the token's id, or serial:… as printed on it")
	case key == "":
		return usagef("needs the operator's API key in $%s", keyVariable)
	}
	_ = os.Unsetenv(keyVariable) // a card's module is told the PIN, and not this
	d, err := p.desk(b)
	if err != nil {
		return err
	}
	if o.Management, err = b.managementKey(); err != nil {
		return err
	}
	defer clear(o.Management)
	t, err := transport(caFile)
	if err != nil {
		return err
	}
	// A key goes to nobody the server names.
	client := &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	done, err := d.Issue(ctx, &etoken.Server{URL: server, Key: key, HTTP: client}, o)
	if err != nil {
		return advice(err)
	}
	if p.json {
		return p.print(done)
	}
	fmt.Fprintf(p.out, "token        %s (%s) of the customer %s\n", done.Token, done.Serial, done.Customer)
	fmt.Fprintf(p.out, "certificate  %s, until %s, certified %s\n", done.Certificate, done.NotAfter.Format(time.DateOnly), done.CertifiedBy)
	if done.Attested != "" {
		fmt.Fprintf(p.out, "attested     the device %s made the key itself\n", done.Attested)
	}
	for i, step := range done.Next {
		fmt.Fprintf(p.out, "%d. %s\n", i+1, step)
	}
	return nil
}

func (p *program) requestCommand() *cobra.Command {
	b, o, out := branch{}, etoken.RequestOrder{}, ""
	cmd := p.keyFlags(&cobra.Command{
		Use: "request", Short: "at a branch: make a key on a token and its request, for an outside authority",
		Long: `It makes a key pair on the card, which never leaves it, and writes a certificate request,
PKCS#10 in PEM, for an authority outside the bank. "mohur-card import-certificate" takes
what that authority gives.`,
		Example: "  mohur-card request --name 'Aysel' --out req.pem",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				return usagef("needs --out")
			}
			d, err := p.desk(&b)
			if err != nil {
				return err
			}
			o.Choice, o.Type, o.Renew = b.choice, b.typ, b.renew
			if o.Management, err = b.managementKey(); err != nil {
				return err
			}
			defer clear(o.Management)
			text, err := d.Request(cmd.Context(), o)
			if err != nil {
				return advice(err)
			}
			if out == "-" {
				_, err = p.out.Write(text)
				return err
			}
			return os.WriteFile(out, text, 0o600)
		},
	}, &b)
	cmd.Flags().StringVar(&out, "out", "", "`FILE` to write the request to; - prints it")
	cmd.Flags().StringVar(&o.Name, "name", "", "the common `NAME` that the request asks for")
	labelFlag(cmd, &o.Label)
	return cmd
}

func labelFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "label", "mohur", "`NAME` of the key on the token")
}

func (p *program) importCertificateCommand() *cobra.Command {
	b, o := branch{}, etoken.ImportOrder{}
	cmd := p.managementFlag(p.tokenFlags(&cobra.Command{
		Use: "import-certificate FILE", Short: "at a branch: write an outside authority's certificate to the token that has its key",
		Long:    "It checks that the key is on the token, by a signature, and writes the certificate, PEM\nor DER, beside it.",
		Example: "  mohur-card import-certificate cert.pem",
	}, &b), &b)
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef("needs one FILE with the certificate")
		}
		der, err := os.ReadFile(args[0])
		if err != nil {
			return fmt.Errorf("the certificate cannot be read: %w", err)
		}
		if block, _ := pem.Decode(der); block != nil {
			der = block.Bytes
		}
		d, err := p.desk(&b)
		if err != nil {
			return err
		}
		o.Choice, o.Certificate = b.choice, der
		if o.Management, err = b.managementKey(); err != nil {
			return err
		}
		defer clear(o.Management)
		if err := d.Import(cmd.Context(), o); err != nil {
			return advice(err)
		}
		_, err = fmt.Fprintln(p.out, "the certificate is on the token")
		return err
	}
	labelFlag(cmd, &o.Label)
	return cmd
}

func (p *program) pinCommand() *cobra.Command {
	b := branch{}
	return p.tokenFlags(&cobra.Command{
		Use: "pin", Short: "change the PIN of a card or token",
		Long:    "For whoever holds the card: nobody else learns the new PIN. It says how many tries are\nleft before the old one is tried.",
		Example: "  mohur-card pin",
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := p.desk(&b)
			if err != nil {
				return err
			}
			return advice(d.ChangePIN(cmd.Context(), b.choice))
		},
	}, &b)
}

// advice makes the usual failures of a card sentences that say what to do.
func advice(err error) error {
	var f *pkcs11.Failure
	if !errors.As(err, &f) {
		return err
	}
	what := map[pkcs11.Kind]string{
		pkcs11.Management:  "the management key is not this card's; ask whoever ordered the cards",
		pkcs11.Unsupported: "the token cannot do this: " + f.Detail + "; another --key-type, or the maker's module with --module",
		pkcs11.Gone:        "the token was taken out; put it in and run the same command again",
		pkcs11.Timeout:     "the token's module did not answer and was stopped; take the token out, put it in and run the same command again",
	}[f.Kind]
	if what == "" {
		return err
	}
	return errors.New(strings.TrimSpace(what))
}
