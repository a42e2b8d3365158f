package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	_ "time/tzdata" // the bank's day does not depend on what is installed
)

// version is set when the binary is built (see the Makefile).
var version = "unknown"

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	exitPIN    = 78 // EX_CONFIG of sysexits.h: the HSM refuses the PIN
)

// program is one run of the command line: where it reads and writes, and what
// every command may be told.
type program struct {
	in       io.Reader
	out, err io.Writer
	config   string // --config
	json     bool   // --json

	// exec replaces the process; nil where the program is not the process's own.
	exec func(path string, args, env []string) error
}

// Run is the whole program. It returns the exit code: 0, 1 when it failed, 2
// when it was called wrongly, 78 when the HSM refuses its PIN. It ends soon after ctx does.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return (&program{in: stdin, out: stdout, err: stderr}).main(ctx, args)
}

func (p *program) main(ctx context.Context, args []string) int {
	stderr, root := p.err, p.root()
	root.SetArgs(args)
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)
	cmd, err := root.ExecuteContextC(ctx)
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errTold):
		return exitFailed
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "%s: %v\nSee `%s --help`.\n", cmd.CommandPath(), err, cmd.CommandPath())
		return exitUsage
	}
	fmt.Fprintf(stderr, "mohur: %v\n", err)
	if isPINRefused(err) {
		return exitPIN
	}
	return exitFailed
}

// errTold ends a command that has said already why it failed.
var errTold = errors.New("failed")

// usageError is a command line that cannot be meant.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

func (p *program) root() *cobra.Command {
	root := p.group("mohur", "a strong-authentication server for banks",
		`Mohur checks who a customer is and that a payment is the one he saw, keeps the
keys in an HSM and the evidence in a log that anybody can verify.`,
		`  mohur init --dir var/dev --development
  mohur serve --config var/dev/mohur.yaml
  mohur demo --config var/dev/mohur.yaml`,
		p.initCommand(), p.serveCommand(), p.demoCommand(), p.configCommand(), p.doctorCommand(),
		p.clientCommand(), p.staffCommand(), p.policyCommand(), p.tokenCommand(), p.keysCommand(), p.caCommand(), p.auditCommand(), p.storeCommand(), p.benchCommand(), p.versionCommand())
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usagef("%v", err) })
	return root
}

// group is a command that only holds others.
func (p *program) group(use, short, long, example string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Long: long, Example: example, Args: cobra.ArbitraryArgs}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			fmt.Fprintf(p.err, "%s\n", cmd.UsageString())
			return usagef("needs a command")
		}
		cmd.SuggestionsMinimumDistance = 2
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			return usagef("there is no command %q; is it %s?", args[0], strings.Join(near, " or "))
		}
		return usagef("there is no command %q", args[0])
	}
	cmd.AddCommand(commands...)
	return cmd
}

// exactly makes a wrong number of arguments an error of usage.
func exactly(names ...string) cobra.PositionalArgs {
	return between(len(names), len(names), names...)
}

func between(low, high int, names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < low {
			return usagef("needs %s", strings.Join(names, " "))
		}
		if len(args) > high {
			return usagef("does not know what to do with %q", args[high])
		}
		return nil
	}
}

// configFlag gives a command --config.
func (p *program) configFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&p.config, "config", "", "configuration `FILE` (default $MOHUR_CONFIG, ./mohur.yaml, var/dev/mohur.yaml)")
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

// sayf writes a line for people.
func (p *program) sayf(format string, args ...any) { fmt.Fprintf(p.out, format+"\n", args...) }

// notef writes a line for people that is not the result.
func (p *program) notef(format string, args ...any) { fmt.Fprintf(p.err, format+"\n", args...) }

// isTerminal says whether somebody looks at what is written there.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func (p *program) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "version", Short: "say which version this is", Example: "  mohur version --json", Args: exactly(),
		RunE: func(*cobra.Command, []string) error {
			if p.json {
				return p.print(map[string]string{"version": version})
			}
			p.sayf("mohur %s", version)
			return nil
		},
	}
	return p.jsonFlag(cmd)
}
