package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mohur/cmd/mohur/bench"
)

// benchBank is the bank of a measurement: an installation for development in the
// scratch directory, and its server in a process of its own.
type benchBank struct {
	scratch *scratch
	config  *Config
	server  *child
	target  bench.Target
	admin   *client
}

// serverUp is how long a server has to come up.
const serverUp = 30 * time.Second

// makeBank makes the installation and starts the server. Nobody is told to come
// back later; change may change more.
func (s *scratch) makeBank(ctx context.Context, change func(*Config)) (*benchBank, error) {
	dir := filepath.Join(s.dir, "bank")
	init, err := s.start(errand{name: "init", args: []string{
		"init", "--dir", dir, "--development", "--listen", "127.0.0.1:0", "--url", "https://localhost",
	}})
	if err != nil {
		return nil, err
	}
	if err := init.wait(ctx); err != nil {
		return nil, err
	}
	b := &benchBank{scratch: s}
	if b.config, err = loadConfig(filepath.Join(dir, configName)); err != nil {
		return nil, err
	}
	return b, b.restart(ctx, func(c *Config) {
		const many = 1000000
		l := &c.Limits
		l.CallerRate, l.CallerBurst, l.CustomerRate, l.CustomerBurst, l.SourceRate, l.SourceBurst = many, many, many, many, many, many
		l.CustomerFailures, l.SourceFailures = many, many
		change(c)
	})
}

// restart starts the server with a changed configuration, ending the one that
// runs.
func (b *benchBank) restart(ctx context.Context, change func(*Config)) error {
	if b.server != nil {
		if err := b.server.stop(); err != nil {
			return err
		}
	}
	change(b.config)
	b.config.FIDO = defaults().FIDO // what is measured has no keys, and so have its decoys none
	if err := os.WriteFile(b.config.File, b.config.document(b.config.File), 0o600); err != nil {
		return err
	}
	if err := checkSocketPath(b.config.Socket); err != nil {
		return fmt.Errorf("%w, or --dir to a shorter one", err)
	}
	var err error
	if b.server, err = b.scratch.start(errand{name: "server", args: []string{"serve", "--config", b.config.File}, clearly: true}); err != nil {
		return err
	}
	if err := b.up(ctx); err != nil {
		return err
	}
	key, err := os.ReadFile(filepath.Join(b.config.Dir, adminKeyFile))
	if err != nil {
		return err
	}
	address := b.config.address(ctx)
	b.admin = overNetwork(b.config, address, strings.TrimSpace(string(key)))
	b.target = bench.Target{Address: strings.TrimPrefix(address, "https://"), TLS: b.config.clientTLS(), Key: b.admin.key}
	return nil
}

// up waits for the server.
func (b *benchBank) up(ctx context.Context) error {
	for deadline := time.Now().Add(serverUp); ; {
		switch {
		case answered(b.config.Socket):
			return nil
		case b.server.ended():
			return errors.New("the server does not come up")
		case time.Now().After(deadline):
			return fmt.Errorf("the server does not come up within %s", serverUp)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// spent is what the server has spent and counted at a moment.
type spent struct {
	cpu, hsm time.Duration
	granted  int // answers, as the server counted them
	refused  int
}

// read reads what the server has spent. Its own cost lies outside of what is
// between two readings: the first ends with the clock, the second begins with it.
func (b *benchBank) read(ctx context.Context, first bool) (s spent, err error) {
	if !first {
		if s.cpu, err = bench.CPU(b.server.pid()); err != nil {
			return s, err
		}
	}
	conn, err := bench.Dial(ctx, b.target)
	if err != nil {
		return s, err
	}
	defer conn.Close()
	status, text, err := conn.Get("/metrics")
	if err != nil {
		return s, err
	}
	if status != http.StatusOK {
		return s, fmt.Errorf("the server's metrics: %d", status)
	}
	s.hsm = time.Duration(bench.Counter(text, "mohur_hsm_cpu_seconds_total", "") * float64(time.Second))
	s.granted = int(bench.Counter(text, "mohur_answers_total", `outcome="granted"`))
	s.refused = int(bench.Counter(text, "mohur_answers_total", `outcome="refused"`))
	if first {
		s.cpu, err = bench.CPU(b.server.pid())
	}
	return s, err
}

// rest waits until the server has done what is still to do for answers it has
// given: the tree of the log is extended once a second.
func (b *benchBank) rest(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(b.config.Audit.Interval + 100*time.Millisecond):
		return nil
	}
}

// watch measures what f costs the server, with what that leaves to be done.
func (b *benchBank) watch(ctx context.Context, f func() (bench.Round, error)) (c cost, err error) {
	if err := b.rest(ctx); err != nil {
		return c, err
	}
	before, err := b.read(ctx, true)
	if err != nil {
		return c, err
	}
	if c.Round, err = f(); err != nil {
		return c, err
	}
	if err := b.rest(ctx); err != nil {
		return c, err
	}
	after, err := b.read(ctx, false)
	c.cpu, c.hsm = after.cpu-before.cpu, after.hsm-before.hsm
	c.granted, c.refused = after.granted-before.granted, after.refused-before.refused
	return c, err
}

// cost is what operations took and what they cost the server.
type cost struct {
	bench.Round
	spent
}

func (c *cost) add(other cost) {
	c.Round.Add(other.Round)
	c.cpu += other.cpu
	c.hsm += other.hsm
	c.granted += other.granted
	c.refused += other.refused
}

// agree makes sure that the server has judged what was sent, each once.
func (c *cost) agree(granted, refused int) error {
	if c.granted != granted || c.refused != refused {
		return fmt.Errorf("the server has granted %d answers and refused %d; %d and %d were seen", c.granted, c.refused, granted, refused)
	}
	return nil
}
