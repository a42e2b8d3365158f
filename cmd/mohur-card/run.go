package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mohur/agent"
	"mohur/agent/device"
	"mohur/agent/dialog"
	"mohur/agent/linked"
	"mohur/agent/words"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// program is one run: where it reads and writes, and what every command may be told.
type program struct {
	in       io.Reader
	out, err io.Writer
	config   string // --config
	json     bool   // --json
}

// usageError is a command line that cannot be meant.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// main runs the command line and returns the exit code: 0, 1 when it failed, 2
// when it was called wrongly.
func (p *program) main(ctx context.Context, args []string) int {
	root := p.root()
	root.SetArgs(args)
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)
	cmd, err := root.ExecuteContextC(ctx)
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(p.err, "%s: %v\nSee `%s --help`.\n", cmd.CommandPath(), err, cmd.CommandPath())
		return exitUsage
	}
	fmt.Fprintf(p.err, "mohur-card: %v\n", err)
	return exitFailed
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use: "mohur-card", Short: "the card agent of the bank's customers",
		Long: `The browser starts this program when a page of the bank asks for the customer's
card. It fetches from the bank what is to be signed, shows it, asks for the PIN and
has the card sign. The commands below are for trying and for a helpdesk.`,
		Example: "  mohur-card readers\n  mohur-card serve",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				fmt.Fprintf(p.err, "%s\n", cmd.UsageString())
				return usagef("needs a command")
			}
			cmd.SuggestionsMinimumDistance = 2
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				return usagef("there is no command %q; is it %s?", args[0], strings.Join(near, " or "))
			}
			return usagef("there is no command %q", args[0])
		},
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			// These say what is wrong, or take the program away.
			if slices.Contains([]string{"doctor", "verify", "version", "uninstall", "help"}, cmd.Name()) {
				return nil
			}
			_, err := itself()
			return err
		},
	}
	root.AddCommand(p.readersCommand(), p.watchCommand(), p.authenticateCommand(), p.certificateCommand(), p.signCommand(), p.serveCommand(), p.versionCommand(),
		p.installCommand(), p.uninstallCommand(), p.doctorCommand(), p.trialCommand(), p.verifyCommand(), p.issueCommand(), p.requestCommand(), p.importCertificateCommand(), p.pinCommand())
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usagef("%v", err) })
	return root
}

// none makes arguments an error of usage.
func none(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("does not know what to do with %q", args[0])
	}
	return nil
}

// configFlag gives a command --config.
func (p *program) configFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&p.config, "config", "", "configuration `FILE` (default "+strings.Join(agent.Places(), ", then ")+")")
	return cmd
}

// jsonFlag gives a command --json.
func (p *program) jsonFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&p.json, "json", false, "print JSON, for scripts")
	return cmd
}

// print writes one JSON document.
func (p *program) print(v any) error {
	enc := json.NewEncoder(p.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// devices are the cards of this machine, as the configuration has them.
func devices(c *agent.Config) (*agent.Devices, error) {
	catalog, err := device.Load(c.Profiles)
	if err != nil {
		return nil, err
	}
	return &agent.Devices{Catalog: catalog, Modules: c.Modules}, nil
}

// agent puts the agent together. With preferTerminal the customer is asked where
// the command was typed.
func (p *program) agent(preferTerminal bool) (*agent.Agent, error) {
	c, err := agent.LoadConfig(p.config)
	if err != nil {
		return nil, err
	}
	cards, err := devices(c)
	if err != nil {
		return nil, err
	}
	transport, err := transport(c.CAFile)
	if err != nil {
		return nil, err
	}
	runtime, err := agent.RuntimeDir()
	if err != nil {
		return nil, err
	}
	return &agent.Agent{
		Config: c, Cards: cards, Version: version, Runtime: runtime, Resolver: &linked.Resolver{Transport: transport, Issuers: c.Issuers},
		Dialog: func(l words.Language) (dialog.Dialog, error) { return dialogs(l, preferTerminal) },
	}, nil
}

// transport trusts the system's authorities, or those of the file instead.
func transport(caFile string) (http.RoundTripper, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableCompression, t.MaxResponseHeaderBytes = true, 16<<10
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return t, nil
	}
	text, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file cannot be read: %w", err)
	}
	t.TLSClientConfig.RootCAs = x509.NewCertPool()
	if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("ca_file %s holds no PEM certificate", caFile)
	}
	return t, nil
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "print the version", Example: "  mohur-card version", Args: none,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(p.out, "mohur-card %s (Web eID native protocol %s)\n", version, agent.ProtocolVersion)
			return err
		},
	}
}
