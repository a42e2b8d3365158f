package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mohur/audit"
)

func (p *program) auditCommand() *cobra.Command {
	return p.group("audit", "export the audit log and verify it",
		`The audit log is a Merkle tree with signed checkpoints. Whoever has an export and the
public key (audit.pub) can verify it, without the server and without trusting it.`,
		"  mohur audit verify\n  mohur audit export -o log.jsonl\n  mohur audit verify log.jsonl --key audit.pub",
		p.auditVerifyCommand(), p.auditExportCommand(), p.auditCheckpointCommand())
}

func (p *program) auditVerifyCommand() *cobra.Command {
	var o verifyOptions
	cmd := p.jsonFlag(p.configFlag(&cobra.Command{
		Use:   "verify [EXPORT]",
		Short: "verify the audit log, live or from an export",
		Long: `Verifies every entry and every checkpoint with the public key alone, and names the
first entry that was changed, removed or moved. Without EXPORT it reads the log of
the running server, or of the store where none runs; EXPORT may be - for standard
input.

That the end was cut off together with its checkpoints shows only against a
checkpoint that was kept elsewhere: give it with --checkpoint.`,
		Example: `  mohur audit verify
  mohur audit verify log.jsonl --key audit.pub --checkpoint yesterday.txt`,
		Args: between(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.export = args[0]
			}
			return p.verify(cmd.Context(), o)
		},
	}))
	cmd.Flags().StringVar(&o.key, "key", "", "a `FILE` with the log's public key (default audit.pub beside the configuration)")
	cmd.Flags().StringVar(&o.checkpoint, "checkpoint", "", "a `FILE` with a checkpoint that was kept elsewhere")
	return cmd
}

type verifyOptions struct{ export, key, checkpoint string }

func (p *program) verify(ctx context.Context, o verifyOptions) error {
	known, err := p.known(o)
	if err != nil {
		return err
	}
	switch o.export {
	case "":
		return p.withHost(ctx, func(cl *client) error {
			return cl.export(ctx, func(r io.Reader) error { return p.judge(r, known) })
		})
	case "-":
		return p.judge(p.in, known)
	}
	f, err := os.Open(o.export)
	if err != nil {
		return err
	}
	defer f.Close()
	return p.judge(f, known)
}

// known is what the verifier knows beforehand: key and checkpoint.
func (p *program) known(o verifyOptions) (opt audit.VerifyOptions, err error) {
	if o.key == "" {
		path, err := findConfig(p.config)
		if err != nil {
			return opt, fmt.Errorf("the log's public key is needed: name it with --key FILE; it is %s beside the configuration", verifierFile)
		}
		o.key = filepath.Join(filepath.Dir(path), verifierFile)
	}
	text, err := os.ReadFile(o.key)
	if err != nil {
		return opt, fmt.Errorf("the log's public key: %w; name it with --key FILE", err)
	}
	if opt.Verifier, err = audit.ParseVerifier(strings.TrimSpace(string(text))); err != nil {
		return opt, fmt.Errorf("%s: %w", o.key, err)
	}
	if o.checkpoint != "" {
		opt.Checkpoint, err = os.ReadFile(o.checkpoint)
	}
	return opt, err
}

// judge verifies and tells; a log that is not in order is an error.
func (p *program) judge(r io.Reader, known audit.VerifyOptions) error {
	report, err := audit.Verify(r, known)
	if err != nil {
		return err
	}
	if p.json {
		if err := p.print(report); err != nil {
			return err
		}
	} else {
		p.tellReport(report)
	}
	if !report.OK() {
		return errTold
	}
	return nil
}

func (p *program) tellReport(r audit.Report) {
	for _, w := range r.Warnings {
		p.sayf("warning: %v", w)
	}
	if r.FirstBad != nil {
		p.sayf("NOT IN ORDER: %s; the first: %v", count(r.Faults, "fault"), r.FirstBad)
		p.sayf("What lies before it and below a good checkpoint is proved (%d of %d entries).", min(r.Covered, r.FirstBad.Seq), r.Entries)
		return
	}
	p.sayf("in order: %s of %s, from %s to %s", entries(r.Entries), r.Origin, r.First.Format(time.RFC3339), r.Last.Format(time.RFC3339))
	p.sayf("%s, the last covers %s; %d written since", count(r.Checkpoints, "checkpoint"), entries(r.Covered), r.Uncovered())
	if r.Erased > 0 {
		p.sayf("%d have been erased, which leaves the log whole: %s", r.Erased, erased(r))
		p.sayf("Whether they were to be erased the log does not prove: compare them with what was ordered.")
	}
}

// erased names the entries that have no body.
func erased(r audit.Report) string {
	var all []string
	named := uint64(0)
	for _, in := range r.ErasedIn {
		text := fmt.Sprint(in.From)
		if in.To > in.From+1 {
			text += "-" + fmt.Sprint(in.To-1)
		}
		all = append(all, text)
		named += in.To - in.From
	}
	text := "entries " + strings.Join(all, ", ")
	if more := r.Erased - named; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func entries(n uint64) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}
