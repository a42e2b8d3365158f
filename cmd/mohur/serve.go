package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"mohur/rate"
)

// drainFor is how long requests under way may take to end once the server stops.
const drainFor = 10 * time.Second

func (p *program) serveCommand() *cobra.Command {
	var listen string
	cmd := p.configFlag(&cobra.Command{
		Use:   "serve",
		Short: "run the server",
		Long: `Runs the server until it gets SIGTERM or SIGINT. It then takes no new connections,
lets requests under way end for at most 10 seconds, signs a last checkpoint of the
audit log and closes the store. It ends with an error, to be started again, when
the disk does not confirm a write or the HSM's library no longer returns.

It needs memory to be overwritten when it is freed: where the environment does not
say so, it begins anew with what is missing, as the same process.

It ends with 78 when the HSM refuses the PIN, and does not try the same PIN again
(docs/hsm.md): a supervisor must not start it again then.

It logs to standard error, as JSON unless that is a terminal. Under systemd use
Type=notify and RestartPreventExitStatus=78.`,
		Example: "  mohur serve --config /etc/mohur/mohur.yaml\n  mohur serve --listen 127.0.0.1:9443",
		Args:    exactly(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.serve(cmd.Context(), listen) },
	})
	cmd.Flags().StringVar(&listen, "listen", "", "`ADDRESS:PORT` to listen on instead of the configured one")
	return cmd
}

func (p *program) logger() *slog.Logger {
	if isTerminal(p.err) {
		return slog.New(slog.NewTextHandler(p.err, nil))
	}
	return slog.New(slog.NewJSONHandler(p.err, nil))
}

func (p *program) serve(ctx context.Context, listen string) error {
	if err := p.beginAnew(ctx); err != nil {
		return err
	}
	c, err := loadConfig(p.config)
	if err != nil {
		return err
	}
	if listen != "" {
		c.Listen = listen
		all := &faults{}
		all.add(c.check())
		if err := all.err(c.File + " with --listen " + listen); err != nil {
			return err
		}
	}
	if err := checkSocketPath(c.Socket); err != nil {
		return err
	}
	if answered(c.Socket) { // said again by the store's lock, but less plainly
		return fmt.Errorf("%w already at %s; stop it first", errRunning, c.Socket)
	}
	fatal := make(chan error, 4)
	tell := func(err error) {
		select {
		case fatal <- err:
		default: // the first ones say enough
		}
	}
	s, err := wire(ctx, c, p.logger(), tell)
	if err != nil {
		return err
	}
	if p.exec != nil && !clearsMemory() {
		s.logger.Warn("memory is not overwritten when it is freed; see docs/hsm.md", "needs", settingsText())
	}
	return p.run(ctx, s, fatal, tell)
}

// run serves until the context ends or something fatal happens, and takes the
// house apart again, from the roof to the ground.
func (p *program) run(ctx context.Context, s *server, fatal <-chan error, tell func(error)) error {
	door, err := s.listen(ctx)
	if err != nil {
		return errors.Join(err, s.close())
	}
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.background(work)
	door.open(tell)
	by := localCaller(ownUID(), s.config.Development)
	if err := s.note(ctx, by, "server.started", map[string]any{"version": version, "listen": door.address, "policy": s.policyMark()}); err != nil {
		tell(err)
	} else {
		p.welcome(s, door.address)
		s.logger.Info("serving", "url", s.config.URL, "address", door.address, "version", version, "since_hsm", time.Since(s.loggedIn))
		notify("READY=1")
	}
	var cause error
	select {
	case <-ctx.Done():
	case cause = <-fatal:
		s.logger.Error("the server cannot go on", "error", cause)
	}
	notify("STOPPING=1")
	s.logger.Info("stopping")
	drain, cancel := context.WithTimeout(context.Background(), drainFor)
	defer cancel()
	door.close(drain)
	s.api.Shutdown(drain)
	if cause == nil {
		err = s.note(drain, by, "server.stopped", map[string]any{"version": version})
	}
	stop()
	s.workers.Wait()
	err = errors.Join(cause, err, s.stops.Close(), s.close())
	s.logger.Info("stopped")
	return err
}

// sweepEvery is how often records whose time is over are removed, and
// sweepAtOnce how many at most.
const (
	sweepEvery  = time.Minute
	sweepAtOnce = 10000
)

// letGoEvery is how often what was read of the store's file is let go of.
const letGoEvery = 10 * time.Second

// background starts what runs beside the requests.
func (s *server) background(ctx context.Context) {
	s.workers.Go(func() { s.mergeStops(ctx) })
	s.workers.Go(func() { s.sweepStore(ctx) })
	s.workers.Go(func() { s.letGo(ctx) })
	s.workers.Go(func() { s.reviewHeld(ctx) })
	s.workers.Go(func() { s.turnBook(ctx) })
	s.workers.Go(func() { s.watchExposed(ctx) })
	s.workers.Go(func() { s.watchKeys(ctx) })
	s.workers.Go(func() { s.watchCards(ctx) })
	s.workers.Go(func() {
		if err := s.sequencer.Run(ctx); err != nil {
			s.health.stopped(err)
		}
	})
	s.workers.Go(func() {
		tick := time.NewTicker(sweepEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-tick.C:
				_, err := s.store.Sweep(ctx, now, sweepAtOnce)
				if err = errors.Join(err, s.custody.Expire(ctx), s.closeQuarters(ctx)); err != nil && ctx.Err() == nil {
					s.logger.ErrorContext(ctx, "records whose time is over could not be removed", "error", err)
				}
			}
		}
	})
}

// letGo keeps the process as small as it is, whatever the size of its store.
func (s *server) letGo(ctx context.Context) {
	debug.FreeOSMemory() // what the start has read, the whole stop-list for one
	for ctx.Err() == nil {
		if err := s.store.LetGo(ctx); err != nil && ctx.Err() == nil {
			s.logger.WarnContext(ctx, "the store's file could not be let go of", "error", err)
		}
		rate.Rest(ctx, letGoEvery)
	}
}

// welcome tells a developer what to do next.
func (p *program) welcome(s *server, address string) {
	if !s.config.Development {
		return
	}
	p.sayf("Mohur is at %s, for development only. Its log goes to standard error.", address)
	key := filepath.Join(s.config.Dir, adminKeyFile)
	p.sayf("The admin key is in %s: curl --cacert %s -H \"Authorization: Bearer $(cat %s)\" %s/v1/tokens", key, s.config.TLS.Cert, key, address)
	p.sayf("Next, in another terminal: %s demo --config %s", os.Args[0], s.config.File)
}
