package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// child is this very program run beside this process, so that what it costs is
// told apart from what it costs to drive it.
type child struct {
	name    string
	log     string // the file of its standard error
	cmd     *exec.Cmd
	exited  chan struct{} // closed when it has
	stopped bool          // it was told to
}

// own is this program's file, also where its name has gone or now names another.
const own = "/proc/self/exe"

// errand is what a child is started for.
type errand struct {
	name    string
	args    []string
	in      io.Reader
	out     io.Writer
	clearly bool // with the settings that clear memory, as a server has them
}

// start starts a child in the scratch directory.
func (s *scratch) start(e errand) (*child, error) {
	c := &child{name: e.name, log: filepath.Join(s.dir, e.name+".log"), exited: make(chan struct{})}
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	c.cmd = exec.Command(own, e.args...)
	c.cmd.Args[0] = "mohur"
	c.cmd.Dir, c.cmd.Env = s.dir, append(plainEnvironment(), "TMPDIR="+s.dir)
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = e.in, e.out, log
	if e.clearly {
		// Given beforehand: a server that begins anew to get them would no longer end
		// with us.
		for _, v := range clearing {
			c.cmd.Env = append(c.cmd.Env, v.variable+"="+with(os.Getenv(v.variable), v.between, v.settings))
		}
	}
	// In a group of its own it is ended by us and not by the terminal; and it ends
	// when we do, however that comes about.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the thread that starts it counts as its parent
		err := c.cmd.Start()
		started <- err
		if err == nil {
			_ = c.cmd.Wait() // how it ended is in ProcessState
			close(c.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%s cannot be started: %w", e.name, err)
	}
	s.children = append(s.children, c)
	return c, nil
}

// plainEnvironment is ours without what points a command at a bank.
func plainEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{configVariable, keyVariable, "NOTIFY_SOCKET", "TMPDIR"}, name)
	})
}

func (c *child) pid() int { return c.cmd.Process.Pid }

func (c *child) ended() bool {
	select {
	case <-c.exited:
		return true
	default:
		return false
	}
}

// wait waits for the child to end by itself; one that did not end well is an
// error.
func (c *child) wait(ctx context.Context) error {
	select {
	case <-c.exited:
	case <-ctx.Done():
		c.kill()
		return ctx.Err()
	}
	if !c.cmd.ProcessState.Success() {
		return fmt.Errorf("%s failed: %s", c.name, c.lastWords())
	}
	c.stopped = true
	return nil
}

// stopWithin is longer than a server gives requests under way.
const stopWithin = drainFor + 5*time.Second

// stop lets the child end in order.
func (c *child) stop() error {
	c.stopped = true
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-c.exited:
	case <-time.After(stopWithin):
		c.kill()
		return fmt.Errorf("%s does not end", c.name)
	}
	if !c.cmd.ProcessState.Success() {
		return fmt.Errorf("%s ended badly: %s", c.name, c.lastWords())
	}
	return nil
}

// kill ends it at once. Nothing of it runs when it returns.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may have ended
	<-c.exited
}

// lastWords is how the child ended and the end of what it said.
func (c *child) lastWords() string {
	text, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return c.cmd.ProcessState.String() + "\n" + strings.Join(lines[max(0, len(lines)-5):], "\n")
}
