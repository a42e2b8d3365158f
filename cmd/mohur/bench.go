package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// benchOptions is what `mohur bench` is told.
type benchOptions struct {
	connections []int
	duration    time.Duration
	tokens      int
	floor       bool
	dir         string
}

// eachConnection is how many customers a connection has to itself at least: with
// fewer, one customer would answer as soon as he has answered.
const eachConnection = 4

func (p *program) benchCommand() *cobra.Command {
	o := benchOptions{connections: []int{1, 16, 64}, duration: 2 * time.Second, tokens: 256}
	cmd := p.jsonFlag(&cobra.Command{
		Use:   "bench",
		Short: "measure what an answer takes and costs on this machine",
		Long: `Makes a bank for development in a temporary directory, lets its customers log in,
and removes it again. The server is a process of its own, on SoftHSM, with the log
and everything durable; no other bank is touched. It takes about a minute.

It measures answers to attempts that were begun before, whole log-ins in one
request, the first of each customer after a start, wrong codes beside right ones,
and PINs beside bare runs of Argon2id: how many a second, p50 and p99 of the wait,
and the processor time of the server for 1,000 of them. The HSM's share is
processor time inside its library, read at one call in eight; own is the rest.
The customers come over HTTPS on the loopback interface, HTTP/1.1 on connections
that stay open. The load is made on the same machine and takes its part of it:
processor time is the figure to compare, requests a second move with everything.
Limits of pace are raised and the floors of time left out: they are waiting.

With --floor it measures in the same run the same commit without the checks: a
sealed seed opened in memory, the code computed there, hot row, attempt and audit
entry on the disk.

What waits for a disk is measured on the disk of the directory: name one on the
bank's with --dir.`,
		Example: `  mohur bench --floor
  mohur bench --connections 16 --duration 10s --tokens 1024 --dir /srv/mohur --json
  mohur bench enumeration`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return p.bench(cmd.Context(), o) },
	})
	f := cmd.Flags()
	f.BoolVar(&o.floor, "floor", false, "measure beside it the same commit without the checks")
	f.IntSliceVar(&o.connections, "connections", o.connections, "at how many connections, `N,N,…`")
	f.DurationVar(&o.duration, "duration", o.duration, "how long each figure is measured, `TIME`")
	f.IntVar(&o.tokens, "tokens", o.tokens, "`N` customers, each with a token")
	f.StringVar(&o.dir, "dir", "", "a `DIR` to make the temporary directory in (default $TMPDIR)")
	cmd.AddCommand(p.enumerationCommand(), p.floorCommand())
	return cmd
}

func (o benchOptions) check() error {
	for _, n := range o.connections {
		if n < 1 || n > 1024 {
			return usagef("--connections are numbers from 1 to 1024")
		}
		if o.tokens < n*eachConnection {
			return usagef("--tokens needs to be %d at least for %s", n*eachConnection, count(n, "connection"))
		}
	}
	switch {
	case len(o.connections) == 0:
		return usagef("--connections needs a number")
	case o.tokens > 100000:
		return usagef("--tokens is 100000 at most")
	case o.duration < 50*time.Millisecond || o.duration > time.Hour:
		return usagef("--duration is 50ms to 1h")
	}
	return nil
}

// most is how many connections there are at most.
func (o benchOptions) most() int { return slices.Max(o.connections) }

// typical is the number of connections of figures that are measured once: the one
// that the aims are for, or the most.
func (o benchOptions) typical() int {
	if slices.Contains(o.connections, aimedAt) {
		return aimedAt
	}
	return o.most()
}

func (p *program) bench(ctx context.Context, o benchOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	var report *benchReport
	err := p.inScratch(ctx, o.dir, func(ctx context.Context, s *scratch) (err error) {
		run := &benchRun{benchOptions: o, scratch: s, steps: p.steps(2*len(o.connections) + 5)}
		report, err = run.all(ctx)
		return err
	})
	switch {
	case err != nil:
		return err
	case p.json:
		return p.print(report)
	}
	return report.tell(p.out)
}

// scratch is a directory with a bank that exists for a measurement only.
type scratch struct {
	dir      string
	disk     string // the kind of its file system
	children []*child
}

// inScratch runs f with a new directory. Whatever becomes of f, nothing that it
// started runs afterwards, and the directory is gone.
func (p *program) inScratch(ctx context.Context, parent string, f func(context.Context, *scratch) error) (err error) {
	dir, err := os.MkdirTemp(parent, "mohur-bench-")
	if err != nil {
		return err
	}
	s := &scratch{dir: dir, disk: diskOf(dir)}
	defer func() {
		for _, c := range s.children {
			c.kill()
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	if s.dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if s.disk == inMemory {
		p.notef("%s is in memory and waits for no disk: the figures are better than a bank's; name a directory on its disk with --dir", filepath.Dir(s.dir))
	}
	if err := f(ctx, s); err != nil {
		if ctx.Err() != nil {
			return errors.New("interrupted; nothing is left behind")
		}
		return s.explained(err)
	}
	return nil
}

// explained adds what a process said that has ended when it should not.
func (s *scratch) explained(err error) error {
	for _, c := range s.children {
		if c.ended() && !c.stopped {
			err = fmt.Errorf("%w\n%s has ended: %s", err, c.name, c.lastWords())
		}
	}
	return err
}

const inMemory = "tmpfs"

// diskOf names the file system a directory is on, as far as it is a usual one.
func diskOf(dir string) string {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "unknown"
	}
	name, ok := map[int64]string{
		unix.TMPFS_MAGIC: inMemory, unix.RAMFS_MAGIC: inMemory, unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs",
		unix.BTRFS_SUPER_MAGIC: "btrfs", unix.OVERLAYFS_SUPER_MAGIC: "overlay", unix.NFS_SUPER_MAGIC: "nfs",
	}[st.Type]
	if !ok {
		return fmt.Sprintf("0x%x", st.Type)
	}
	return name
}

// steps shows on a terminal how far a measurement is.
type steps struct {
	bar *progressbar.ProgressBar // nil: nobody looks
}

func (p *program) steps(n int) *steps {
	if !isTerminal(p.err) {
		return &steps{}
	}
	return &steps{progressbar.NewOptions(n, progressbar.OptionSetWriter(p.err), progressbar.OptionShowCount(),
		progressbar.OptionSetWidth(24), progressbar.OptionClearOnFinish())}
}

// next begins a step. A bar that cannot be drawn hinders nobody.
func (s *steps) next(format string, args ...any) {
	if s.bar == nil {
		return
	}
	s.bar.Describe(fmt.Sprintf("%-40s", fmt.Sprintf(format, args...)))
	_ = s.bar.Add(1)
}

func (s *steps) done() {
	if s.bar != nil {
		_ = s.bar.Finish()
	}
}
