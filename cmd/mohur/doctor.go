package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func (p *program) doctorCommand() *cobra.Command {
	return p.jsonFlag(p.configFlag(&cobra.Command{
		Use: "doctor", Short: "check everything the server needs, and say what to do",
		Long: `Checks the configuration, the modes of the files, the certificate, the clock, the
space on the disk, the HSM with its keys, and the store. While a server runs it
asks that server instead of opening the HSM and the store. It changes nothing.

Each line is ok, warn or fail; it ends with 1 if any is fail.`,
		Example: "  mohur doctor --config /etc/mohur/mohur.yaml",
		Args:    exactly(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.doctor(cmd.Context()) },
	}))
}

// The verdicts of an examination.
const (
	fine    = "ok"
	doubt   = "warn"
	failing = "fail"
)

// finding is one line of the doctor.
type finding struct {
	Verdict string `json:"verdict"`
	What    string `json:"what"`
	Text    string `json:"text"`
	Remedy  string `json:"remedy,omitempty"`
}

// examination collects findings.
type examination struct {
	config *Config
	found  []finding
}

func (x *examination) ok(what, format string, args ...any) {
	x.found = append(x.found, finding{Verdict: fine, What: what, Text: fmt.Sprintf(format, args...)})
}

func (x *examination) bad(verdict, what, remedy, format string, args ...any) {
	x.found = append(x.found, finding{Verdict: verdict, What: what, Remedy: remedy, Text: fmt.Sprintf(format, args...)})
}

func (p *program) doctor(ctx context.Context) error {
	c, err := loadConfig(p.config)
	if err != nil {
		return err
	}
	x := &examination{config: c}
	x.ok("configuration", "%s is in order", c.File)
	x.files()
	x.refusedPIN()
	x.leftovers()
	x.certificate()
	x.clock()
	x.disk()
	x.devices()
	x.policy()
	x.cards()
	x.service(ctx)
	return p.tellFindings(x.found)
}

func (p *program) tellFindings(found []finding) error {
	failed := false
	for _, f := range found {
		failed = failed || f.Verdict == failing
		if p.json {
			continue
		}
		p.sayf("%-4s  %-14s %s", f.Verdict, f.What, f.Text)
		if f.Remedy != "" {
			p.sayf("      %-14s → %s", "", f.Remedy)
		}
	}
	if p.json {
		if err := p.print(map[string]any{"ok": !failed, "findings": found}); err != nil {
			return err
		}
	}
	if failed {
		return errTold
	}
	return nil
}
