package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// clearing are the settings under which memory is overwritten when it is freed:
// by the C library, whose memory the HSM's module has, and by Go (docs/hsm.md).
// Both are read from the environment when a process begins and not again.
var clearing = []struct {
	variable, between string
	settings          []string
}{
	{"GLIBC_TUNABLES", ":", []string{"glibc.malloc.perturb=165", "glibc.malloc.tcache_count=0"}},
	{"GODEBUG", ",", []string{"clobberfree=1"}},
}

// with adds settings to a value of the environment, in place of others of their
// names.
func with(value, between string, settings []string) string {
	var kept []string
	for s := range strings.SplitSeq(value, between) {
		name, _, _ := strings.Cut(s, "=")
		replaced := false
		for _, own := range settings {
			replaced = replaced || strings.HasPrefix(own, name+"=")
		}
		if s != "" && !replaced {
			kept = append(kept, s)
		}
	}
	return strings.Join(append(kept, settings...), between)
}

// clearsMemory reports whether this process began with all of them. The C library
// does not heed them in one that got rights by its file (setuid, setcap).
func clearsMemory() bool {
	for _, c := range clearing {
		have := os.Getenv(c.variable)
		for _, s := range c.settings {
			if !strings.Contains(c.between+have+c.between, c.between+s+c.between) {
				return false
			}
		}
	}
	return !secured()
}

// secured reports the kernel's AT_SECURE (getauxval(3)).
func secured() bool {
	const atSecure = 23
	aux, err := unix.Auxv()
	for _, a := range aux {
		if a[0] == atSecure {
			return a[1] != 0
		}
	}
	return err != nil
}

// anewVariable holds the number of a process that has begun anew: it does not do
// so twice, whatever became of its environment.
const anewVariable = "MOHUR_BEGUN_ANEW"

// beginAnew has the process begin once more, as the same program with the
// settings, where it lacks them. It keeps its number, its open files, and so what
// systemd knows of it. It returns when there is nothing to do or nothing helps.
func (p *program) beginAnew(ctx context.Context) error {
	own := strconv.Itoa(os.Getpid())
	if p.exec == nil || clearsMemory() || secured() || os.Getenv(anewVariable) == own {
		return nil
	}
	if err := os.Setenv(anewVariable, own); err != nil {
		return err
	}
	for _, c := range clearing {
		if err := os.Setenv(c.variable, with(os.Getenv(c.variable), c.between, c.settings)); err != nil {
			return err
		}
	}
	signal.Reset(os.Interrupt, syscall.SIGTERM) // from here on they end it, as they would the next
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := p.exec(ownFile(), os.Args, os.Environ()); err != nil {
		return fmt.Errorf("the server cannot begin anew with the settings that clear memory: %w; start it with %s", err, settingsText())
	}
	return nil
}

// ownFile is the file of this program: by its name, so that the process keeps
// its own, unless another has been put in its place meanwhile.
func ownFile() string {
	const self = "/proc/self/exe"
	path, err := os.Executable()
	if err != nil {
		return self
	}
	running, err := os.Stat(self)
	if err != nil {
		return self
	}
	if named, err := os.Stat(path); err != nil || !os.SameFile(named, running) {
		return self
	}
	return path
}

// settingsText is what a person sets instead.
func settingsText() string {
	var all []string
	for _, c := range clearing {
		all = append(all, c.variable+"="+strings.Join(c.settings, c.between))
	}
	return strings.Join(all, " ")
}
