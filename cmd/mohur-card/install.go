package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"mohur/agent"
	"mohur/agent/browser"
	"mohur/agent/linked"
)

func (p *program) installCommand() *cobra.Command {
	o := browser.Order{}
	cmd := p.jsonFlag(p.configFlag(&cobra.Command{
		Use: "install", Short: "let Chrome, Chromium, Edge and Firefox start this program",
		Long: `It registers this program as native messaging host eu.webeid, so that the Web eID
extension starts it, and under the name that a small extension of the bank uses. Where
another program is registered, such as the Web eID application, it says so and leaves it.`,
		Example: "  mohur-card install --dry-run\n  sudo mohur-card install --system", Args: none,
		RunE: func(*cobra.Command, []string) error { return p.install(o) },
	}))
	cmd.Flags().BoolVar(&o.System, "system", false, "for everybody on this machine, not only for you")
	cmd.Flags().BoolVar(&o.Replace, "replace", false, "also where another program is registered; uninstall puts that back")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "only tell what would be done")
	return cmd
}

func (p *program) uninstallCommand() *cobra.Command {
	system, dry := false, false
	cmd := p.jsonFlag(&cobra.Command{
		Use: "uninstall", Short: "take back what install did",
		Example: "  mohur-card uninstall --dry-run", Args: none,
		RunE: func(*cobra.Command, []string) error {
			m, err := browser.Here()
			if err != nil {
				return err
			}
			done, err := m.Uninstall(system, dry)
			return p.done(done, dry, err)
		},
	})
	cmd.Flags().BoolVar(&system, "system", false, "for everybody on this machine, not only for you")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only tell what would be done")
	return cmd
}

func (p *program) install(o browser.Order) error {
	var err error
	if o.Hosts, err = p.hosts(); err != nil {
		return err
	}
	if o.Program, err = os.Executable(); err != nil {
		return err
	}
	if err := guarded(o.Program); err != nil {
		return err
	}
	m, err := browser.Here()
	if err != nil {
		return err
	}
	if place := agent.PassedOver(); place != "" {
		fmt.Fprintf(p.err, "this program does not lie below Program Files: a configuration in %s is not read\n", place)
	}
	if app := m.WebEIDApp(); app != "" {
		fmt.Fprintf(p.err, "the Web eID application is installed, %s\n", app)
	}
	done, err := m.Install(o)
	return p.done(done, o.DryRun, err)
}

// hosts are those of the configuration; without one, of the house.
func (p *program) hosts() ([]browser.Host, error) {
	c, err := agent.LoadConfig(p.config)
	if err != nil && p.config != "" {
		return nil, err
	}
	if err != nil {
		c = &agent.Config{}
	}
	return browser.Hosts(c.Host, c.Extensions)
}

// guarded: whoever can write the program would be told PINs.
func guarded(program string) error {
	for _, at := range []string{program, filepath.Dir(program)} {
		info, err := os.Stat(at)
		if err != nil {
			return err
		}
		if runtime.GOOS != "windows" && info.Mode()&0o002 != 0 && info.Mode()&os.ModeSticky == 0 {
			return fmt.Errorf("%s can be written by anybody: put the program where only an administrator or you can write, such as /usr/local/bin", at)
		}
	}
	return nil
}

func (p *program) done(done []browser.Action, dry bool, err error) error {
	if p.json {
		if e := p.print(map[string]any{"dry_run": dry, "actions": append([]browser.Action{}, done...)}); e != nil {
			return e
		}
		return err
	}
	for _, a := range done {
		text := a.Done
		if dry && a.Done != browser.Unchanged && a.Done != browser.Refused {
			text = "would be " + text
		}
		if a.Other != "" {
			text += "; it starts " + linked.Show(a.Other)
		}
		fmt.Fprintf(p.out, "%-8s %s: %s\n", a.Browser, a.Where, text)
	}
	if len(done) == 0 && err == nil {
		fmt.Fprintln(p.out, "nothing of this program was there")
	}
	return err
}
