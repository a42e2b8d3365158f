package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mohur/custody"
)

// transportFlags is what import-transport is told beside the name.
type transportFlags struct {
	text, file, halfKCV, kcv, form string
	half                           bool
}

func (p *program) importTransportCommand() *cobra.Command {
	var f transportFlags
	cmd := p.jsonFlag(p.configFlag(&cobra.Command{
		Use:   "import-transport NAME",
		Short: "bring one half of a manufacturer's transport key into the HSM",
		Long: `Brings in the AES key under which a manufacturer encrypts seed files. It comes as
two halves (XOR components) in two letters to two custodians. Each runs this
command with his own, on whatever day and terminal; the first half waits for the
other, sealed under a key of the HSM, for 24 hours. Nobody brings both.

The half is 32 or 64 hexadecimal digits. It is typed without being shown, or comes
from --file or standard input, and never from the command line. Its check value
(the first three bytes of AES-CMAC or of AES-ECB over a block of zeros) is shown:
say yes only if your letter has the same. --half-kcv says it beforehand, and has to
where there is no terminal. --kcv is the check value of the whole key, if one of
you knows it: a key with another one is not imported.

Who you are is the client whose key is in $MOHUR_KEY, or else the user of this
machine. In development one person brings the whole key, also with --hex, which
every user of this machine can see while the command runs; --half practises the
ceremony.`,
		Example: "  mohur keys import-transport acme --kcv 7A1B2C\n  mohur keys import-transport acme --file half.hex --half-kcv 51D2E8 --kcv-form ecb",
		Args:    exactly("NAME"),
		RunE:    func(cmd *cobra.Command, args []string) error { return p.importTransport(cmd.Context(), args[0], f) },
	}))
	cmd.Flags().StringVar(&f.file, "file", "", "a `FILE` with the half in hexadecimal")
	cmd.Flags().StringVar(&f.halfKCV, "half-kcv", "", "check `VALUE` of this half, as the letter has it")
	cmd.Flags().StringVar(&f.kcv, "kcv", "", "check `VALUE` of the whole key")
	cmd.Flags().StringVar(&f.form, "kcv-form", "cmac", "`FORM` of the check values: cmac or ecb")
	cmd.Flags().BoolVar(&f.half, "half", false, "in development: this is one half of two")
	cmd.Flags().StringVar(&f.text, "hex", "", "in development: the whole `KEY` in hexadecimal")
	return cmd
}

func (p *program) importTransport(ctx context.Context, name string, f transportFlags) error {
	c, err := loadConfig(p.config)
	if err != nil {
		return err
	}
	half := f.half || !c.Development
	switch {
	case f.text != "" && !c.Development:
		return usagef("takes no key from the command line, where every user of this machine sees it: type it, or use --file")
	case f.text != "" && (f.half || f.file != ""):
		return usagef("takes --hex for a whole key alone, without --half and --file")
	case f.halfKCV != "" && !half:
		return usagef("takes --half-kcv with --half")
	case f.form != string(custody.CMAC) && f.form != string(custody.ECB):
		return usagef("knows the forms cmac and ecb of a check value")
	}
	key, err := p.transportKey(ctx, name, half, f)
	if err != nil {
		return err
	}
	defer clear(key)
	in := newTransport{Name: name, KCV: f.kcv}
	if f.kcv != "" || f.halfKCV != "" {
		in.KCVForm = f.form
	}
	if !half {
		in.Hex = hex.EncodeToString(key)
		return p.withHost(ctx, func(cl *client) error { return p.sendTransport(ctx, cl, in) })
	}
	if err := p.confirmHalf(ctx, key, f); err != nil {
		return err
	}
	in.Half, in.HalfKCV = hex.EncodeToString(key), f.halfKCV
	return p.asCustodian(ctx, c, func(cl *client) error { return p.sendTransport(ctx, cl, in) })
}

