package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
)

// The routes of the socket that these commands call.
const (
	checkPath  = "/local/store/check"
	backupPath = "/local/store/backup"
)

func (p *program) storeCommand() *cobra.Command {
	return p.group("store", "check the store and copy it",
		`The store is one file. Whoever can write to it gains nothing that a check does not
find, as long as the audit log is compared with a checkpoint kept elsewhere.`,
		"  mohur store check\n  mohur store backup /backup/mohur-$(date +%F).db",
		p.storeCheckCommand(), p.storeBackupCommand())
}

func (p *program) storeCheckCommand() *cobra.Command {
	var quarantine bool
	cmd := p.jsonFlag(p.configFlag(&cobra.Command{
		Use: "check", Short: "hold every row of the store against the HSM's MACs and the audit log",
		Long: `Verifies every hot row, credential and bound record by its MAC, that records and
index rows lead to one another, that the audit log has no gap, and that every
credential and PIN has the version that the log tells of: so it finds a row that
was put back together with its index.

While a server runs, the server does it, beside its work. Where none runs the
command holds the store itself and checks the tree of the file as well; the HSM is
needed for both. Nothing is changed without --quarantine, but that an incident is
opened for a record that does not fit its MAC, as at any read of it.

The server makes the same check by itself, slowly, with --quarantine (store.sweep).

It ends with 1 if anything was found.`,
		Example: "  mohur store check\n  mohur store check --quarantine --json",
		Args:    exactly(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.checkStore(cmd.Context(), quarantine) },
	}))
	cmd.Flags().BoolVar(&quarantine, "quarantine", false, "take the credentials and PINs that are found out of use, and open an incident for every finding")
	return cmd
}

func (p *program) checkStore(ctx context.Context, quarantine bool) error {
	c, err := loadConfig(p.config)
	if err != nil {
		return err
	}
	show, done := p.bar("checking")
	result, err := p.checkWhere(ctx, c, quarantine, show)
	done()
	if result == nil {
		return err
	}
	return errors.Join(err, p.tellCheck(result))
}

// checkWhere checks in the running server or, where none runs, here.
func (p *program) checkWhere(ctx context.Context, c *Config, quarantine bool, show func(done, total int)) (*checked, error) {
	cl, err := running(c)
	switch {
	case err == nil:
		return cl.checkRunning(ctx, quarantine, show)
	case errors.Is(err, os.ErrPermission):
		return nil, err
	}
	if _, err := os.Stat(c.Store.Path); err != nil {
		return nil, err // opening would make a new one
	}
	e, err := openEngine(ctx, c, engineOptions{logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, fmt.Errorf("no server is running, and the store cannot be opened instead: %w", err)
	}
	p.notef("no server is running: this command holds the store itself")
	result, err := e.checkOwn(ctx, quarantine, show)
	return result, errors.Join(err, e.close())
}

// bar shows how far something is, to who looks.
func (p *program) bar(what string) (show func(done, total int), finish func()) {
	if !isTerminal(p.err) {
		return func(int, int) {}, func() {}
	}
	bar := progressbar.NewOptions(1, progressbar.OptionSetWriter(p.err), progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(), progressbar.OptionClearOnFinish())
	show = func(done, total int) {
		bar.ChangeMax(max(total, 1))
		_ = bar.Set(done) // a bar that cannot be drawn hinders nobody
	}
	return show, func() { _ = bar.Finish() }
}

func (p *program) tellCheck(r *checked) error {
	if p.json {
		if err := p.print(r); err != nil {
			return err
		}
	} else {
		p.sayCheck(r)
	}
	if r.Found > 0 {
		return errTold
	}
	return nil
}

func (p *program) sayCheck(r *checked) {
	for _, f := range r.Findings {
		p.sayf("%s %s: %s", f.Part, f.ID, f.Text)
		if f.Quarantined {
			p.sayf("  → in quarantine now, with an incident; hand out another")
		} else {
			p.sayf("  → %s", f.Do)
		}
	}
	if more := r.Found - len(r.Findings); more > 0 {
		p.sayf("and %d more", more)
	}
	verdict := "in order"
	if r.Found > 0 {
		verdict = fmt.Sprintf("NOT IN ORDER: %s", count(r.Found, "finding"))
	}
	p.sayf("%s: %s, %s of the log; %d credentials and PINs compared with it, %d of them in quarantine", verdict, count(r.Rows, "row"), entries(r.Entries), r.Compared, r.Quarantined)
	p.sayf("the tree of the file was %s", r.Structure)
}

func (p *program) storeBackupCommand() *cobra.Command {
	return p.configFlag(&cobra.Command{
		Use: "backup FILE", Short: "copy the store to a file, while the server goes on working",
		Long: `Writes a copy of the store as it is at this moment to FILE, which must not be there
yet. The copy has mode 0600, gets its name only when it is whole, and opens like the
store itself. It is as sealed and bound as the store: without the HSM it tells
nobody a seed, a PIN or a name, and without the HSM's keys it is worth nothing, so
keep the HSM's own backup with it.

While a server runs, the server makes the copy and records who asked; it takes 64
MiB a second at most.`,
		Example: "  mohur store backup /backup/mohur-$(date +%F).db",
		Args:    exactly("FILE"),
		RunE:    func(cmd *cobra.Command, args []string) error { return p.backupStore(cmd.Context(), args[0]) },
	})
}

func (p *program) backupStore(ctx context.Context, path string) error {
	c, err := loadConfig(p.config)
	if err != nil {
		return err
	}
	var write func(io.Writer) error
	cl, err := running(c)
	switch {
	case err == nil:
		write = func(w io.Writer) error { return cl.backupRunning(ctx, w) }
	case errors.Is(err, os.ErrPermission):
		return err
	default:
		p.notef("no server is running: this command holds the store itself")
		write = func(w io.Writer) error { return backupOwn(ctx, c, w) }
	}
	size, err := backup(path, write)
	if err != nil {
		return err
	}
	p.sayf("%s: %d bytes, whole", path, size)
	return nil
}
