package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"mohur/audit"
	"mohur/hsm"
	"mohur/hsm/pkcs11"
	"mohur/parties"
	"mohur/seal"
	"mohur/store/bolt"
	"mohur/store/bound"
)

// engine is what lies below every service: the HSM, the store with its lock, and
// the log. Whoever has one is the only process that does.
type engine struct {
	config    *Config
	logger    *slog.Logger
	hsm       *pkcs11.Module
	rows      *hsm.Recall  // the module, remembering the MACs of rows
	store     *bolt.Store  // the file: the log, the sweep
	records   *bound.Store // what the domain reads and settles: the same, under MACs
	keys      *seal.Keyring
	bank      seal.Key
	audit     *audit.Drafter
	sequencer *audit.Sequencer
	parties   *parties.Service
	loggedIn  time.Time // when the HSM's log-in was begun
}

// engineOptions are who is told of what.
type engineOptions struct {
	// create makes the store where there is none: `mohur init` only. A server whose
	// disk is not mounted must not begin a new bank in its place.
	create bool
	logger *slog.Logger
	// fatal is told what the process does not survive: a write the disk did not
	// confirm, or calls that never return from the HSM's library.
	fatal      func(error)
	observeHSM func(op string, class hsm.Class, d time.Duration)
	spentHSM   func(op string, d time.Duration)
	observe    func(batch int, d time.Duration)
}

// token is how the HSM's token is reached. That the PIN can be read is tried
// here; what is read for the log-in is not kept.
func (c *Config) token(logger *slog.Logger) (pkcs11.Config, error) {
	if c.HSM.SoftHSMConf != "" {
		if err := pkcs11.UseSoftHSM(c.HSM.SoftHSMConf); err != nil {
			return pkcs11.Config{}, fmt.Errorf("hsm.softhsm_conf: %w", err)
		}
	}
	if err := pkcs11.CheckPINFile(c.HSM.PINFile); err != nil {
		return pkcs11.Config{}, fmt.Errorf("hsm.pin_file: %w", err)
	}
	profile, err := c.hsmProfile()
	if err != nil {
		return pkcs11.Config{}, fmt.Errorf("hsm.profile: %w", err)
	}
	return pkcs11.Config{
		Module: c.HSM.Module, TokenLabel: c.HSM.TokenLabel, PINFile: c.HSM.PINFile, Init: c.HSM.Init,
		Sessions: c.HSM.Sessions, CallTimeout: c.HSM.CallTimeout, Strict: c.HSM.Strict, Logger: logger,
		Profile: profile,
	}, nil
}

// rowsRecalled is how many MACs of rows each generation of the memory holds: at
// most 10 MB together.
const rowsRecalled = 1 << 15

// openEngine opens HSM and store. The store comes first: its lock decides who
// may work, and a second server must not disturb the first one's module.
func openEngine(ctx context.Context, c *Config, o engineOptions) (*engine, error) {
	e := &engine{config: c, logger: o.logger}
	if err := e.open(ctx, o); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

func (e *engine) open(ctx context.Context, o engineOptions) error {
	c := e.config
	e.sequencer = &audit.Sequencer{Origin: c.Audit.Origin, Every: c.Audit.Every, Interval: c.Audit.Interval}
	store, err := bolt.Open(bolt.Options{
		MustExist: !o.create,
		Path:      c.Store.Path, Node: c.Audit.Node, Logger: o.logger, Fatal: o.fatal, OnAppend: e.sequencer.Notify, Observe: o.observe,
		KeepDecisions: c.Payment.KeepDecisions,
	})
	if err != nil {
		return advised(err)
	}
	e.store = store
	token, err := c.token(o.logger)
	if err != nil {
		return err
	}
	token.Observe, token.ObserveCPU, token.Stuck = o.observeHSM, o.spentHSM, o.fatal
	if err := c.checkRefusedPIN(); err != nil {
		return err
	}
	e.loggedIn = time.Now()
	e.hsm, err = pkcs11.Open(ctx, token)
	if err := c.noteRefusedPIN(err, time.Now()); err != nil {
		return err
	}
	e.sequencer.Store, e.sequencer.Signer = e.store, e.hsm
	e.keys = &seal.Keyring{HSM: e.hsm}
	e.bank, err = e.store.BankKey(ctx, func() (seal.Key, error) { return e.keys.New(ctx, "bank") })
	if err != nil {
		return fmt.Errorf("the bank's key: %w", err)
	}
	e.audit = &audit.Drafter{Keys: e.keys, Bank: e.bank, Now: time.Now}
	e.sequencer.Genuine = e.audit.Genuine
	e.rows = hsm.NewRecall(e.hsm, rowsRecalled)
	e.records = &bound.Store{Engine: e.store, HSM: e.rows, Audit: e.audit, Now: time.Now}
	e.parties = &parties.Service{
		Store: e.records, Settler: e.records, Keys: e.keys, Audit: e.audit, Now: time.Now, NoContract: !c.References,
		SuspensionDue: c.Notices.Suspension, ResumptionDue: c.Notices.Resumption,
	}
	return nil
}

// closeTimeout bounds the last checkpoint: a module that is away must not keep a
// process from ending. What it does not cover now is covered at the next start.
const closeTimeout = 3 * time.Second

// close signs a last checkpoint and lets go of store and HSM. It may be called
// for an engine that did not open.
func (e *engine) close() error {
	var err error
	if e.audit != nil {
		if last := e.lastCheckpoint(); last != nil {
			err = fmt.Errorf("the last checkpoint: %w", last)
		}
	}
	if e.store != nil {
		err = errors.Join(err, e.store.Close())
	}
	if e.hsm != nil {
		err = errors.Join(err, e.hsm.Close())
	}
	return err
}

// lastCheckpoint covers everything there is. The sequencer may have been stopped
// while the store was still writing its checkpoint: then the first attempt meets
// that one, and the second goes on from it. Nobody else can have written: this
// process has the store's lock.
func (e *engine) lastCheckpoint() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := e.sequencer.Checkpoint(ctx)
	if errors.Is(err, audit.ErrFork) {
		err = e.sequencer.Checkpoint(ctx)
	}
	return err
}