// confirmHalf shows the check value of a half and goes on when it is that of the
// letter.
func (p *program) confirmHalf(ctx context.Context, half []byte, f transportFlags) error {
	kcv, ok := custody.KCVOf(half)
	if !ok {
		return errKeyLength
	}
	said := fmt.Sprintf("%s (AES-CMAC), %s (AES-ECB)", kcv.CMAC, kcv.ECB)
	want := custody.Expected{Form: custody.Form(f.form), Value: f.halfKCV}
	switch {
	case f.halfKCV != "" && !want.Valid():
		return usagef("needs 6 to 10 hexadecimal digits for --half-kcv")
	case f.halfKCV != "" && !want.Is(half):
		return fmt.Errorf("the check value of your half is %s, and not %s by %s; nothing was sent", said, f.halfKCV, f.form)
	case f.halfKCV != "":
		return nil
	}
	in, ok := p.in.(*os.File)
	if !ok || !isTerminal(in) {
		return usagef("needs --half-kcv, the check value in your letter: there is nobody to ask")
	}
	fmt.Fprintf(p.err, "The check value of your half is %s.\nIs that what your letter says? Type yes: ", said)
	answer, err := p.readLine(ctx, in, false)
	if err == nil && strings.TrimSpace(string(answer)) != "yes" {
		err = errors.New("you did not say yes; nothing was sent")
	}
	return err
}

// asCustodian runs f as the client of $MOHUR_KEY, or else as the user of this
// machine: two custodians are two callers.
func (p *program) asCustodian(ctx context.Context, c *Config, f func(*client) error) error {
	if key := os.Getenv(keyVariable); key != "" {
		err := f(overNetwork(c, c.address(ctx), key))
		if told := (*problemError)(nil); errors.As(err, &told) && (told.Status == http.StatusForbidden || told.Status == http.StatusUnauthorized) {
			err = fmt.Errorf("%w; you came as the client of $%s: it needs the role custodian", err, keyVariable)
		}
		return err
	}
	return p.withHost(ctx, f)
}

// newTransport is the request of the API.
type newTransport struct {
	Name    string `json:"name"`
	Half    string `json:"half,omitempty"`
	HalfKCV string `json:"half_kcv,omitempty"`
	KCV     string `json:"kcv,omitempty"`
	KCVForm string `json:"kcv_form,omitempty"`
	Hex     string `json:"hex,omitempty"`
}

// broughtTransport is its answer: of a half that waits, or of the key.
type broughtTransport struct {
	Key        string       `json:"key,omitempty"`
	KCV        custody.KCV  `json:"kcv"`
	Half       *waitingHalf `json:"half,omitempty"`
	WaitingFor string       `json:"waiting_for,omitempty"`
	ExpiresAt  time.Time    `json:"expires_at,omitzero"`
}

type waitingHalf struct {
	Name      string    `json:"name"`
	Type      string    `json:"type"`
	By        string    `json:"by"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (p *program) sendTransport(ctx context.Context, cl *client, in newTransport) error {
	var out broughtTransport
	err := cl.call(ctx, http.MethodPost, "/v1/keys/transport", in, &out)
	switch {
	case err != nil:
		return err
	case p.json:
		return p.print(out)
	case out.Key == "":
		p.sayf("your half of transport-%s waits for %s until %s", in.Name, out.WaitingFor, out.ExpiresAt.Format(time.RFC3339))
		return nil
	}
	p.sayf("the HSM has the key %s, check value %s (AES-CMAC), %s (AES-ECB); name it with `mohur token import FILE --transport-key %s`", out.Key, out.KCV.CMAC, out.KCV.ECB, in.Name)
	return nil
}

func (p *program) halvesCommand() *cobra.Command {
	return p.jsonFlag(p.configFlag(&cobra.Command{
		Use: "halves", Short: "list the halves of transport keys that wait for the other",
		Example: "  mohur keys halves",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withHost(cmd.Context(), func(cl *client) error { return p.listHalves(cmd.Context(), cl) })
		},
	}))
}

func (p *program) listHalves(ctx context.Context, cl *client) error {
	var page struct {
		Items []waitingHalf `json:"items"`
	}
	if err := cl.call(ctx, http.MethodGet, "/v1/keys/halves", nil, &page); err != nil {
		return err
	}
	if p.json {
		return p.print(page)
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tTYPE\tBROUGHT BY\tAT\tUNTIL")
	for _, h := range page.Items {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", h.Name, h.Type, h.By, h.CreatedAt.Format(time.RFC3339), h.ExpiresAt.Format(time.RFC3339))
	}
	return w.Flush()
}

func (p *program) cancelHalfCommand() *cobra.Command {
	return p.configFlag(&cobra.Command{
		Use: "cancel-half NAME", Short: "remove a half that waits, whoever brought it",
		Example: "  mohur keys cancel-half acme",
		Args:    exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withHost(cmd.Context(), func(cl *client) error {
				if err := cl.call(cmd.Context(), http.MethodDelete, "/v1/keys/halves/"+url.PathEscape(args[0]), nil, nil); err != nil {
					return err
				}
				p.sayf("no half of transport-%s waits any more", args[0])
				return nil
			})
		},
	})
}
